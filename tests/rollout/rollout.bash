# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For bats files about rollouts on this machine: `load ../lib`, then `load rollout`.

setup() {
    scratch
    unset "${!EDGECTL_TEST_@}"
    pids=()
    mkdir app && cd app || return 1
    manifest
}

teardown() {
    for pid in "${pids[@]}"; do
        kill "$pid" 2>/dev/null || :
        kill -CONT "$pid" 2>/dev/null || :
        wait "$pid" || :
    done
    no_report ../serve.log
}

# The manifest, with the lines of stdin (if any is piped) as its rollout section.
manifest() {
    cat >edge.yaml <<'END'
name: shop
build: {artifact: app.wat}
END
    cat >>edge.yaml <<END
${1-rollout: {steps: [10%, 100%], soak: 1s, history: 0\}}
END
}

# A guest that answers 200, but that on PERMILLE of its requests does BAD (fail, trap, slow, leak, or
# moody: it fails where the config store `flags` says that `mood` is "bad").
# guest LABEL [BAD PERMILLE]
guest() {
    local label=$1 bad=${2:-none} share=$((${3:-0} * 65536 / 1000)) act=''
    case $bad in
    fail) act='(local.set $s (i32.const 503))' ;;
    trap) act='(unreachable)' ;;
    slow) act='(call $nap)' ;;
    moody) act='(if (call $moody) (then (local.set $s (i32.const 503))))' ;;
    leak) act='(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
        (unreachable)' ;;
    esac
    cat >app.wat <<END
(module
  (import "wasi_snapshot_preview1" "random_get" (func \$random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff"
    (func \$poll (param i32 i32 i32 i32) (result i32)))
  (import "fastly_config_store" "open" (func \$c_open (param i32 i32 i32) (result i32)))
  (import "fastly_config_store" "get" (func \$c_get (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "fastly_http_resp" "new" (func \$resp_new (param i32) (result i32)))
  (import "fastly_http_resp" "status_set" (func \$status (param i32 i32) (result i32)))
  (import "fastly_http_resp" "send_downstream" (func \$send (param i32 i32 i32) (result i32)))
  (import "fastly_http_body" "new" (func \$body_new (param i32) (result i32)))
  (import "fastly_http_body" "write" (func \$write (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "$label")
  (data (i32.const 400) "flagsmood")
  (func \$moody (result i32)
    (drop (call \$c_open (i32.const 400) (i32.const 5) (i32.const 416)))
    (drop (call \$c_get (i32.load (i32.const 416)) (i32.const 405) (i32.const 4) (i32.const 448)
                        (i32.const 32) (i32.const 420)))
    (i32.eq (i32.load8_u (i32.const 448)) (i32.const 98)))
  (func \$nap
    (i32.store8 (i32.const 136) (i32.const 0))
    (i32.store (i32.const 144) (i32.const 1))
    (i64.store (i32.const 152) (i64.const 80000000))
    (drop (call \$poll (i32.const 128) (i32.const 256) (i32.const 1) (i32.const 300))))
  (func (export "_start") (local \$s i32)
    (local.set \$s (i32.const 200))
    (drop (call \$random (i32.const 64) (i32.const 2)))
    (if (i32.lt_u (i32.load16_u (i32.const 64)) (i32.const $share)) (then $act))
    (drop (call \$resp_new (i32.const 0)))
    (drop (call \$status (i32.load (i32.const 0)) (local.get \$s)))
    (drop (call \$body_new (i32.const 4)))
    (drop (call \$write (i32.load (i32.const 4)) (i32.const 16) (i32.const ${#label}) (i32.const 0)
                        (i32.const 12)))
    (drop (call \$send (i32.load (i32.const 0)) (i32.load (i32.const 4)) (i32.const 0)))))
END
}

# edgectl serve, in the background: $url, $port.
serve() {
    rm -f ../url
    "$EDGECTL" serve --addr "127.0.0.1:${port:-0}" --ready-file ../url --workers 2 \
        >>../serve.log 2>&1 3>&- &
    server=$!
    pids+=("$server")
    wait_for 60 ready_or_gone
    [ -s ../url ] || {
        cat ../serve.log
        return 1
    }
    url=$(cat ../url)
    port=${url##*:}
}

ready_or_gone() {
    [ -s ../url ] || ! kill -0 "$server" 2>/dev/null
}

# Deploy what app.wat is now; its version in $v. deploy [--no-traffic]
deploy() {
    edgectl deploy --json "$@"
    expect_status 0
    v=$(member "$output" version)
}

# A member of a JSON object, by a path of names and numbers: member JSON a b 0
member() {
    python3 -c 'import json,sys
v=json.loads(sys.argv[1])
for k in sys.argv[2:]: v=v[int(k)] if isinstance(v,list) else v[k]
print(v)' "$@"
}

# A stable version $old with traffic and a new one $new without.
# versions BAD PERMILLE: what the new one does.
versions() {
    guest old
    deploy
    old=$v
    guest new "$@"
    deploy --no-traffic --no-probe
    new=$v
}

# Requests at a steady rate, in the background, until the test ends: load RATE
load_at() {
    "$TEST_TOOLS/steady" "$port" shop.localhost "$1" "${2:-3000}" >../load.json 3>&- &
    load=$!
    pids+=("$load")
}

# Ends the load; what it has seen is in $seen.
load_off() {
    kill "$load"
    wait "$load" || :
    seen=$(cat ../load.json)
}

# The share of a version in percent, from `edgectl versions`. share_of VERSION [ARGUMENTS]
share_of() {
    "$EDGECTL" versions --json "${@:2}" | python3 -c 'import json,sys
print(next(v["bp"] for v in json.load(sys.stdin) if v["id"]==sys.argv[1])/100)' "$1"
}
