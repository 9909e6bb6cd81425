package main

import (
	"context"
	"crypto/subtle"
	"fmt"
	"html"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/fastly/compute-sdk-go/configstore"
	"github.com/fastly/compute-sdk-go/fsthttp"
	"github.com/fastly/compute-sdk-go/kvstore"
	"github.com/fastly/compute-sdk-go/rtlog"
	"github.com/fastly/compute-sdk-go/secretstore"
)

func main() {
	fsthttp.ServeFunc(serve)
}

func serve(ctx context.Context, w fsthttp.ResponseWriter, r *fsthttp.Request) {
	get := r.Method == "GET" || r.Method == "HEAD"
	switch {
	case get && r.URL.Path == "/":
		home(w, r)
	case get && r.URL.Path == "/items":
		items(ctx, w)
	case r.Method == "PUT" && r.URL.Path == "/greeting":
		setGreeting(w, r)
	default:
		text(w, fsthttp.StatusNotFound, "There is nothing here.\n")
	}
}

func text(w fsthttp.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	io.WriteString(w, body)
}

// variant splits visitors in two once; a cookie remembers it.
func variant(r *fsthttp.Request) string {
	for _, cookie := range strings.Split(r.Header.Get("Cookie"), ";") {
		switch strings.TrimSpace(cookie) {
		case "variant=a":
			return "a"
		case "variant=b":
			return "b"
		}
	}
	percent := 0
	if flags, err := configstore.Open("flags"); err == nil {
		value, _ := flags.Get("b-percent")
		percent, _ = strconv.Atoi(value)
	}
	if rand.IntN(100) < percent {
		return "b"
	}
	return "a"
}

// greeting is what the KV store holds.
func greeting() string {
	store, err := kvstore.Open("content")
	if err != nil {
		return "Hello"
	}
	entry, err := store.Lookup("greeting")
	if err != nil {
		return "Hello"
	}
	return entry.String()
}

const page = `<!doctype html>
<meta charset=utf-8>
<title>Edge app</title>
<style>
  body { font: 1.2rem/1.5 system-ui; max-width: 36rem; margin: 4rem auto; padding: 1rem;
         border-top: .5rem solid %s }
</style>
<h1>%s</h1>
<p>You see variant %s.
<p><a href=/items>Items from the origin</a>
`

// home shows the greeting in the visitor's variant.
func home(w fsthttp.ResponseWriter, r *fsthttp.Request) {
	v := variant(r)
	color := map[string]string{"a": "royalblue", "b": "seagreen"}[v]
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "private, no-store")
	w.Header().Set("Set-Cookie", "variant="+v+"; Path=/; Max-Age=2592000; SameSite=Lax; HttpOnly")
	fmt.Fprintf(w, page, color, html.EscapeString(greeting()), v)
}

// items passes on what the origin says, marked as having come this way.
func items(ctx context.Context, w fsthttp.ResponseWriter) {
	req, err := fsthttp.NewRequest("GET", "http://origin/items.json", nil)
	if err != nil {
		text(w, fsthttp.StatusInternalServerError, "Bad request.\n")
		return
	}
	answer, err := req.Send(ctx, "origin")
	if err != nil {
		fmt.Fprintf(rtlog.Open("app"), "origin failed: %v", err)
		text(w, fsthttp.StatusBadGateway, "The origin does not answer.\n")
		return
	}
	w.Header().Reset(answer.Header)
	w.Header().Set("X-Served-By", "edge")
	w.WriteHeader(answer.StatusCode)
	io.Copy(w, answer.Body)
}

// allowed tells whether the request carries the admin's token.
func allowed(r *fsthttp.Request) bool {
	given, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	token, err := secretstore.Plaintext("secrets", "admin-token")
	return isBearer && err == nil && len(token) > 0 &&
		subtle.ConstantTimeCompare([]byte(given), token) == 1
}

// setGreeting is for those who know the token.
func setGreeting(w fsthttp.ResponseWriter, r *fsthttp.Request) {
	if !allowed(r) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		text(w, fsthttp.StatusUnauthorized, "Not allowed.\n")
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1001))
	if err != nil || len(body) == 0 || len(body) > 1000 {
		text(w, fsthttp.StatusBadRequest, "A greeting has 1 to 1000 bytes.\n")
		return
	}
	store, err := kvstore.Open("content")
	if err == nil {
		err = store.Insert("greeting", strings.NewReader(string(body)))
	}
	if err != nil {
		text(w, fsthttp.StatusInternalServerError, "The greeting could not be stored.\n")
		return
	}
	fmt.Fprintf(rtlog.Open("app"), "greeting changed, %d bytes", len(body))
	text(w, fsthttp.StatusOK, "Stored.\n")
}
