# SPDX-License-Identifier: Apache-2.0
bats_require_minimum_version 1.5.0
load ../lib
load rollout

# A real Prometheus that scrapes what the server has counted; $prometheus is its address.
# prometheus [ARGUMENTS]: with --web.config.file it speaks TLS.
prometheus() {
    command -v prometheus >/dev/null || skip "no prometheus"
    python3 "$BATS_TEST_DIRNAME/../tools/exporter.py" "$(server_state)" shop "$PWD/../port" 3>&- &
    pids+=($!)
    wait_for 30 test -s ../port
    cat >../prometheus.yml <<END
global: {scrape_interval: 500ms}
scrape_configs: [{job_name: edgectl, static_configs: [{targets: ["127.0.0.1:$(cat ../port)"]}]}]
END
    local p
    p=$(python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])')
    prometheus=http$([ $# = 0 ] || echo s)://127.0.0.1:$p
    command prometheus --config.file=../prometheus.yml --storage.tsdb.path=../tsdb \
        --web.listen-address="127.0.0.1:$p" "$@" >../prometheus.log 2>&1 3>&- &
    pids+=($!)
    wait_for 60 curl -ksf -u 'ed:pass word' "$prometheus/-/ready" >/dev/null
}

server_state() {
    dirname "$(find "$HOME" "$PWD" -name admin.token 2>/dev/null | head -n1)"
}

rollout_with() {
    manifest "rollout:
  steps: [20%, 100%]
  soak: 1s
  poll: 500ms
  history: 0s
  evidence: $1"
}

@test "a Prometheus is evidence: a good version passes, a bad one is put back" {
    serve
    versions
    load_at 1000
    prometheus
    rollout_with "{prometheus: {url: \"$prometheus\"}}"
    edgectl rollout run
    expect_status 0
    [ "$(share_of "$new")" = 100.0 ]
    old=$new
    guest worse fail 100
    deploy --no-traffic --no-probe
    edgectl rollout run
    expect_status 3
    expect_in "$stderr" "errors: worse than the stable version"
    [ "$(share_of "$old")" = 100.0 ]
}

# Edges are those of the histogram, and so are the requests: both of one scrape.
@test "a whole histogram of a Prometheus is evidence; its past is history" {
    guest old
    serve
    deploy
    old=$v
    guest new slow 300
    deploy --no-traffic --no-probe
    new=$v
    load_at 400
    prometheus
    wait_for 60 has_past
    rollout_with "{prometheus: {url: \"$prometheus\"}}
  gates: [{latency: {slower-than: 60ms}}]"
    sed -i 's/history: 0s/history: 12s\n  burn-in: 0s/' edge.yaml
    edgectl rollout run
    expect_status 3
    expect_in "$stderr" "slower-than-60ms: worse than the stable version"
    [ "$(share_of "$old")" = 100.0 ]
    local journal
    journal=$(ls .edgectl/rollouts/local/*.jsonl)
    grep -q '"e":"past"' "$journal"
    # The gate's own edge, then the quantiles', which are edges of the histogram.
    sed -n '1s/^[0-9a-f]* //p' "$journal" | python3 -c 'import json, sys
rule = json.load(sys.stdin)["plan"]["gates"][0]
print(rule)
edges = next(v for v in rule.values() if isinstance(v, list))
assert edges[0] == 60 and len(edges) > 1, edges
assert set(edges[1:]) <= {5, 10, 25, 50, 100, 250, 500}, edges'
}

has_past() {
    curl -s "$prometheus/api/v1/query?query=count_over_time(edgectl_requests_total%5B1m%5D)" |
        grep -qE '"(2[4-9]|[3-9][0-9]|1[0-9]{2})"\]'
}

@test "a Prometheus behind TLS and a password: its CA, the password, and what is said without" {
    serve
    versions
    load_at 400
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test \
        -addext subjectAltName=IP:127.0.0.1 -keyout ../key.pem -out ../ca.pem 2>/dev/null
    # The hash is of 'pass word'.
    cat >../web.yml <<'END'
tls_server_config: {cert_file: ca.pem, key_file: key.pem}
basic_auth_users: {ed: $2b$04$abcdefghijklmnopqrstuuFcV8WPKEefLKdOWfX8pW1yTVya21P7a}
END
    prometheus --web.config.file=../web.yml
    with() {
        rollout_with "{prometheus: {url: \"$prometheus\", $1}}"
        sed -i 's/soak: 1s/soak: 1s\n  deadline: 2s/' edge.yaml
    }
    export PW='pass word'
    with 'user: ed, password: {env: PW}'
    edgectl rollout run
    expect_status 6
    expect_in "$stderr" "certificate"
    with 'user: ed, password: {env: PW}, ca: ../ca.pem'
    PW=wrong-one edgectl rollout run
    expect_status 8
    expect_in "$stderr" "rollout.evidence.prometheus"
    [[ $stderr != *wrong-one* ]]
    env -u PW "$EDGECTL" rollout run >../out 2>&1 || status=$?
    [ "$status" = 8 ]
    grep -q "environment variable PW is not set" ../out
    sed -i 's/deadline: 2s/deadline: 2m/' edge.yaml
    edgectl rollout run
    expect_status 0
    [ "$(share_of "$new")" = 100.0 ]
    ! grep -rq 'pass word' .edgectl
    with 'user: ed'
    edgectl validate
    expect_status 9
    expect_in "$output" "'user' and 'password' go together"
}

@test "a query that gives several series, and a Prometheus that is gone, are told" {
    serve
    versions
    load_at 200
    prometheus
    rollout_with "{prometheus: {url: \"$prometheus\", requests: '{__name__=~\"up|scrape_duration_seconds\"}'}}"
    sed -i 's/soak: 1s/soak: 1s\n  deadline: 2s/' edge.yaml
    wait_for 30 scraped
    # Before anything is changed.
    edgectl rollout run
    expect_status 1
    expect_in "$stderr" "nothing was begun"
    expect_in "$stderr" "series of several names"
    for query in 'sum((' 'up[5m]'; do
        rollout_with "{prometheus: {url: \"$prometheus\", requests: '$query'}}"
        edgectl rollout run
        [ "$status" != 0 ]
        expect_in "$stderr" "nothing was begun"
        [[ $stderr == *"parse error"* || $stderr == *"without a range"* ]]
    done
    rollout_with "{prometheus: {url: 'http://127.0.0.1:9'}}"
    edgectl rollout run
    expect_status 6
    expect_in "$stderr" "Prometheus"
    # Without a secret plain http goes to others, too: usual within a cluster.
    rollout_with "{prometheus: {url: 'http://no-such-host.invalid:9'}}"
    edgectl rollout run
    expect_status 6
    rollout_with "{prometheus: {url: 'http://no-such-host.invalid:9', token: {env: HOME}}}"
    edgectl rollout run
    expect_status 2
    expect_in "$stderr" "is not https"
    edgectl rollout history
    expect_in "$stderr" "no rollout yet"
    [ "$(share_of "$old")" = 100.0 ]
}

@test "a Prometheus that goes away is told once, also on a terminal, and stops nothing" {
    serve
    versions
    load_at 200
    prometheus
    rollout_with "{prometheus: {url: \"$prometheus\"}}"
    sed -i 's/soak: 1s/soak: 1h/' edge.yaml
    wait_for 30 scraped
    "$EDGECTL" rollout run >../run.out 2>&1 3>&- &
    local runner=$!
    pids+=("$runner")
    wait_for 60 grep -q 'more requests are needed' ../run.out
    kill "${pids[-2]}"
    wait_for 60 grep -q 'warning: Prometheus' ../run.out
    local seen
    seen=$(looks)
    wait_for 60 more_looks "$((seen + 3))"
    [ "$(grep -c 'warning: Prometheus' ../run.out)" = 1 ]
    kill -TERM "$runner"
    wait "$runner" || :
}

looks() {
    cat .edgectl/rollouts/local/*.jsonl | grep -c '"e":"look"'
}

more_looks() {
    [ "$(looks)" -ge "$1" ]
}

scraped() {
    curl -s "$prometheus/api/v1/query?query=count(up)" | grep -q '"1"'
}

@test "a file is evidence; without it, and with an old one, nothing is known" {
    rollout_with '{file: ../counts.json}'
    sed -i 's/soak: 1s/soak: 0s\n  deadline: 2s/' edge.yaml
    serve
    versions
    edgectl rollout run
    expect_status 4
    expect_in "$stderr" "counts.json"
    edgectl rollout abort
    count() {
        printf '{"time": "%s", "versions": {"%s": {"requests": %s, "errors": 0, "traps": 0}, "%s": {"requests": %s, "errors": %s, "traps": 0}}}' \
            "${4:-$(date -u +%FT%TZ)}" "$old" "$1" "$new" "$2" "$3" >../counts.new
        mv ../counts.new ../counts.json
    }
    count 1000000 0 0 2020-01-01T00:00:00Z
    edgectl rollout start
    count 2000000 100000 0 2020-01-01T00:00:00Z
    edgectl rollout resume --once
    expect_status 0
    edgectl rollout status
    expect_in "$output" "no data"
    count 2000000 100000 0
    edgectl rollout resume --once
    expect_status 0
    [ "$(share_of "$new")" = 100.0 ]
}

@test "a command is evidence, and one that fails is told" {
    rollout_with '{command: "cat ../counts.json"}'
    sed -i 's/soak: 1s/soak: 0s\n  deadline: 2s/' edge.yaml
    serve
    versions
    edgectl rollout run
    expect_status 4
    expect_in "$stderr" "the command 'cat ../counts.json' failed with status 1"
}

@test "probes are evidence of their own" {
    rollout_with '{probes: {path: /, count: 20}}'
    sed -i 's/steps: .20%, 100%./steps: [0%, 100%]/; s/soak: 1s/soak: 1h/' edge.yaml
    serve
    versions fail 500
    edgectl rollout run
    expect_status 3
    expect_in "$stderr" "probes: worse than the stable version"
    [ "$(share_of "$old")" = 100.0 ]
}

@test "a gate on events needs something that counts them" {
    manifest 'rollout: {steps: [10%, 100%], gates: [{events: {name: checkout-failed}}]}'
    serve
    versions
    edgectl rollout run
    expect_status 9
    expect_in "$stderr" "checkout-failed"
}
