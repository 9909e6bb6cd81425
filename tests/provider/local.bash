# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For bats files that deploy to this machine: `load ../lib`, then `load local`.

setup() {
    scratch
    unset "${!EDGECTL_TEST_@}"
    pids=()
    mkdir app && cd app || return 1
    cat >edge.yaml <<'END'
name: shop
build: {artifact: app.wat}
config: {flags: {beta: "off"}}
secrets: {token: {env: SHOP_TOKEN}}
kv: {sessions: {entries: {first: seeded}}}
END
    export SHOP_TOKEN=one
    guest v1
}

teardown() {
    for pid in "${pids[@]}"; do
        kill "$pid" 2>/dev/null || :
        wait "$pid" || :
    done
    no_report ../serve.log
}

# A guest that answers "LABEL beta=<config> token=<secret>", with a status, after some work.
# guest LABEL [STATUS [SPINS]]
guest() {
    local label=$1 status=${2:-200} spins=${3:-0}
    cat >app.wat <<END
(module
  (import "fastly_http_resp" "new" (func \$resp_new (param i32) (result i32)))
  (import "fastly_http_resp" "status_set" (func \$status (param i32 i32) (result i32)))
  (import "fastly_http_resp" "send_downstream" (func \$send (param i32 i32 i32) (result i32)))
  (import "fastly_http_body" "new" (func \$body_new (param i32) (result i32)))
  (import "fastly_http_body" "write" (func \$write (param i32 i32 i32 i32 i32) (result i32)))
  (import "fastly_config_store" "open" (func \$c_open (param i32 i32 i32) (result i32)))
  (import "fastly_config_store" "get" (func \$c_get (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "fastly_secret_store" "open" (func \$s_open (param i32 i32 i32) (result i32)))
  (import "fastly_secret_store" "get" (func \$s_get (param i32 i32 i32 i32) (result i32)))
  (import "fastly_secret_store" "plaintext" (func \$s_text (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "$label beta=")
  (data (i32.const 64) " token=")
  (data (i32.const 96) "flags") (data (i32.const 112) "beta")
  (data (i32.const 128) "secrets") (data (i32.const 144) "token")
  (func \$put (param i32 i32)
    (drop (call \$write (i32.load (i32.const 4)) (local.get 0) (local.get 1) (i32.const 0)
                        (i32.const 12))))
  (func (export "_start") (local \$i i32)
    (block \$done (loop \$spin
      (br_if \$done (i32.ge_u (local.get \$i) (i32.const $spins)))
      (local.set \$i (i32.add (local.get \$i) (i32.const 1)))
      (br \$spin)))
    (drop (call \$resp_new (i32.const 0)))
    (drop (call \$status (i32.load (i32.const 0)) (i32.const $status)))
    (drop (call \$body_new (i32.const 4)))
    (call \$put (i32.const 16) (i32.const $((${#label} + 6))))
    (drop (call \$c_open (i32.const 96) (i32.const 5) (i32.const 8)))
    (drop (call \$c_get (i32.load (i32.const 8)) (i32.const 112) (i32.const 4) (i32.const 256)
                        (i32.const 100) (i32.const 12)))
    (call \$put (i32.const 256) (i32.load (i32.const 12)))
    (call \$put (i32.const 64) (i32.const 7))
    (drop (call \$s_open (i32.const 128) (i32.const 7) (i32.const 8)))
    (drop (call \$s_get (i32.load (i32.const 8)) (i32.const 144) (i32.const 5) (i32.const 8)))
    (drop (call \$s_text (i32.load (i32.const 8)) (i32.const 256) (i32.const 100)
                         (i32.const 12)))
    (call \$put (i32.const 256) (i32.load (i32.const 12)))
    (drop (call \$send (i32.load (i32.const 0)) (i32.load (i32.const 4)) (i32.const 0)))))
END
}

# edgectl serve ARGUMENTS, in the background: $url, $server (its pid), ../serve.log.
serve() {
    rm -f ../url
    "$EDGECTL" serve --addr "${addr:-127.0.0.1:0}" --ready-file ../url --workers 2 "$@" \
        >>../serve.log 2>&1 3>&- &
    server=$!
    pids+=("$server")
    wait_for 60 ready_or_gone
    [ -s ../url ] || {
        cat ../serve.log
        return 1
    }
    url=$(cat ../url)
    addr=${url#http://}
}

ready_or_gone() {
    [ -s ../url ] || ! kill -0 "$server" 2>/dev/null
}

# Ends it by a signal (TERM).
stop_server() {
    kill "-${1:-TERM}" "$server"
    wait "$server" || :
    pids=()
}

# The page, whatever its status. page [CURL OPTIONS]
page() {
    curl -s -m 20 "$@" "$url/"
}

# The version that an `edgectl deploy --json` has told of.
version() {
    json version
}

# A member of $output.
json() {
    printf %s "$output" | python3 -c "import json,sys; print(json.load(sys.stdin)['$1'])"
}

# Deploy, and leave the version in $v.
deploy() {
    edgectl deploy --json "$@"
    expect_status 0
    v=$(version)
}

# Does that version answer so?
answers() {
    [ "$(page -H "edgectl-version: $1")" = "$2" ]
}

# A call of the admin socket: admin METHOD PATH [CURL OPTIONS]
admin() {
    local dir=${state:-$HOME/.local/state/edgectl} method=$1 path=$2
    shift 2
    curl -s -m 20 --unix-socket "$dir/admin.sock" -X "$method" \
        -H "authorization: Bearer $(cat "$dir/admin.token")" "$@" "http://localhost$path"
}

# Share the traffic of shop: split STABLE BP CANARY BP
split() {
    admin PUT /v1/apps/shop/split -d \
        "{\"arms\":[{\"version\":\"$1\",\"bp\":$2},{\"version\":\"$3\",\"bp\":$4}]}"
}
