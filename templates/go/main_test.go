//go:build !wasip1

package main

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var url string

// TestMain runs the app for all tests. EDGECTL: the program to use.
func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	state, err := os.MkdirTemp("", "app-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(state)
	program := os.Getenv("EDGECTL")
	if program == "" {
		program = "edgectl"
	}
	if out, err := exec.Command(program, "build").CombinedOutput(); err != nil {
		panic(string(out))
	}
	ready := filepath.Join(state, "url")
	server := exec.Command(program, "dev", "--addr", "127.0.0.1:0", "--state", state, "--ready-file", ready)
	server.Env = append(os.Environ(), "ADMIN_TOKEN=test-token")
	server.Stderr = os.Stderr
	if err := server.Start(); err != nil {
		panic(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Wait() }()
	defer func() {
		server.Process.Signal(os.Interrupt)
		<-done
	}()
	for deadline := time.Now().Add(time.Minute); url == ""; {
		select {
		case err := <-done:
			done <- err
			panic("edgectl dev ended")
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			panic("edgectl dev does not start")
		}
		text, _ := os.ReadFile(ready)
		url = strings.TrimRight(strings.TrimSpace(string(text)), "/")
	}
	return m.Run()
}

// ask gives the answer and its body.
func ask(t *testing.T, method, path, body string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text)
}

func TestPageGreetsAndGivesAVariant(t *testing.T) {
	answer, body := ask(t, "GET", "/", "")
	if !strings.Contains(body, "<h1>Hello from the edge</h1>") {
		t.Errorf("no greeting in %q", body)
	}
	if cookie := answer.Header.Get("Set-Cookie"); !strings.HasPrefix(cookie, "variant=") {
		t.Errorf("cookie %q", cookie)
	}
}

func TestVisitorKeepsTheVariant(t *testing.T) {
	for _, v := range []string{"a", "b"} {
		if _, body := ask(t, "GET", "/", "", "Cookie", "x=y; variant="+v); !strings.Contains(body, "You see variant "+v) {
			t.Errorf("not variant %s: %q", v, body)
		}
	}
}

func TestItemsComeFromTheOrigin(t *testing.T) {
	answer, body := ask(t, "GET", "/items", "")
	if answer.Header.Get("X-Served-By") != "edge" || !strings.Contains(body, "teapot") {
		t.Errorf("%v %q", answer, body)
	}
}

func TestOnlyTheTokenChangesTheGreeting(t *testing.T) {
	for _, token := range []string{"", "Bearer x"} {
		if answer, _ := ask(t, "PUT", "/greeting", "Good day", "Authorization", token); answer.StatusCode != 401 {
			t.Errorf("%q: %d", token, answer.StatusCode)
		}
	}
	if answer, body := ask(t, "PUT", "/greeting", "Good day", "Authorization", "Bearer test-token"); answer.StatusCode != 200 {
		t.Errorf("%d %q", answer.StatusCode, body)
	}
	if _, body := ask(t, "GET", "/", ""); !strings.Contains(body, "<h1>Good day</h1>") {
		t.Errorf("not changed: %q", body)
	}
}

func TestAllElseIsNotFound(t *testing.T) {
	if answer, _ := ask(t, "GET", "/nothing", ""); answer.StatusCode != 404 {
		t.Error(answer.StatusCode)
	}
}
