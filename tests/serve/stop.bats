#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# How dev stops: at any moment, by any signal, leaving nothing behind.
load ../lib
load dev

# No edgectl nor sleep has its working directory here or below.
none_left() {
    local link name
    for link in /proc/[0-9]*/cwd; do
        case $(readlink "$link" 2>/dev/null) in
        "$PWD"*)
            name=$(cat "${link%/cwd}/comm" 2>/dev/null) || continue
            case $name in
            edgectl | sleep)
                echo "left: $link $name"
                return 1
                ;;
            esac
            ;;
        esac
    done
}

app() {
    cat >edge.yaml <<'END'
name: app
limits: { wall: 60s }
END
    echo '(module (memory (export "memory") 1) (func (export "_start")))' >app.wat
    module=app.wat
}

# A module that takes a while to compile.
slow_module() {
    awk 'BEGIN {
        print "(module (memory (export \"memory\") 1) (func (export \"_start\"))"
        for (i = 0; i < 40000; i++)
            printf "(func (param i32 i32) (result i32) (i32.add (i32.mul (local.get 0) " \
                   "(i32.const %d)) (i32.load (local.get 1))))\n", i
        print ")"
    }' >app.wat
}

# `run` in the background; dev's exit status after signal $1, which it must heed within $2 seconds.
ended_by() {
    kill "-$1" "$dev"
    wait_for "$2" gone "$dev"
    status=0
    wait "$dev" || status=$?
    dev_gone
}

gone() {
    ! kill -0 "$1" 2>/dev/null || [ "$(cut -d' ' -f3 "/proc/$1/stat" 2>/dev/null)" = Z ]
}

@test "idle: SIGTERM and SIGINT end it with status 0" {
    app
    for signal in TERM INT; do
        dev_module
        [ "$(get /)" = 200 ]
        ended_by $signal 5
        expect_status 0
        none_left
    done
}

@test "a request in flight is answered within the grace" {
    app
    guest c/origin
    dev_module --workers 1
    curl -s -m 20 -o answer "$url/slow/1000" &
    local request=$!
    wait_for 5 asked
    ended_by TERM 6
    expect_status 0
    wait "$request"
    [ "$(cat answer)" = slow ]
    none_left
}

# The server has a client: an established connection of its own.
asked() {
    ss -Htn state established "sport = :${url##*:}" | grep -q .
}

@test "a request that takes longer than the grace is cut" {
    app
    guest c/hostile
    dev_module
    curl -s -m 30 -o answer "$url/nap" &
    local request=$!
    wait_for 5 asked
    ended_by INT 6
    expect_status 0
    local result=0
    wait "$request" || result=$?
    [ "$result" != 0 ]
    [ "$result" != 28 ]
    none_left
}

@test "all workers share one grace" {
    app
    guest c/hostile
    dev_module --workers 4
    for _ in {1..12}; do
        curl -s -m 30 -o /dev/null "$url/nap" &
    done
    wait_for 5 asked_often
    ended_by INT 4
    expect_status 0
    none_left
}

asked_often() {
    [ "$(ss -Htn state established "sport = :${url##*:}" | wc -l)" = 12 ]
}

@test "a request whose client goes while it waits for its turn leaves the queue" {
    app
    guest c/hostile
    dev_module --max-requests 1 --workers 1
    curl -s -m 30 -o /dev/null "$url/nap" &
    wait_for 5 asked
    for i in {1..5}; do
        curl -s -m 0.3 -o /dev/null "$url/impatient/$i" &
    done
    wait_for 5 told 5
    ! grep -q 'GET /nap' log || return 1
    ended_by INT 5
    expect_status 0
}

told() {
    [ "$(grep -c 'GET /impatient/. no answer' log)" = "$1" ]
}

@test "while it compiles: at once, with status 130" {
    app
    slow_module
    "$EDGECTL" dev app.wat --addr 127.0.0.1:0 --ready-file ready >log 2>&1 3>&- &
    dev=$!
    pids+=("$dev")
    # Ticks of CPU time: beyond its start, so into the compilation.
    wait_for 20 busy
    [ ! -e ready ]
    ended_by INT 2
    expect_status 130
    none_left
    # And nothing of it is in the way of the next one.
    dev_module
    [ "$(get /)" = 200 ]
}

busy() {
    [ "$(awk '{ print $14 + $15 }' "/proc/$dev/stat")" -gt 20 ]
}

@test "while the build command runs: its processes go too" {
    cat >edge.yaml <<'END'
name: app
build:
  command: trap '' TERM; touch started; sleep 301 & sleep 302
  artifact: app.wasm
END
    for signal in TERM INT; do
        rm -f started
        "$EDGECTL" dev --addr 127.0.0.1:0 >log 2>&1 3>&- &
        dev=$!
        pids+=("$dev")
        wait_for 20 test -e started
        ended_by $signal 5
        expect_status 130
        wait_for 2 none_left
    done
}

@test "kill -9 while the build command runs: its processes go too" {
    cat >edge.yaml <<'END'
name: app
build: { command: touch started; sleep 301 & sleep 302, artifact: app.wasm }
END
    "$EDGECTL" dev --addr 127.0.0.1:0 >log 2>&1 3>&- &
    dev=$!
    pids+=("$dev")
    wait_for 20 test -e started
    ended_by KILL 5
    expect_status 137
    wait_for 5 none_left
}

await_exec() {
    local comm='' end=$((SECONDS + 20))
    until [ "$comm" = edgectl ]; do
        [ "$SECONDS" -lt "$end" ] || return 1
        read -r comm <"/proc/$dev/comm" || :
    done
}

@test "at any moment of its start" {
    app
    for i in $(seq 0 24); do
        for signal in TERM INT; do
            env --default-signal=INT "$EDGECTL" dev app.wat --addr 127.0.0.1:0 >log 2>&1 3>&- &
            dev=$!
            pids+=("$dev")
            # Its start begins with its exec: what comes before is env, or a shell that ignores SIGINT.
            await_exec
            read -r -t "$(printf '0.%03d' $((i * 3)))" <> <(:) || :
            ended_by $signal 5
            # By its default action until there is a handler.
            case $status in
            0 | 130 | 143) ;;
            *)
                echo "after $((i * 3)) ms: exit status $status"
                cat log
                return 1
                ;;
            esac
        done
    done
    none_left
}

@test "kill -9 at any moment, under writes: the next start serves" {
    "$EDGECTL" init app >/dev/null 2>&1
    cd app
    token=$(sed -n 's/^ADMIN_TOKEN=//p' .env)
    for i in $(seq 0 14); do
        "$EDGECTL" dev --addr 127.0.0.1:0 --ready-file up >log 2>&1 3>&- &
        dev=$!
        pids+=("$dev")
        # The early ones hit the start, the late ones writes.
        if [ "$i" -gt 7 ]; then
            wait_for 20 test -s up
            url=$(cat up)
            for n in 1 2 3; do
                while curl -s -m 5 -o /dev/null -X PUT -H "authorization: Bearer $token" \
                    -d "Round $i, writer $n" "$url/greeting"; do :; done &
            done
        fi
        read -r -t "$(printf '0.%03d' $((i * 11)))" <> <(:) || :
        kill -9 "$dev"
        wait
        pids=()
        rm -f up
    done
    dev
    [ "$(get /)" = 200 ]
    [ "$(get /greeting -X PUT -H "authorization: Bearer $token" -d 'The end')" = 200 ]
    get /
    expect_in "$(cat answer)" 'The end'
    stop_dev
    expect_status 0
}

@test "a busy port names its holder" {
    app
    dev_module
    local port=${url##*:}
    run --separate-stderr timeout 20 "$EDGECTL" dev app.wat --addr "127.0.0.1:$port"
    expect_status 6
    expect_in "$stderr" "$port"
    expect_in "$stderr" 'edgectl'
    expect_in "$stderr" "$dev"
    # And the holder is none the worse.
    [ "$(get /)" = 200 ]
}
