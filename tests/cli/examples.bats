#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The examples of the help and man pages, run as they are written, in one scratch project.
load ../lib

# The examples of all commands, one per line, in the pages' order.
examples() {
    local command
    while read -r command; do
        # shellcheck disable=SC2086
        "$EDGECTL" $command --help </dev/null |
            awk '/^[A-Z]/ { here = /^Examples:/ } here && /^  edgectl / { print substr($0, 3) }'
    done < <("$EDGECTL" _docs commands)
}

# A project in which each of them makes sense.
project() {
    cat >edge.yaml <<'END'
name: app
build: { artifact: app.wasm }
kv:
  sessions: {}
  assets: {}
secrets:
  api-key: { env: API_KEY }
config:
  flags: { beta: "off" }
targets:
  production: { provider: local }
END
    cat >fastly.toml <<'END'
manifest_version = 3
name = "app"
language = "other"
[local_server.secret_stores]
keys = [{ key = "signing", env = "SIGNING_KEY" }]
END
    cat >app.wasm <<'END'
(module
  (import "fastly_http_resp" "new" (func $resp (param i32) (result i32)))
  (import "fastly_http_body" "new" (func $body (param i32) (result i32)))
  (import "fastly_http_resp" "send_downstream" (func $send (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (drop (call $resp (i32.const 0)))
    (drop (call $body (i32.const 4)))
    (drop (call $send (i32.load (i32.const 0)) (i32.load (i32.const 4)) (i32.const 0)))))
END
    echo '{"name":"Ada"}' >user.json
    echo pixels >logo.png
    echo key >key.pem
    mkdir -p "$HOME/.config/fish/completions"
    export API_KEY=k-123 SIGNING_KEY=s-123
}

# One example: $1, as a shell reads it. Input is a line, as for a secret that is asked for.
try() {
    run --separate-stderr bash -c 'edgectl() { "$EDGECTL" "$@"; }; eval "$1"' - "$1" <<<value
    [ "$status" -eq 0 ] || {
        echo "$1: exit status $status"
        echo "$output${stderr-}"
        return 1
    }
}

teardown() {
    [ -z "${server-}" ] || {
        kill "$server"
        wait "$server" || :
    }
}

@test "examples: every command has one" {
    local command
    while read -r command; do
        # shellcheck disable=SC2086
        "$EDGECTL" $command --help | grep -q '^  edgectl ' || {
            echo "none: $command"
            return 1
        }
    done < <("$EDGECTL" _docs commands)
}

@test "examples: each does what it says" {
    project
    local line count=0
    export EDGECTL
    "$EDGECTL" serve --addr 127.0.0.1:0 --ready-file "$BATS_TEST_TMPDIR/url" --quiet \
        >serve.log 2>&1 3>&- &
    server=$!
    wait_for 60 test -s "$BATS_TEST_TMPDIR/url"
    while read -r line; do
        case $line in
        "edgectl dev"* | "edgectl serve"*) continue ;;    # tests/serve, tests/provider
        "edgectl logs"*) continue ;;   # tests/provider: it waits for lines
        "edgectl rollout"*) continue ;;    # they need traffic: tests/rollout
        *https://*) continue ;;        # a repository: tests/cli/init.bats
        "edgectl kv get"*) "$EDGECTL" kv put sessions user/1 --value Ada ;;
        "edgectl kv delete"*) "$EDGECTL" kv put sessions user/2 --value Bob ;;
        "edgectl kv import"*)
            "$EDGECTL" kv put sessions user/3 --value Eve
            "$EDGECTL" kv export sessions >sessions.ndjson
            "$EDGECTL" kv delete sessions user/3
            ;;
        "edgectl "*" diff "* | "edgectl "*" sync "*) "$EDGECTL" deploy ;;
        "edgectl rollback"*)
            VERSION=$("$EDGECTL" versions --json | python3 -c \
                'import json, sys; print(json.load(sys.stdin)[0]["id"])')
            export VERSION
            sed -i 's/"off"/"on"/' edge.yaml
            "$EDGECTL" deploy
            ;;
        "edgectl config delete"*) "$EDGECTL" config put flags beta on ;;
        "edgectl config import"*) "$EDGECTL" config export flags >flags.ndjson ;;
        # Of a project that has only a fastly.toml: it alone names secret stores.
        *"put keys signing"* | "edgectl init"*--from*) rm edge.yaml ;;
        esac
        try "$line"
        count=$((count + 1))
        project
    done < <(examples)
    [ "$count" -ge 30 ]
    grep -q '"beta"' flags.ndjson
    grep -q '"user/3"' sessions.ndjson
    [ -d hello/src ]
    [ -d shop/src ]
}
