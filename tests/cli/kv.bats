#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load ../lib

project() {
    cat >edge.yaml <<'END'
name: app
build: { artifact: app.wasm }
kv:
  sessions: {}
  assets: {}
END
}

@test "kv: what was put is got, byte for byte" {
    project
    edgectl kv put sessions user/1 --value 'Ada'
    expect_status 0
    [ -z "$output$stderr" ]
    edgectl kv get sessions user/1
    expect_status 0
    [ "$output" = Ada ]
    head -c 300000 /dev/urandom >big
    edgectl kv put assets big --file big
    expect_status 0
    "$EDGECTL" kv get assets big | cmp - big
    "$EDGECTL" kv put assets piped <big
    "$EDGECTL" kv get assets piped | cmp - big
}

@test "kv: the state folder is private, beside the manifest, and ignored by git" {
    project
    edgectl kv put sessions k --value v
    [ "$(stat -c %a .edgectl)" = 700 ]
    [ "$(stat -c %a .edgectl/state.db)" = 600 ]
    [ "$(cat .edgectl/.gitignore)" = '*' ]
    mkdir sub
    edgectl kv put sessions k --value other --state sub/state
    edgectl kv get sessions k --state sub/state
    [ "$output" = other ]
    edgectl kv get sessions k
    [ "$output" = v ]
}

@test "kv: a manifest of another name has state of its own" {
    project
    cp edge.yaml other.yaml
    edgectl kv put sessions k --value v
    edgectl kv get sessions k --manifest other.yaml
    expect_status 1
    edgectl kv put sessions k --value w --manifest other.yaml
    [ -f .edgectl/other.yaml/state.db ]
    edgectl kv get sessions k
    [ "$output" = v ]
}

@test "kv: metadata, expiry and generation are kept" {
    project
    edgectl kv put sessions k --value v --metadata m --ttl 1000 --json
    expect_status 0
    generation=$(sed 's/.*"generation":"\([0-9]*\)".*/\1/' <<<"$output")
    [ "${#generation}" = 19 ]
    edgectl kv get sessions k --json
    expect_in "$output" '"metadata":"m"'
    expect_in "$output" "\"generation\":\"$generation\""
    expiration=$(sed 's/.*"expiration":\([0-9]*\).*/\1/' <<<"$output")
    ((expiration > $(date +%s) + 900 && expiration <= $(date +%s) + 1001))
    edgectl kv put sessions k --value w --if-generation 1
    expect_status 1
    expect_in "$stderr" 'another generation'
    edgectl kv put sessions k --value w --if-generation "$generation"
    expect_status 0
}

@test "kv: modes" {
    project
    edgectl kv put sessions k --value b --mode add
    expect_status 0
    edgectl kv put sessions k --value b --mode add
    expect_status 1
    edgectl kv put sessions k --value c --mode append
    edgectl kv put sessions k --value a --mode prepend
    edgectl kv get sessions k
    [ "$output" = abc ]
    edgectl kv put sessions k --value a --mode replace
    expect_status 2
}

@test "kv: listing by prefix, in pages" {
    project
    for k in b/2 a b/10 c; do "$EDGECTL" kv put sessions $k --value v; done
    edgectl kv list sessions
    [ "$output" = $'a\nb/10\nb/2\nc' ]
    edgectl kv list sessions --prefix b/ --limit 1
    [ "$output" = b/10 ]
    expect_in "$stderr" "--after 'b/10'"
    edgectl kv list sessions --prefix b/ --after b/10
    [ "$output" = b/2 ]
    edgectl kv list sessions --limit 2 --json
    expect_in "$output" '"next":"b/10"'
    expect_in "$output" '"size":1'
    edgectl kv list
    [ "$output" = $'sessions\nassets' ] || [ "$output" = $'assets\nsessions' ]
}

@test "kv: deleting" {
    project
    edgectl kv put sessions a --value v
    edgectl kv put sessions b --value v
    edgectl kv delete sessions a b
    expect_status 0
    edgectl kv delete sessions a
    expect_status 1
    expect_in "$stderr" 'no such key'
    edgectl kv delete sessions
    expect_status 2
}

@test "kv: mistakes are told with the way out" {
    project
    edgectl kv put sesions k --value v
    expect_status 2
    expect_in "$stderr" "did you mean 'sessions'?"
    edgectl kv get sesions k
    expect_status 1
    expect_in "$stderr" "did you mean 'sessions'?"
    edgectl kv put sessions 'a?b' --value v
    expect_status 2
    edgectl kv put sessions k --value v --file x
    expect_status 2
    edgectl kv put sessions k --file nowhere
    expect_status 1
    expect_in "$stderr" 'nowhere'
    edgectl kv put sessions k --value v --metadata "$(printf '%2001s' x)"
    expect_status 7
    edgectl kv list --target production
    expect_status 9
    expect_in "$stderr" "no target 'production'"
    rm edge.yaml
    edgectl -C "$HOME" kv list
    expect_status 9
    expect_in "$stderr" '--state'
}

@test "kv: a value past 25 MiB is refused" {
    project
    head -c $((25 * 1024 * 1024 + 1)) /dev/zero >big
    edgectl kv put sessions k --file big
    expect_status 7
    truncate -s $((25 * 1024 * 1024)) big
    edgectl kv put sessions k --file big
    expect_status 0
    "$EDGECTL" kv get sessions k | cmp - big
}

@test "kv: an export is imported again" {
    project
    printf 'a\0\377' >bytes
    edgectl kv put sessions bytes --file bytes --metadata m
    edgectl kv put sessions text --value $'line\n"quoted" \xc3\xa9' --ttl 100
    "$EDGECTL" kv export sessions >dump
    [ "$(wc -l <dump)" = 2 ]
    expect_in "$(cat dump)" '"value_base64":"YQD/"'
    edgectl kv import assets dump
    expect_status 0
    expect_in "$stderr" '2 entries imported'
    "$EDGECTL" kv export assets | cmp - dump
    "$EDGECTL" kv import sessions <dump
    "$EDGECTL" kv export sessions | cmp - dump
}

@test "kv: of a file with a bad line nothing is imported" {
    project
    {
        for i in $(seq 1500); do echo "{\"key\":\"k$i\",\"value\":\"v\"}"; done
        echo
        echo '{"key":"bad","valeu":"v"}'
    } >dump
    edgectl kv import sessions dump
    expect_status 1
    expect_in "$stderr" 'dump:1502'
    expect_in "$stderr" 'did you mean "value"?'
    expect_in "$stderr" 'nothing was stored'
    edgectl kv list sessions
    [ -z "$output" ]
    # From a pipe, whole batches are kept, and it is said how many.
    run --separate-stderr "$EDGECTL" kv import sessions <<<"$(cat dump)"
    expect_status 1
    expect_in "$stderr" 'stdin:1502'
    expect_in "$stderr" 'the first 1000 entries are stored'
    edgectl kv list sessions
    [ "$(wc -l <<<"$output")" = 1000 ]
}

@test "kv: every wrong line of an import is told by its place" {
    project
    while IFS='|' read -r line what; do
        edgectl kv import sessions <<<"$line"
        expect_status 1
        expect_in "$stderr" 'stdin:1'
        expect_in "$stderr" "$what"
    done <<'END'
{"key":"a"}|neither "value"
{"value":"a"}|"key" is missing
{"key":"a#b","value":"v"}|not a valid key
{"key":"a","value":1}|is not text
{"key":"a","value":"v","value_base64":""}|both
{"key":"a","value_base64":"*"}|not base64
{"key":"a","value":"v","ttl":0}|seconds
{"key":"a","value":"v","ttl":1,"expiration":9}|both
[1]|not a JSON object
{"key":"a","value":"v"|not valid JSON
END
}

@test "kv: two importers at once lose nothing" {
    project
    for i in $(seq 2000); do echo "{\"key\":\"a$i\",\"value\":\"v\"}"; done >a
    sed 's/"a/"b/' a >b
    "$EDGECTL" kv import sessions a &
    "$EDGECTL" kv import sessions b &
    wait
    [ "$("$EDGECTL" kv list sessions | wc -l)" = 4000 ]
}
