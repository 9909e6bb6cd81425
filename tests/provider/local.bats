#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Deploys to this machine: `edgectl serve` and the provider `local`, with real guests.
load ../lib
load local

@test "a first deploy serves, a second without a change does nothing" {
    serve
    edgectl deploy
    expect_status 0
    expect_in "$output" "serves 'local'"
    expect_in "$stderr" "+ make the app 'shop'"
    [ "$(page)" = "v1 beta=off token=one" ]
    edgectl deploy
    expect_status 0
    expect_in "$output" "nothing to do"
    edgectl versions --json
    expect_status 0
    [ "$(printf %s "$output" | python3 -c 'import json,sys; print(len(json.load(sys.stdin)))')" = 1 ]
}

@test "without a server the user is told to start one" {
    edgectl deploy
    expect_status 6
    expect_in "$stderr" "edgectl serve"
}

@test "a dry run tells and does nothing" {
    serve
    edgectl deploy --dry-run
    expect_status 0
    expect_in "$output" "upload version"
    expect_in "$output" "give it all traffic"
    edgectl versions
    expect_status 2
}

@test "a version without traffic answers only to its name" {
    serve
    deploy
    first=$v
    guest v2
    deploy --no-traffic
    [ "$v" != "$first" ]
    [ "$(page)" = "v1 beta=off token=one" ]
    [ "$(page -H "edgectl-version: $v")" = "v2 beta=off token=one" ]
    [ "$(curl -s -o /dev/null -w '%{http_code}' -H 'edgectl-version: nosuch' "$url/")" = 404 ]
}

@test "a version that fails its smoke test gets no traffic" {
    serve
    deploy
    guest bad 503
    edgectl deploy
    expect_status 1
    expect_in "$stderr" "answered GET / with 503"
    [ "$(page)" = "v1 beta=off token=one" ]
}

@test "what was deployed survives a restart and kill -9" {
    serve
    deploy
    first=$v
    guest v2
    SHOP_TOKEN=two deploy
    stop_server KILL
    serve
    [ "$(page)" = "v2 beta=off token=two" ]
    wait_for 20 answers "$first" "v1 beta=off token=one"
    stop_server TERM
    serve
    [ "$(page)" = "v2 beta=off token=two" ]
}

@test "two servers do not share a folder" {
    serve
    run --separate-stderr "$EDGECTL" serve --addr 127.0.0.1:0
    expect_status 5
    expect_in "$stderr" "another edgectl serves"
    deploy
}

@test "a rollback brings code, config and secrets back as one" {
    serve
    deploy
    first=$v
    guest v2
    sed -i 's/"off"/"on"/' edge.yaml
    SHOP_TOKEN=two deploy
    [ "$(page)" = "v2 beta=on token=two" ]
    edgectl rollback --json
    expect_status 0
    [ "$(version)" = "$first" ]
    [ "$(page)" = "v1 beta=off token=one" ]
    edgectl rollback --json
    expect_status 0
    [ "$(page)" = "v2 beta=on token=two" ]
    edgectl rollback "$first"
    expect_status 0
    [ "$(page)" = "v1 beta=off token=one" ]
    edgectl rollback "$first"
    expect_in "$output" "nothing to do"
    edgectl rollback nosuch
    expect_status 2
}

@test "a rollback without a journal goes to the version before" {
    serve
    deploy
    guest v2
    deploy
    rm -r .edgectl
    edgectl rollback
    expect_status 0
    [ "$(page)" = "v1 beta=off token=one" ]
}

@test "gc deletes what is old and has no traffic" {
    serve
    deploy
    for n in 2 3 4; do
        guest "v$n"
        deploy
    done
    edgectl rollback "$v"
    edgectl gc --keep 1 --dry-run
    expect_status 0
    expect_in "$output" "would delete version"
    edgectl gc --keep 1 --json
    expect_status 0
    edgectl versions --json
    [ "$(printf %s "$output" | python3 -c 'import json,sys; print(len(json.load(sys.stdin)))')" = 2 ]
    [ "$(page)" = "v4 beta=off token=one" ]
}

@test "destroy wants the name, and leaves nothing" {
    serve
    deploy
    edgectl destroy
    expect_status 2
    expect_in "$stderr" "--confirm shop"
    edgectl destroy --confirm other
    expect_status 2
    [ "$(page)" = "v1 beta=off token=one" ]
    edgectl destroy --confirm shop
    expect_status 0
    edgectl versions
    expect_status 2
    [ "$(page -o /dev/null -w '%{http_code}')" = 503 ]
    deploy
    [ "$(page)" = "v1 beta=off token=one" ]
}
