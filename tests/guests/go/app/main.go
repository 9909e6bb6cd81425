// SPDX-License-Identifier: Apache-2.0

// What apps made with the Go SDK do, by path. Backends: origin (the guest c/origin), refused.
package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/fastly/compute-sdk-go/cache/simple"
	"github.com/fastly/compute-sdk-go/configstore"
	"github.com/fastly/compute-sdk-go/fsthttp"
	"github.com/fastly/compute-sdk-go/kvstore"
	"github.com/fastly/compute-sdk-go/secretstore"

	"strings"
)

func main() {
	fsthttp.ServeFunc(serve)
}

func serve(ctx context.Context, w fsthttp.ResponseWriter, r *fsthttp.Request) {
	var err error
	switch r.URL.Path {
	case "/proxy":
		err = proxy(ctx, w, r)
	case "/parallel":
		err = parallel(ctx, w)
	case "/timeout":
		err = timeout(ctx, w)
	case "/kv":
		err = kv(w)
	case "/stores":
		err = stores(w)
	case "/cache":
		err = cache(w, r)
	case "/stream":
		err = stream(ctx, w)
	case "/refused":
		_, err = get(ctx, "refused", "/")
	case "/panic":
		panic("on purpose")
	default:
		w.WriteHeader(fsthttp.StatusNotFound)
	}
	if err != nil {
		w.WriteHeader(fsthttp.StatusBadGateway)
		fmt.Fprintln(w, err)
	}
}

func get(ctx context.Context, backend, path string) (*fsthttp.Response, error) {
	req, err := fsthttp.NewRequest("GET", "http://app.example"+path, nil)
	if err != nil {
		return nil, err
	}
	return req.Send(ctx, backend)
}

func proxy(ctx context.Context, w fsthttp.ResponseWriter, r *fsthttp.Request) error {
	r.URL.Path = "/echo"
	r.Header.Set("X-Via", "go")
	answer, err := r.Send(ctx, "origin")
	if err != nil {
		return err
	}
	w.Header().Reset(answer.Header)
	w.WriteHeader(answer.StatusCode)
	_, err = io.Copy(w, answer.Body)
	return err
}

// parallel sends five slow requests at once.
func parallel(ctx context.Context, w fsthttp.ResponseWriter) error {
	began := time.Now()
	var wait sync.WaitGroup
	var mutex sync.Mutex
	good := 0
	for range 5 {
		wait.Add(1)
		go func() {
			defer wait.Done()
			answer, err := get(ctx, "origin", "/slow/300")
			if err != nil {
				return
			}
			text, _ := io.ReadAll(answer.Body)
			mutex.Lock()
			defer mutex.Unlock()
			if string(text) == "slow" {
				good++
			}
		}()
	}
	wait.Wait()
	_, err := fmt.Fprintf(w, "%d good, at once: %v\n", good, time.Since(began) < time.Second)
	return err
}

func timeout(ctx context.Context, w fsthttp.ResponseWriter) error {
	ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	_, err := get(ctx, "origin", "/slow/5000")
	_, err = fmt.Fprintf(w, "%v\n", err)
	return err
}

func kv(w fsthttp.ResponseWriter) error {
	store, err := kvstore.Open("store")
	if err != nil {
		return err
	}
	if err := store.Insert("go/key", strings.NewReader("value")); err != nil {
		return err
	}
	entry, err := store.Lookup("go/key")
	if err != nil {
		return err
	}
	text := entry.String()
	if err := store.Delete("go/key"); err != nil {
		return err
	}
	_, missing := store.Lookup("go/key")
	_, err = fmt.Fprintf(w, "%s, then %v\n", text, missing)
	return err
}

func stores(w fsthttp.ResponseWriter) error {
	settings, err := configstore.Open("settings")
	if err != nil {
		return err
	}
	plain, err := settings.Get("plain")
	if err != nil {
		return err
	}
	token, err := secretstore.Plaintext("secrets", "token")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s %s\n", plain, token)
	return err
}

func cache(w fsthttp.ResponseWriter, r *fsthttp.Request) error {
	made := 0
	for range 2 {
		entry, err := simple.GetOrSet([]byte(r.URL.RawQuery), func() (simple.CacheEntry, error) {
			made++
			return simple.CacheEntry{Body: strings.NewReader("cached"), TTL: time.Minute}, nil
		})
		if err != nil {
			return err
		}
		if _, err := io.Copy(w, entry); err != nil {
			return err
		}
		entry.Close()
	}
	_, err := fmt.Fprintf(w, " made: %d\n", made)
	return err
}

func stream(ctx context.Context, w fsthttp.ResponseWriter) error {
	answer, err := get(ctx, "origin", "/stream/5/20")
	if err != nil {
		return err
	}
	_, err = io.Copy(w, answer.Body)
	return err
}
