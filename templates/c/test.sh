#!/bin/sh
# Runs the app and looks at its answers. EDGECTL: the program to use.
set -eu
cd "$(dirname "$0")"
EDGECTL=${EDGECTL:-edgectl}
"$EDGECTL" build
tmp=$(mktemp -d)
export ADMIN_TOKEN=test-token
"$EDGECTL" dev --addr 127.0.0.1:0 --state "$tmp/state" --ready-file "$tmp/url" >"$tmp/log" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null; wait $server 2>/dev/null; rm -rf "$tmp"' EXIT
tries=0
until [ -s "$tmp/url" ]; do
    tries=$((tries + 1))
    if [ $tries -gt 1200 ] || ! kill -0 $server 2>/dev/null; then
        cat "$tmp/log" >&2
        exit 1
    fi
    sleep 0.05
done
url=$(cat "$tmp/url")

# check WHAT PATTERN CURL-ARGUMENT...: head and body of the answer match an extended pattern.
check() {
    what=$1 pattern=$2
    shift 2
    if curl -s -i --max-time 10 "$@" | tr -d '\r' | grep -Eq "$pattern"; then
        echo "ok: $what"
    else
        echo "FAILED: $what: no '$pattern' in:" >&2
        curl -s -i --max-time 10 "$@" >&2
        exit 1
    fi
}

check 'the page greets' '<h1>Hello from the edge</h1>' "$url/"
check 'a visitor is given a variant' '^set-cookie: variant=[ab];' "$url/"
check 'and keeps it' 'You see variant b' -H 'cookie: variant=b' "$url/"
check 'items come from the origin' '"teapot"' "$url/items"
check 'by way of the edge' '^x-served-by: edge' "$url/items"
check 'strangers change nothing' '^HTTP/1.1 401 ' -X PUT -d Hi "$url/greeting"
check 'nor do wrong tokens' '^HTTP/1.1 401 ' -X PUT -d Hi -H 'authorization: Bearer x' "$url/greeting"
check 'the token does' '^Stored' -X PUT -d 'Good day' -H 'authorization: Bearer test-token' "$url/greeting"
check 'the page shows it' '<h1>Good day</h1>' "$url/"
check 'all else is not found' '^HTTP/1.1 404 ' "$url/nothing"
