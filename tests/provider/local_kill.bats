#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# kill -9 before and after every remote call and every record of the journal: the next run
# converges. The seam is src/base/kill_point.h.
load ../lib
load local

# How many points the command comes to: points COMMAND...
points() {
    rm -f ../points
    EDGECTL_TEST_KILL_LOG=$PWD/../points "$EDGECTL" "$@" >/dev/null
    wc -l <../points
}

# The command dies at point $1, by SIGKILL.
die_at() {
    local n=$1
    shift
    run env EDGECTL_TEST_KILL_AT="$n" "$EDGECTL" "$@"
    [ "$status" -eq 137 ] || {
        echo "point $n: exit status $status: $output"
        return 1
    }
}

rename_to() {
    sed -i "s/^name: .*/name: $1/" edge.yaml
}

site() {
    curl -s -m 20 -H "host: $1.localhost" "$url/"
}

count_versions() {
    "$EDGECTL" versions --json | python3 -c 'import json,sys; print(len(json.load(sys.stdin)))'
}

@test "kill: a first deploy, anywhere" {
    serve
    mkdir assets && echo hi >assets/a.txt
    echo 'static: {/assets: assets}' >>edge.yaml
    rename_to whole
    total=$(points deploy)
    [ "$total" -ge 12 ]
    for ((n = 1; n <= total; n++)); do
        rename_to "app-$n"
        rm -rf .edgectl
        die_at "$n" deploy
        edgectl deploy
        expect_status 0
        [ "$(site "app-$n")" = "v1 beta=off token=one" ]
        [ "$(count_versions)" -eq 1 ]
        edgectl deploy
        expect_in "$output" "nothing to do"
    done
}

@test "kill: a second deploy, anywhere, and the old version serves until the end" {
    serve
    rename_to whole
    deploy
    guest v2
    total=$(SHOP_TOKEN=two points deploy)
    [ "$total" -ge 9 ]
    for ((n = 1; n <= total; n++)); do
        rename_to "app-$n"
        rm -rf .edgectl
        guest v1
        SHOP_TOKEN=one deploy
        guest v2
        SHOP_TOKEN=two die_at "$n" deploy
        was=$(site "app-$n")
        [ "$was" = "v1 beta=off token=one" ] || [ "$was" = "v2 beta=off token=two" ]
        SHOP_TOKEN=two edgectl deploy
        expect_status 0
        [ "$(site "app-$n")" = "v2 beta=off token=two" ]
        [ "$(count_versions)" -eq 2 ]
    done
}

@test "kill: a rollback, anywhere" {
    serve
    deploy
    first=$v
    guest v2
    deploy
    second=$v
    total=$(points rollback)
    [ "$total" -ge 6 ]
    for ((n = 1; n <= total; n++)); do
        "$EDGECTL" rollback "$second"
        die_at "$n" rollback "$first"
        edgectl rollback "$first"
        expect_status 0
        [ "$(page)" = "v1 beta=off token=one" ]
    done
}

@test "kill: the server, while versions are deployed to it" {
    serve
    deploy
    for n in 2 3 4 5 6; do
        guest "v$n"
        "$EDGECTL" deploy >/dev/null 2>&1 &
        deploy=$!
        # Somewhere within: each time a little later.
        read -r -t "0.0$((n * 15))" <> <(:) || :
        stop_server KILL
        wait "$deploy" || :
        serve
        [[ $(page) == v[1-6]* ]]
        edgectl deploy
        expect_status 0
        [ "$(page)" = "v$n beta=off token=one" ]
    done
    [ "$(count_versions)" -eq 6 ]
}

@test "kill: two deploys do not run at once" {
    serve
    guest v1 200
    cat >slow <<'END'
#!/bin/sh
: >../started
while [ ! -e ../go ]; do sleep 0.05; done
END
    chmod +x slow
    sed -i 's/^build: .*/build: {command: .\/slow, artifact: app.wat, watch: [slow]}/' edge.yaml
    "$EDGECTL" deploy >first 2>&1 3>&- &
    first=$!
    wait_for 20 test -e ../started
    edgectl deploy
    expect_status 5
    expect_in "$stderr" "process $first on"
    : >../go
    wait "$first"
    [ "$(page)" = "v1 beta=off token=one" ]
}
