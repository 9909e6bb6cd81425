# SPDX-License-Identifier: Apache-2.0
bats_require_minimum_version 1.5.0
load ../lib
load rollout

# `rollout run` in the background: its output in ../run.out, ../run.err, its pid in $runner.
run_rollout() {
    # What one before has said is not taken for what this one says.
    rm -f ../run.out ../run.err
    "$EDGECTL" rollout run "$@" >../run.out 2>../run.err 3>&- &
    runner=$!
    pids+=("$runner")
}

said() {
    cat ../run.out ../run.err 2>/dev/null | grep -q "$1"
}

# Waits for it; its exit status is $1.
ended_with() {
    local s=0
    wait "$runner" || s=$?
    [ "$s" -eq "$1" ] || {
        echo "exit status $s, expected $1"
        cat ../run.out ../run.err
        return 1
    }
}

patient='rollout: {steps: [{percent: 10%, approval: true}, 100%], soak: 0s, history: 0s}'

@test "a plan says what would happen and changes nothing" {
    manifest 'rollout: {steps: [1%, {percent: 20%, approval: true}, 100%], soak: 2m, windows: ["Mon-Fri 08:00-16:00"]}'
    serve
    versions
    edgectl rollout plan
    expect_status 0
    expect_in "$output" "$old -> $new"
    expect_in "$output" "1 %  for at least 2m, then the gate"
    expect_in "$output" "20 %  for at least 2m, then the gate, then \`edgectl rollout promote\`"
    edgectl rollout plan --json
    [ "$(member "$output" steps 1 bp)" = 2000 ]
    [ "$(share_of "$old")" = 100.0 ]
    edgectl rollout status
    expect_in "$output" "no rollout yet"
}

@test "nothing to roll out is an error that says what to do" {
    serve
    guest old
    deploy
    edgectl rollout run
    expect_status 2
    expect_in "$stderr" "edgectl deploy --no-traffic"
}

@test "start takes the first step, resume --once goes on as far as it can, promote approves" {
    manifest "$patient"
    serve
    versions
    load_at 1000
    edgectl rollout start
    expect_status 0
    [ "$(share_of "$new")" = 10.0 ]
    once() { "$EDGECTL" rollout resume --once && "$EDGECTL" rollout status | grep -q 'verdict: advance'; }
    wait_for 60 once
    [ "$(share_of "$new")" = 10.0 ]
    edgectl rollout promote
    expect_status 0
    edgectl rollout resume --once
    expect_status 0
    [ "$(share_of "$new")" = 100.0 ]
    edgectl rollout status --json
    [ "$(member "$output" phase)" = done ]
}

@test "others can pause, resume, approve and abort what runs in another process" {
    manifest "$patient"
    serve
    versions
    load_at 1000
    run_rollout
    wait_for 60 said '10 % on the new version'
    edgectl rollout pause
    expect_status 0
    edgectl rollout status
    expect_in "$output" "paused"
    edgectl rollout resume
    expect_status 0
    wait_for 60 said 'waiting for approval'
    edgectl rollout promote
    expect_status 0
    ended_with 0
    [ "$(share_of "$new")" = 100.0 ]
}

@test "abort puts back what runs in another process, and that one says who did it" {
    manifest "$patient"
    serve
    versions
    load_at 500
    run_rollout
    wait_for 60 said '10 % on the new version'
    edgectl rollout abort
    expect_status 0
    [ "$(share_of "$old")" = 100.0 ]
    ended_with 1
    said 'aborted by'
}

was_asked() {
    tail -n 1 .edgectl/rollouts/local/*.asked 2>/dev/null | grep -q "${1/abort/back}"
}

# The runner stands still, somebody asks, and then it is killed before it has heard.
asked_of_the_dead() {
    kill -STOP "$runner"
    "$EDGECTL" rollout "$@" >../asked.out 2>&1 3>&- &
    local asker=$! s=0
    pids+=("$asker")
    wait_for 30 was_asked "$1"
    kill -9 "$runner"
    wait "$asker" || s=$?
    cat ../asked.out
    [ "$s" -eq 0 ]
}

@test "whoever asks a process that is killed then does it alone" {
    manifest "$patient"
    serve
    versions
    load_at 500
    run_rollout
    wait_for 60 said '10 % on the new version'
    asked_of_the_dead pause
    run_rollout
    wait_for 60 said 'paused'
    asked_of_the_dead resume --once
    edgectl rollout status --json
    [ "$(member "$output" paused)" = False ]
    run_rollout
    wait_for 60 said 'going on'
    asked_of_the_dead abort
    [ "$(share_of "$old")" = 100.0 ]
    edgectl rollout status --json
    [ "$(member "$output" phase)" = undone ]
}

@test "a name that is no UTF-8 is written all the same" {
    manifest "$patient"
    serve
    versions
    edgectl rollout start
    USER=$'\xff\xfe' edgectl rollout abort
    expect_status 0
    [ "$(share_of "$old")" = 100.0 ]
    edgectl rollout history
    expect_in "$output" "aborted by ??@"
}

@test "what runs in another process is found by the target that was named" {
    manifest "$patient
targets: {local: {provider: local}, here: {provider: local}}"
    serve
    versions
    load_at 500
    run_rollout --target here
    wait_for 60 said '10 % on the new version'
    edgectl rollout pause --target here
    expect_status 0
    edgectl rollout abort --target here
    expect_status 0
    [ "$(share_of "$old")" = 100.0 ]
    ended_with 1
}

@test "a provider that is away for a while is asked again" {
    manifest "$patient"
    serve
    versions
    run_rollout
    wait_for 60 said '10 % on the new version'
    kill -9 "$server"
    wait "$server" || :
    wait_for 60 said 'edgectl on this machine: '
    serve
    load_at 1000
    edgectl rollout promote --full
    expect_status 0
    ended_with 0
    [ "$(share_of "$new")" = 100.0 ]
}

@test "two rollouts of one target do not run at the same time" {
    manifest "$patient"
    serve
    versions
    run_rollout
    wait_for 60 said '10 % on the new version'
    edgectl rollout run
    expect_status 5
    expect_in "$stderr" "$runner"
}

@test "Ctrl-C leaves the split and says how to go on; resume does" {
    manifest 'rollout: {steps: [10%, 100%], soak: 0s, history: 0s}'
    serve
    versions
    run_rollout
    wait_for 60 said '10 % on the new version'
    kill -INT "$runner"
    ended_with 130
    said 'edgectl rollout resume'
    [ "$(share_of "$new")" = 10.0 ]
    load_at 1000
    edgectl rollout resume
    expect_status 0
    [ "$(share_of "$new")" = 100.0 ]
}

@test "a split that somebody else has changed stops it with who and what" {
    manifest "$patient"
    serve
    versions
    run_rollout
    wait_for 60 said '10 % on the new version'
    # Another state folder has no lock and no journal of this rollout.
    edgectl rollout abort --to "$new" --state ../elsewhere
    expect_status 0
    ended_with 5
    said 'the split was changed by'
    said "100 % on $new"
    edgectl rollout status
    expect_status 5
    edgectl rollout abort --to "$old"
    expect_status 0
    [ "$(share_of "$old")" = 100.0 ]
    edgectl rollout status --json
    [ "$(member "$output" phase)" = undone ]
}

@test "without its journal a rollout goes on from what the provider keeps, or is put back" {
    manifest "$patient"
    serve
    versions
    edgectl rollout start
    [ "$(share_of "$new")" = 10.0 ]
    edgectl rollout abort --state ../elsewhere
    expect_status 0
    expect_in "$stderr" "taken over from"
    [ "$(share_of "$old")" = 100.0 ]
}

@test "whoever takes it over and is killed at that has not forgotten what is there" {
    manifest "$patient"
    serve
    versions
    edgectl rollout start
    EDGECTL_TEST_KILL_AT=2 edgectl rollout abort --state ../elsewhere
    expect_status 137
    [ "$(share_of "$new")" = 10.0 ]
    edgectl rollout abort --state ../elsewhere
    expect_status 0
    [ "$(share_of "$old")" = 100.0 ]
}

@test "abort --to works when the journal is damaged" {
    manifest "$patient"
    serve
    versions
    edgectl rollout start
    local journal
    journal=$(echo .edgectl/rollouts/local/*.jsonl)
    sed -i '2s/./x/' "$journal"
    edgectl rollout resume
    expect_status 1
    expect_in "$stderr" "$journal:2:"
    expect_in "$stderr" "abort --to"
    edgectl rollout abort --to "$old"
    expect_status 0
    [ "$(share_of "$old")" = 100.0 ]
}

@test "a torn last line is no loss" {
    manifest "$patient"
    serve
    versions
    edgectl rollout start
    printf '0badcafe {"e":"outc' >>"$(echo .edgectl/rollouts/local/*.jsonl)"
    edgectl rollout status
    expect_status 0
    edgectl rollout abort
    expect_status 0
    [ "$(share_of "$old")" = 100.0 ]
}

@test "no traffic is no verdict: it ends with status 4 and says how many requests are needed" {
    manifest 'rollout: {steps: [10%, 100%], soak: 0s, deadline: 1s, history: 0s}'
    serve
    versions
    edgectl rollout run
    expect_status 4
    expect_in "$stderr" "the evidence does not decide"
    [ "$(share_of "$new")" = 10.0 ]
    edgectl rollout promote --full
    expect_status 0
    [ "$(share_of "$new")" = 100.0 ]
}

@test "no verdict puts all back when the manifest says so" {
    manifest 'rollout: {steps: [10%, 100%], soak: 0s, deadline: 1s, on-inconclusive: rollback, history: 0s}'
    serve
    versions
    edgectl rollout run
    expect_status 4
    [ "$(share_of "$old")" = 100.0 ]
}

@test "a server that restarts meanwhile does not confuse the counts" {
    manifest 'rollout: {steps: [20%, {percent: 40%, approval: true}, 100%], soak: 3s, history: 0s}'
    serve
    versions
    load_at 500
    run_rollout
    wait_for 60 said '20 % on the new version'
    kill "$server"
    wait "$server" || :
    serve
    wait_for 60 said 'waiting for approval' || { cat ../run.out ../run.err; return 1; }
    edgectl rollout promote
    ended_with 0
    [ "$(share_of "$new")" = 100.0 ]
}

@test "hooks run before and after each step and at the end, and one that fails stops it" {
    manifest 'rollout:
  steps: [10%, 100%]
  soak: 0s
  history: 0s
  hooks:
    before: [{command: "echo before $EDGECTL_ROLLOUT_STEP $EDGECTL_ROLLOUT_PERCENT >>../hooks"}]
    after: [{command: "test ! -e ../veto; echo after $EDGECTL_ROLLOUT_STEP >>../hooks; test ! -e ../veto"}]
    end: [{command: "echo end $EDGECTL_ROLLOUT_PHASE >>../hooks"}]'
    serve
    versions
    load_at 1000
    touch ../veto
    edgectl rollout run
    expect_status 1
    expect_in "$stderr" "hook 'after'"
    [ "$(share_of "$new")" = 10.0 ]
    rm ../veto
    edgectl rollout resume
    expect_status 0
    [ "$(cat ../hooks)" = "before 1 10
after 1
after 1
before 2 100
after 2
end done" ]
}

@test "status of 1,000 events takes under 50 ms of its own" {
    skip_if_sanitized
    manifest "$patient"
    serve
    versions
    edgectl rollout start
    python3 - <<'END'
import glob, json, zlib
path = glob.glob(".edgectl/rollouts/local/*.jsonl")[0]
lines = open(path).read().splitlines()
crc = int(lines[-1][:8], 16)
with open(path, "a") as f:
    for i in range(1000):
        text = json.dumps({"e": "look", "target": 0, "dt": 100, "w": 0.1, "n": [90.0, 10.0],
                           "s": [[90.0, 0.0], [90.0, 0.0]], "c": [[10.0, 0.0], [10.0, 0.0]],
                           "t": 1800000000000 + i}, separators=(",", ":"))
        crc = zlib.crc32(text.encode(), crc)
        f.write("%08x %s\n" % (crc, text))
END
    edgectl rollout status
    expect_status 0
    expect_in "$output" "verdict: advance"
    local used
    used=$(cpu_ms "$EDGECTL" rollout status)
    echo "# $used ms" >&3
    [ "$used" -lt 50 ]
    edgectl rollout status --openmetrics
    expect_in "$output" 'edgectl_rollout_requests_total{'
    expect_in "$output" '# EOF'
}

@test "a webhook is told of each step, and one that says no stops it" {
    cat >../hook.py <<'END'
import http.server, json, os, sys
class H(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        told = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with open("../told", "a") as f:
            f.write(f"{self.path} {told['when']} {told['step']} {told['percent']:g}\n")
        self.send_response(409 if os.path.exists("../veto") else 204)
        self.send_header("content-length", "0")
        self.end_headers()
    def log_message(self, *args): pass
s = http.server.HTTPServer(("127.0.0.1", 0), H)
open("../hook.port", "w").write(str(s.server_port))
s.serve_forever()
END
    python3 ../hook.py 3>&- &
    pids+=($!)
    wait_for 30 test -s ../hook.port
    manifest "rollout:
  steps: [10%, 100%]
  soak: 0s
  history: 0s
  hooks: {before: [{webhook: 'http://127.0.0.1:$(cat ../hook.port)/step?key=s3cret'}]}"
    serve
    versions
    load_at 1000
    touch ../veto
    edgectl rollout run
    expect_status 6
    expect_in "$stderr" "the webhook answered 409"
    [ "$(share_of "$old")" = 100.0 ]
    rm ../veto ../told
    edgectl rollout resume
    expect_status 0
    [ "$(cat ../told)" = "/step?key=s3cret before 1 10
/step?key=s3cret before 2 100" ]
    kill "${pids[0]}"
    guest newer
    deploy --no-traffic --no-probe
    edgectl rollout run
    expect_status 6
    expect_in "$stderr" "the webhook"
    [[ $stderr != *s3cret* ]]
}

@test "Ctrl-C is heard while a webhook does not answer" {
    cat >../mute.py <<'END'
import socket, time
s = socket.create_server(("127.0.0.1", 0))
open("../mute.port", "w").write(str(s.getsockname()[1]))
c = s.accept()
open("../called", "w").close()
time.sleep(600)
END
    python3 ../mute.py 3>&- &
    pids+=($!)
    wait_for 30 test -s ../mute.port
    manifest "rollout:
  steps: [10%, 100%]
  soak: 0s
  history: 0s
  hooks: {before: [{webhook: 'http://127.0.0.1:$(cat ../mute.port)/', timeout: 10m}]}"
    serve
    versions
    run_rollout
    wait_for 60 test -e ../called
    kill -INT "$runner"
    local until=$((SECONDS + 30))
    ended_with 130
    [ "$SECONDS" -lt "$until" ]
    said 'edgectl rollout resume'
    [ "$(share_of "$old")" = 100.0 ]
}

@test "on a terminal the screen is redrawn" {
    serve
    versions
    load_at 1000
    TERM=xterm script -qec "'$EDGECTL' rollout run" /dev/null >../screen
    grep -q $'\033\[[0-9]*A' ../screen
    grep -q 'verdict: ' ../screen
    grep -q 'done: all traffic is on the new version' ../screen
}
