#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Many requests at once, on two workers: all are answered. Under ThreadSanitizer or AddressSanitizer
# this is where they look.
load ../lib
load dev

# WAITING: how many requests wait at once; `make check-fault` takes 5,000.
@test "requests that wait on a slow backend are all answered, in bounded memory" {
    local count=${WAITING:-500}
    [ -z "${TEST_SANITIZED-}" ] || count=100
    "$TEST_TOOLS/slow_backend" 2000 >slow 2>&1 3>&- &
    pids+=($!)
    wait_for 10 test -s slow
    cat >edge.yaml <<END
name: load
backends: { bad: "http://127.0.0.1:$(cat slow)" }
END
    guest c/proxy
    dev_module --workers 2 --max-requests "$count" --quiet
    run "$TEST_TOOLS/burst" "${url##*:}" / "$count" 60
    expect_in "$output" "\"ok\": $count,"
    memory=$(awk '$1 == "VmHWM:" { print $2 }' "/proc/$dev/status")
    echo "# $output, ${memory} kB" >&3
    [ -n "${TEST_SANITIZED-}" ] || [ "$memory" -lt 1500000 ]
    # With less room the rest queue.
    stop_dev
    dev_module --workers 2 --max-requests $((count / 4)) --quiet
    run "$TEST_TOOLS/burst" "${url##*:}" / "$count" 60
    expect_in "$output" "\"ok\": $count,"
    stop_dev
    expect_status 0
}

# $1 clients at once, each asks $2 times for /; their status codes: codes.*.
clients() {
    local client n failed=0 jobs=()
    for client in $(seq "$1"); do
        for n in $(seq "$2"); do
            printf 'url = "%s/"\noutput = /dev/null\n' "$url"
        done | curl -s -m 60 -w '%{http_code}\n' -K - >"codes.reader$client" &
        jobs+=($!)
    done
    for client in "${jobs[@]}"; do
        wait "$client" || failed=1
    done
    [ "$failed" = 0 ]
    [ "$(sort -u codes.reader*)" = 200 ]
}

@test "KV, secrets, config and cache by all workers at once, over reloads" {
    "$EDGECTL" init app >/dev/null 2>&1
    cd app
    token=$(sed -n 's/^ADMIN_TOKEN=//p' .env)
    dev --workers 2
    for writer in 1 2 3 4; do
        for n in $(seq 20); do
            printf 'url = "%s/greeting"\nrequest = PUT\ndata = "writer %d, %d"\noutput = /dev/null\n' \
                "$url" "$writer" "$n"
            printf 'header = "authorization: Bearer %s"\nwrite-out = "%%{http_code}\\n"\n' "$token"
            [ "$n" = 20 ] || echo next
        done | curl -s -m 60 -K - >"codes.$writer" &
        eval "writer$writer=$!"
    done
    clients 4 20
    # The same content anew: the manifest is read again, the module loaded again.
    for _ in 1 2 3; do
        touch edge.yaml bin/main.wasm
        cat edge.yaml >copy && cat copy >edge.yaml
        clients 2 5
    done
    wait "$writer1" "$writer2" "$writer3" "$writer4"
    [ "$(cat codes.? | sort | uniq -c | awk '{ print $1, $2 }')" = '80 200' ] || {
        sort codes.? | uniq -c
        return 1
    }
    get /
    expect_in "$(cat answer)" 'writer'
    stop_dev
    expect_status 0
    no_report log
}

@test "sends, streams and cuts by all workers at once" {
    guest c/origin
    cp "$BATS_TEST_DIRNAME/probe.yaml" edge.yaml
    dev_module --workers 2
    local origin=$dev origin_url=$url jobs=()
    for _ in 1 2 3 4; do
        for path in /stream/20/5 /bytes/1000000 /slow/50 /cut /trailers; do
            curl -s -m 60 -o /dev/null "$url$path" &
            jobs+=($!)
        done
    done
    # Clients that leave half-way.
    for _ in 1 2 3 4 5 6; do
        curl -s -m 0.1 -o /dev/null "$url/stream/100/20" &
        jobs+=($!)
    done
    export EDGECTL_BACKEND_ORIGIN=$origin_url EDGECTL_BACKEND_IMPATIENT=$origin_url
    guest c/sends
    mv log log.origin
    dev_module --workers 2 --state other
    # hostcalls.bats looks at what it says; here its timeouts may strike.
    curl -s -m 100 -o answer "$url/"
    expect_in "$(cat answer)" '1..'
    for job in "${jobs[@]}"; do
        wait "$job" || :
    done
    no_report log.origin
}
