#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Apps made with the SDKs. A missing toolchain skips its test.
load ../lib
load guest

@test "Rust" {
    serve_origin
    serve rust/hello
    says / Hello
    serve rust/app
    says /proxy 'x-via: rust' -d body
    says /proxy $'\n\nbody' -d body
    says /kv $'add: true\none: first and more\ntwo: second about\nlist: ["rust/one"] more: true\ngone: true'
    says /kv-count 0
    says /kv-count 1
    says /select '50 200 400'
    says /poll 'slow waited: true'
    says /upload 'true true'
    says /cache?key 'cachedcached made: 1 gone: true'
    says /stores 'value s3cret true'
    says /error $'ConnectionRefused\nDestinationNotFound'
    says /metadata 'Some(127.0.0.1) HTTP/1.1 32 true'
    says /stream $'chunk 0\nchunk 1\nchunk 2\nchunk 3\nchunk 4'
    gives /panic 500
    wait_for 5 grep -q 'stderr :: on purpose' log
}

@test "Rust: several requests in one sandbox" {
    serve rust/reuse --workers 1
    for want in 1 2 3 1; do
        says / "$want"
    done
}

@test "Go" {
    serve_origin
    serve go/hello
    says / Hello
    serve go/app
    says /proxy 'x-via: go' -d body
    says /proxy $'\n\nbody' -d body
    says /parallel '5 good, at once: true'
    says /timeout 'context deadline exceeded'
    says /kv 'value, then kvstore: key not found'
    says /stores 'value s3cret'
    says /cache?key 'cachedcached made: 1'
    says /stream $'chunk 0\nchunk 1\nchunk 2\nchunk 3\nchunk 4'
    gives /refused 502
    says /refused 'connection refused'
    gives /panic 500
    wait_for 5 grep -q 'stderr :: panic: on purpose' log
}

@test "JavaScript" {
    serve_origin
    serve js/app
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
    wait_for 5 grep -q 'stdout :: Log: late\|stdout :: late' log
}

@test "AssemblyScript" {
    serve as/hello
    says / Hello
}
