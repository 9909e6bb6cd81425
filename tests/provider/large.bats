#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# As much as a provider takes, of what does not compress: deployed within 64 MB of memory.

load ../lib
load ship

setup() {
    scratch
    unset "${!AWS_@}" "${!VERCEL_@}" "${!CLOUDFLARE_@}" "${!CF_@}" "${!FASTLY_@}"
    small_wasm >app.wasm
    pids=()
}

teardown() {
    stop_fake
    for pid in "${pids[@]}"; do
        kill "$pid" 2>/dev/null || :
        wait "$pid" || :
    done
}

# manifest PROVIDER [KEYS]
manifest() {
    cat >edge.yaml <<END
name: big
build: {artifact: app.wasm}
backends: {origin: {url: "https://origin.example.com"}}
static: {/files: files}
targets: {prod: {provider: $1${2:+, $2}}}
END
}

# assets BYTES NUMBER: so many files of that size.
assets() {
    mkdir -p files
    for ((i = 0; i < $2; i++)); do
        head -c "$1" /dev/urandom >"files/$i.bin"
    done
}

# A guest with so many bytes of data in its module.
big_wasm() {
    python3 - "$1" >app.wasm <<'END'
import os, sys
size = int(sys.argv[1])
def number(n):
    out = b""
    while True:
        out += bytes([n & 127 | (n > 127) << 7])
        n >>= 7
        if not n:
            return out
def section(id, content):
    return bytes([id]) + number(len(content)) + content
head = b"\0asm\1\0\0\0" + section(1, b"\1\x60\0\0") + section(3, b"\1\0")
head += section(5, b"\1\0" + number(size // 65536 + 2))
head += section(7, b"\2\6memory\2\0\6_start\0\0") + section(10, b"\1\2\0\x0b")
sys.stdout.buffer.write(head + section(11, b"\1\0\x41\x08\x0b" + number(size) + os.urandom(size)))
END
}

# edgectl ARG...: it must go well and never hold more than 64 MB.
within_64_mb() {
    run --separate-stderr python3 - "$EDGECTL" "$@" <<'END'
import os, resource, sys
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024, file=open("most", "w"))
sys.exit(status)
END
    expect_status 0
    echo "$(cat most) MB"
    [ -n "${TEST_SANITIZED-}" ] || [ "$(cat most)" -lt 64 ]
}

# The state that the local server keeps.
kept() {
    find "$HOME" -name '*.bin' -path '*/versions/*' -exec sha256sum {} + | cut -d' ' -f1 | sort
}

serve_here() {
    "$EDGECTL" serve --addr 127.0.0.1:0 --ready-file url --workers 2 >serve.log 2>&1 3>&- &
    pids+=($!)
    wait_for 60 test -s url
}

@test "100 MB of files to this machine: client and server stay small, and all arrives" {
    assets 10000000 10
    manifest local
    serve_here
    before=$(awk '/^VmHWM/ {print $2}' "/proc/${pids[0]}/status")
    within_64_mb deploy --target prod
    after=$(awk '/^VmHWM/ {print $2}' "/proc/${pids[0]}/status")
    echo "the server: $before kB before, $after kB after"
    [ -n "${TEST_SANITIZED-}" ] || [ "$after" -lt 65536 ]
    [ "$(kept)" = "$(sha256sum files/* | cut -d' ' -f1 | sort)" ]
    [ "$(curl -s -m 20 -H 'host: big.localhost' "$(cat url)/files/3.bin" | sha256sum)" = \
        "$(sha256sum <files/3.bin)" ]
}

# What stands on a terminal, of a command.
on_terminal() {
    python3 - "$@" <<'END'
import os, pty, sys
pid, fd = pty.fork()
if pid == 0:
    os.environ["TERM"] = "xterm"
    os.execv(sys.argv[1], sys.argv[1:])
shown = b""
while True:
    try:
        piece = os.read(fd, 65536)
    except OSError:
        piece = b""
    if not piece:
        break
    shown += piece
print(shown.decode(errors="replace"))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END
}

@test "an upload that takes a while has a bar on a terminal, a line elsewhere, and a small one nothing" {
    manifest local
    mkdir files
    serve_here
    edgectl deploy --target prod
    expect_status 0
    [[ $stderr != *uploading* ]]
    assets 3000000 3
    edgectl deploy --target prod
    expect_status 0
    [ "$(grep -c '^uploading ...$' <<<"$stderr")" = 1 ]
    head -c 9000000 /dev/urandom >files/one.bin
    run on_terminal "$EDGECTL" deploy --target prod
    expect_status 0
    expect_in "$output" 'uploading ['
    [[ $output != *'uploading ...'* ]]
}

@test "what arrived of an upload that was cut off is not sent again" {
    mkdir files
    manifest local
    serve_here
    edgectl deploy --target prod
    assets 3000000 2
    there=$(sha256sum <files/0.bin | cut -d' ' -f1)
    missing=$(sha256sum <files/1.bin | cut -d' ' -f1)
    state=$HOME/.local/state/edgectl
    curl -sf -m 20 --unix-socket "$state/admin.sock" -H "authorization: Bearer $(cat "$state/admin.token")" \
        -T files/0.bin "http://localhost/v1/apps/big/blobs/$there"
    export EDGECTL_TEST_KILL_LOG=$PWD/points
    edgectl deploy --target prod
    expect_status 0
    [[ $(cat points) != *"before PUT /v1/apps/big/blobs/$there"* ]]
    expect_in "$(cat points)" "before PUT /v1/apps/big/blobs/$missing"
    [ "$(kept)" = "$(sha256sum files/* | cut -d' ' -f1 | sort)" ]
}

@test "95 MB of module to Fastly, and again after a failure" {
    start_fake fastly --edge
    export FASTLY_API_ENDPOINT=$FAKE FASTLY_API_TOKEN=fs-token FASTLY_USE_API_SIGNING_KEY=1
    export HTTPS_PROXY=$FAKE SSL_CERT_FILE=$PWD/fake/ca.pem
    big_wasm 95000000
    mkdir files
    manifest fastly
    fake fault '{"match": "PUT .*/package", "kind": "status", "status": 503, "times": 1}' >/dev/null
    within_64_mb deploy --target prod
    [ "$(requests | grep -c '^PUT .*/package$')" = 2 ]
    no_violations
}

@test "100 MB of files to Vercel" {
    start_fake vercel --edge
    export EDGECTL_VERCEL_API=$FAKE VERCEL_TOKEN=vctoken HTTPS_PROXY=$FAKE SSL_CERT_FILE=$PWD/fake/ca.pem
    assets 5000000 20
    manifest vercel "team: team_acme"
    fake fault '{"match": "POST /v2/files", "kind": "status", "status": 503, "times": 2}' >/dev/null
    within_64_mb deploy --target prod
    no_violations
}

# Lambda@Edge takes a zip of 50 MB.
@test "49 MB of files to AWS, and again after a failure" {
    start_fake aws
    export AWS_ENDPOINT_URL=$FAKE AWS_ACCESS_KEY_ID=AKIDTEST AWS_SECRET_ACCESS_KEY=aws-secret-key
    assets 7000000 7
    manifest aws
    fake fault '{"match": "POST .*/functions$", "kind": "status", "status": 503, "times": 1}' >/dev/null
    within_64_mb deploy --target prod
    no_violations
}

# Workers take 10 MB compressed, 64 MiB not.
@test "62 MB of modules to Cloudflare, which compress to less than 10" {
    start_fake cloudflare --edge
    export CLOUDFLARE_API_BASE_URL=$FAKE/client/v4 CLOUDFLARE_API_TOKEN=cf-token
    export HTTPS_PROXY=$FAKE SSL_CERT_FILE=$PWD/fake/ca.pem
    assets 950000 10
    head -c 52000000 /dev/zero >files/zeros.bin
    manifest cloudflare
    within_64_mb deploy --target prod
    no_violations
}
