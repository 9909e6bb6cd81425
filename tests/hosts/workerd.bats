#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The host for Workers, in real workerd: what guests of each language do there, next to what they do
# natively.
load ../lib
load ../serve/guest
load workerd

# As serve_origin, with the URL in the manifest, because a bundle carries that.
with_origin() {
    serve c/origin --state origin-state
    url=${url%/}
    sed -i "s,\(origin\|impatient\): { url: \"http://127.0.0.1:9\",\1: { url: \"$url\"," edge.yaml
}

# What the host answers to PATH ($1) is what edgectl dev answers: status, headers that the guest set,
# body. The rest is for curl.
same() {
    local base
    for base in "$native" "$url"; do
        curl -s -m 20 -D head -o body "${base%/}$@"
        [ "${*: -1}" != -I ] || : >body
        {
            sed -n '1s/^HTTP\/1.1 \([0-9]*\).*/\1/p' head
            tr -d '\r' <head | sed 1d | tr '[:upper:]' '[:lower:]' | grep -v '^\(date\|connection\|$\)' | sort
            cat body
        } >"answer.${#base}.$([ "$base" = "$native" ] && echo native || echo worker)"
    done
    diff answer.*.native answer.*.worker
    rm answer.*
}

@test "hello in AssemblyScript, Go and JavaScript" {
    # Go is the last: where it is missing, the others have been seen.
    for guest in as/hello js/hello go/hello; do
        work "$guest"
        says / Hello
    done
}

@test "hello in C and Rust" {
    for guest in c/hello rust/hello; do
        serve "$guest"
        native=$url
        work "$guest"
        same /
        same / -I
        same /some/path?and=query -d 'a body that nobody reads'
    done
}

@test "headers that are not ASCII, several cookies, no body" {
    serve c/bytes
    native=$url
    work c/bytes
    same / -H 'x-in: café'
    same /
    [ "$(curl -s "$url" -H 'x-in: café')" = '63 61 66 c3 a9 ' ]
}

@test "requests, responses and bodies" {
    work c/http
    fails_only /dev/null -H 'x-probe: here' -d 'hello world' "$url/http?a=b%20c"
}

@test "the core cache" {
    work c/cache
    fails_only /dev/null "$url/?first"
    fails_only /dev/null "$url/?second"
}

@test "pointers and lengths that lie" {
    work c/wild
    for pattern in 0 1 2 3 4 5 6 7 8 9; do
        fails_only /dev/null "$url/$pattern"
    done
}

@test "config, secrets, KV, geolocation, devices, ACLs, shields" {
    cat >seed.json <<'END'
{"seeded": {"value": "text", "metadata": null},
 "with-meta": {"value": "seeded value", "metadata": {"edgectl": "1700000000000000000", "text": "about it"}}}
END
    work c/stores SECRET_TOKEN=s3cret KV_STORE=seed.json
    fails_only "$BATS_TEST_DIRNAME/workers/stores" -H 'fastly-key: made-up-key' -H 'x-fastly-bot-analyzed: 1' \
        -H 'x-fastly-bot-name: probe-bot' "$url"
}

@test "what is known of the client" {
    work c/client
    fails_only "$BATS_TEST_DIRNAME/workers/client" -H 'fastly-key: made-up-key' -H 'x-fastly-bot-analyzed: 1' \
        -H 'x-fastly-bot-detected: true' -H 'x-fastly-bot-verified: false' \
        -H 'x-fastly-bot-name: probe-bot' -H 'x-fastly-bot-category: AI-Crawler' "$url/plain"
}

@test "sends to backends" {
    with_origin
    work c/sends
    fails_only "$BATS_TEST_DIRNAME/workers/sends" "$url"
}

@test "Rust" {
    with_origin
    work rust/app SECRET_TOKEN=s3cret
    says /proxy 'x-via: rust' -d body
    says /proxy $'\n\nbody' -d body
    says /select '50 200 400'
    says /poll 'slow waited: true'
    says /upload 'true true'
    says /cache?key 'cachedcached made: 1 gone: true'
    says /stores 'value s3cret true'
    says /error DestinationNotFound
    says /metadata 'Some(127.0.0.1) HTTP/1.1 32 true'
    says /stream $'chunk 0\nchunk 1\nchunk 2\nchunk 3\nchunk 4'
    gives /panic 500
    wait_for 5 grep -q 'stderr :: on purpose' worker.log
}

@test "Go" {
    with_origin
    work go/app SECRET_TOKEN=s3cret
    says /proxy 'x-via: go' -d body
    says /proxy $'\n\nbody' -d body
    says /parallel '5 good, at once: true'
    says /timeout 'context deadline exceeded'
    says /kv 'value, then kvstore: key not found'
    says /stores 'value s3cret'
    says /cache?key 'cachedcached made: 1'
    says /stream $'chunk 0\nchunk 1\nchunk 2\nchunk 3\nchunk 4'
    gives /refused 502
    gives /panic 500
    wait_for 5 grep -q 'stderr :: panic: on purpose' worker.log
}

@test "JavaScript" {
    with_origin
    work js/app SECRET_TOKEN=s3cret
    says /proxy 'x-via: js'
    says /proxy $'\n\nbody' -d body
    says /parallel '5 good, at once: true'
    says /kv 'value about js/key null'
    says /stores 'value s3cret Probe 127.0.0.1 localhost'
    says /cache?key 'cachedcached made: 1'
    says /stream $'CHUNK 0\nCHUNK 1\nCHUNK 2\nCHUNK 3\nCHUNK 4'
    gives /refused 500
    says /timers true
    says /late early
    wait_for 5 grep -q 'stdout :: Log: late\|stdout :: late' worker.log
}

@test "guests that fail harm their own request" {
    sed -i 's/^name: .*/&\nlimits: { wall: 3s, memory: 16MiB }/' edge.yaml
    work c/hostile
    for path in recurse-host recurse abort divide load call-nothing exit nap grow-and-die; do
        gives "/$path" 500
        says /fine fine
    done
    gives /nothing 200
    says /twice first
    says /leak 10000
    head -c 5000000 /dev/zero >big
    says /no-read unread -T big
    says /slow-read '5000000 bytes' -T big
    run curl -s -m 20 "$url/open-stream"
    [ "$output" = begun ]
    [ "$status" -ne 0 ]
}

@test "responses: streams, trailers, cuts" {
    work c/life
    says /twice first
    says /stream appended
    for path in /abandon /trap-late; do
        run curl -s -m 20 "$url$path"
        [ "$status" -ne 0 ]
    done
}

@test "each request finds a fresh sandbox, however the one before has left it" {
    work c/fresh
    [ "$(LC_ALL=C grep -c edgectl:reset worker/app.wasm)" = 1 ]
    said=$(curl -s "$url/first")
    expect_in "$said" 'fresh 3 '
    for path in end exit trap deep sleep; do
        for _ in 1 2 3; do
            [ "$(curl -s "$url/$path")" = "$said" ]
        done
    done
    expect_in "$(curl -s "$url/grow")" 'fresh 5 '
    [ "$(curl -s "$url/last")" = "$said" ]
}

@test "more guests at once than memory has room for: they wait" {
    work js/app
    for i in $(seq 40); do
        curl -s -m 60 -o /dev/null -w '%{http_code}\n' "$url/timers" >>codes &
        jobs+=($!)
    done
    for job in "${jobs[@]}"; do
        wait "$job"
    done
    [ "$(sort codes | uniq -c | tr -d ' ')" = 40200 ]
}

@test "files of the manifest's static come before the guest" {
    mkdir -p public/sub
    echo '<h1>file</h1>' >public/index.html
    printf 'a\0b' >public/sub/data.bin
    echo 'static: { /files: public }' >>edge.yaml
    work c/hello
    [ "$(curl -s "$url/files/index.html")" = '<h1>file</h1>' ]
    [ "$(curl -s "$url/files/")" = '<h1>file</h1>' ]
    curl -s "$url/files/sub/data.bin" | cmp - public/sub/data.bin
    curl -s -D head -o /dev/null "$url/files/index.html"
    grep -qi '^content-type: text/html' head
    local etag
    etag=$(tr -d '\r' <head | sed -n 's/^etag: //ip')
    gives /files/index.html 304 -H "if-none-match: $etag"
    [ "$(curl -s -I "$url/files/index.html" | tr -d '\r' | sed -n 's/^content-length: //ip')" = 14 ]
    [ "$(curl -s -X POST "$url/files/index.html")" = Hello ]
    [ "$(curl -s "$url/files/none")" = Hello ]
}
