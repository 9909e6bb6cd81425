# SPDX-License-Identifier: Apache-2.0
bats_require_minimum_version 1.5.0
load ../lib
load rollout

# Every change of the split that was journalled starts where the one before has ended: none was made
# twice, none was lost.
one_chain() {
    python3 - <<'END'
import json
at = None
ops = {}
for line in open(".edgectl/targets/local/journal.jsonl"):
    r = json.loads(line)
    if r.get("begin") and r.get("kind") == "split":
        arms = lambda side: {a["version"]: a["bp"] for a in r["detail"][side] if a["bp"]}
        was, to = arms("from"), arms("to")
        assert was != to, f"made twice: {was}"
        assert at is None or was in at, f"from {was}, but it was {at}"
        # Killed in it, it has happened or not.
        at = [was, to]
END
}

whole() {
    local o n
    o=$(share_of "$old") n=$(share_of "$new")
    echo "old $o, new $n"
    [ "$o $n" = "$1" ]
}

# points ARGUMENTS: how many points a kill can come at, of a command that succeeds.
points() {
    rm -f ../points
    EDGECTL_TEST_KILL_LOG=$PWD/../points edgectl "$@"
    [ "$status" -eq 0 ] || [ "$status" -eq 3 ]
    wc -l <../points
}

# A kill at each (KILLS of them in all, 0: at every one) point of a rollout, then `resume` or
# `abort`: all traffic is on one version, and no step was taken twice.
kills_in() {
    local of=$1 step kill_at done=0 end
    step=$((KILLS ? (of + KILLS - 1) / KILLS : 1))
    for ((kill_at = 1; kill_at <= of; kill_at += step)); do
        EDGECTL_TEST_KILL_AT=$kill_at run "$EDGECTL" rollout run
        # The last points of a run are not always come to.
        if [ "$status" -eq 137 ]; then
            done=$((done + 1))
            if ((done % 2)); then end=resume; else end=abort; fi
            # What comes after a kill can be killed, too: at a point of its own, another each time.
            [ -z "${TWICE-}" ] || EDGECTL_TEST_KILL_AT=$((done * 5 % 17 + 1)) run "$EDGECTL" rollout "$end"
            edgectl rollout "$end"
            echo "killed at $kill_at, $end: status $status $stderr"
            case $end:$status in
            resume:0) [ "$1:$2" = "$1:good" ] && whole "0.0 100.0" || return 1 ;;
            resume:3) [ "$2" = bad ] && whole "100.0 0.0" || return 1 ;;
            abort:0) whole "100.0 0.0" || return 1 ;;
            # Killed before anything was begun, or after all was over.
            *:2)
                expect_in "$stderr" "no rollout is under way"
                whole "0.0 100.0" || whole "100.0 0.0" || return 1
                ;;
            *) return 1 ;;
            esac
        fi
        one_chain
        edgectl rollout abort --to "$old"
        expect_status 0
    done
    [ "$done" -gt 3 ]
}

@test "a rollout of a good version that is killed anywhere ends on one version" {
    KILLS=${KILLS-8}
    manifest 'rollout: {steps: [50%, 100%], soak: 0s, history: 0s, gates: [{errors: {max-rate: 5%}}]}'
    serve
    versions
    load_at 400
    local of
    of=$(points rollout run)
    edgectl rollout abort --to "$old"
    kills_in "$of" good
}

@test "so does one whose resume or abort is killed as well" {
    KILLS=${KILLS-6} TWICE=yes
    manifest 'rollout: {steps: [50%, 100%], soak: 0s, history: 0s, gates: [{errors: {max-rate: 5%}}]}'
    serve
    versions
    load_at 400
    local of
    of=$(points rollout run)
    edgectl rollout abort --to "$old"
    kills_in "$of" good
}

@test "a rollout of a bad version that is killed anywhere ends on the stable one" {
    KILLS=${KILLS-6}
    manifest 'rollout: {steps: [50%, 100%], soak: 10m, history: 0s, gates: [{errors: {max-rate: 5%}}]}'
    serve
    versions fail 500
    load_at 400
    local of
    of=$(points rollout run)
    kills_in "$of" bad
}
