#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What --json writes is what cmd/edgectl.schema.json says. `edgectl` of lib.bash holds every test to
# that; here every command is asked for once.
load ../lib
load ../rollout/rollout

# json COMMAND...: it must write something that fits. $output has it, and `seen` the command.
json() {
    edgectl "$@" --json
    [ -n "$output" ] || {
        echo "nothing from: $*"
        echo "$stderr"
        return 1
    }
    printf '%s\n' "$*" >>"$BATS_TEST_TMPDIR/seen"
}

commands() {
    "$TEST_TOOLS/json_check" "$JSON_SCHEMA" commands
}

@test "json: every command has a schema but those that have nothing to tell" {
    diff <(commands | sort) <("$EDGECTL" _docs commands | grep -vxE 'completion|help|rollout pause' | sort)
}

@test "json: the checker sees what does not fit" {
    fits() {
        run "$TEST_TOOLS/json_check" "$JSON_SCHEMA" out "${@:2}" <<<"$1"
    }
    fits '{"version": "1"}' version
    expect_status 0
    fits '{"version": 1}' version
    expect_status 1
    expect_in "$output" '$.version: has another type: 1'
    fits '{}' version
    expect_status 1
    fits '{"version": "1", "more": 1}' version
    expect_status 1
    expect_in "$output" '$.more: is not in the schema'
    fits '{"store": "s", "from": "a", "to": "b", "done": true, "differences": [{"key": "k", "change": "ad"}]}' -C x kv diff s
    expect_status 1
    expect_in "$output" '$.differences[0].change: is none of the values: "ad"'
    run "$TEST_TOOLS/json_check" "$JSON_SCHEMA" err version <<<'{"error":{"code":"usage","message":"m","exit":2}}'
    expect_status 1
}

@test "json: every command writes what its schema says" {
    json init made
    cat >edge.yaml <<'END'
name: shop
build: {artifact: app.wat}
kv: {sessions: {entries: {first: seeded}}}
secrets: {token: {env: SHOP_TOKEN}}
config: {flags: {beta: "off"}}
targets: {local: {provider: local}}
rollout: {steps: [{percent: 10%, approval: true}, 100%], soak: 0s, history: 0s}
END
    export SHOP_TOKEN=correct-horse
    serve
    json doctor
    guest old
    json build
    json validate
    json bundle
    json bundle --verify .edgectl/bundles/local/shop
    json bundle --report
    json deploy --dry-run
    json deploy
    guest new
    json deploy --no-traffic --no-probe
    new=$(member "$output" version)
    json versions
    json rollout status
    json rollout plan
    json rollout start
    edgectl rollout pause --json
    json rollout resume --once
    json rollout status
    json rollout promote --full
    json rollout history
    json rollout history "$(member "$output" 0 id)"
    guest newest
    json deploy --no-traffic --no-probe
    json rollout start
    json rollout abort
    json rollback "$new"
    json purge --all
    printf '%s\n' '{"key":"more","value":"m"}' >entries
    for on in '' '--target local'; do
        # shellcheck disable=SC2086
        for store in 'kv sessions' 'config flags'; do
            set -- $store
            printf 1 >one
            json "$1" put "$2" one --file one $on
            json "$1" import "$2" entries $on
            json "$1" list $on
            json "$1" list "$2" $on
            json "$1" get "$2" one $on
            json "$1" export "$2" $on
            json "$1" delete "$2" one $on
        done
        printf topsecret >value
        json secret put token --file value $on
        json secret list $on
        [ -n "$on" ] || json secret get token
        json secret delete token $on
    done
    json gc --keep 1
    json destroy --confirm shop
    # these are asked in local_data.bats and tests/rollout
    missing=$(commands | grep -vxE 'dev|serve|logs|rollout run|rollout analyze|(kv|config|secret) (diff|sync)' |
        while read -r c; do grep -q "^$c" "$BATS_TEST_TMPDIR/seen" || echo "$c"; done)
    [ -z "$missing" ] || {
        echo "not asked: $missing"
        return 1
    }
}

@test "json: the lines of a server" {
    guest one
    for command in serve dev; do
        rm -f ../url
        "$EDGECTL" "$command" --json --addr 127.0.0.1:0 --ready-file ../url >out 2>err 3>&- &
        pids+=($!)
        wait_for 60 test -s ../url
        [ "$command" = serve ] || curl -s -m 20 "$(cat ../url)/" >/dev/null
        [ "$command" = serve ] || wait_for 20 grep -q '"event":"request"' out
        kill "${pids[-1]}"
        wait "${pids[-1]}" || :
        grep -q '"event":"ready"' out
        "$TEST_TOOLS/json_check" "$JSON_SCHEMA" out "$command" <out
    done
}

@test "json: what cannot be done is an error of that form, for every command" {
    echo 'name: [broken' >edge.yaml
    count=0
    while read -r c; do
        # shellcheck disable=SC2086
        edgectl $c --json </dev/null
        [ "$status" -eq 0 ] || count=$((count + 1))
        [ "$status" -eq 0 ] || expect_in "$stderr" '{"error":{'
    done < <(commands | grep -vxE "init|dev|serve|validate")
    [ "$count" -ge 35 ]
}
