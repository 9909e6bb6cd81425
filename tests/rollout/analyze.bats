# SPDX-License-Identifier: Apache-2.0
bats_require_minimum_version 1.5.0
load ../lib

# Lines of looks: looks COUNT STABLE-REQUESTS ERRORS CANARY-REQUESTS ERRORS
looks() {
    local i
    for ((i = 0; i < $1; i++)); do
        printf '{"stable": {"requests": %s, "errors": %s}, "canary": {"requests": %s, "errors": %s}}\n' \
            "${@:2}"
    done
}

@test "counts as lines of JSON: what is worse fails, what is as good advances" {
    looks 20 950 5 50 2 >bad.jsonl
    edgectl rollout analyze bad.jsonl
    expect_status 3
    expect_in "$output" "canary requests: fail"
    looks 100 950 9 50 0 >good.jsonl
    edgectl rollout analyze good.jsonl --json
    expect_status 0
    expect_in "$output" '"decision":"advance"'
    looks 3 950 5 50 0 >few.jsonl
    edgectl rollout analyze few.jsonl
    expect_status 4
    expect_in "$output" "more requests are needed (about"
}

@test "a document with gates, history and looks" {
    cat >t.json <<'END'
{"gates": [{"name": "errors", "max_ratio": 3}, "checkout-failed"], "alpha": 0.001,
 "history": [{"stable": {"requests": 1000, "errors": 5, "checkout-failed": 1}}],
 "looks": [{"weight": 0.05, "stable": {"requests": 950, "errors": 5, "checkout-failed": 1},
            "canary": {"requests": 50, "errors": 0, "checkout-failed": 0}},
           {"weight": 0.05, "stable": {"requests": 950, "errors": 5}, "canary": null}]}
END
    edgectl rollout analyze t.json --looks --json
    expect_status 4
    expect_in "$output" '"name":"checkout-failed"'
    expect_in "$output" '"points":[{"look":1,"canary_requests":50.0'
}

@test "looks as an array, with members that are no counts, and without an arm" {
    python3 - >array.json <<'END'
import json
look = {"time": "12:00", "weight": 0.05, "stable": {"requests": 950, "errors": 9, "zone": "a"},
        "canary": {"requests": 50, "errors": 0, "zone": "a"}}
gap = dict(look, canary=None)
print(json.dumps([look, gap, gap, look] * 60, indent=1))
END
    edgectl rollout analyze array.json --looks
    expect_status 0
    expect_in "$output" "canary requests: advance"
    # What is missing is no sign of wrong routing.
    [[ $output != *routing* ]]
    [[ $output != *zone* ]]
}

# Traffic by a generator that shares nothing with the simulation in C; `tests/tools/traces.py judge`
# runs thousands of each of its cases.
@test "traces of other making: healthy ones are not rolled back, worse ones are" {
    skip_if_sanitized
    python3 "$BATS_TEST_DIRNAME/../tools/traces.py" judge "$EDGECTL" --runs 12 \
        'healthy 0.005 1000/poll' 'healthy 0.3 1000/poll' 'diurnal period 1' 'bursty fixed 20 large polls' \
        'incidents x20' 'correlated shared 0.7 0.9' 'sparse base 0.01' 'faults missing' \
        'faults doubled' 'worse 0.005 x5' 'worse x5 in a day' 'latency equal, one edge*' 'latency x2' 'worse 0 to 0.5' >table || {
        cat table
        return 1
    }
    [ "$(wc -l <table)" = 15 ]
}

@test "a plot is well-formed SVG and shows the decision" {
    looks 30 950 5 50 2 >bad.jsonl
    edgectl rollout analyze bad.jsonl --svg '<&>.svg'
    expect_status 3
    python3 - '<&>.svg' <<'END'
import sys, xml.etree.ElementTree as E
root = E.parse(sys.argv[1]).getroot()
ns = "{http://www.w3.org/2000/svg}"
assert root.tag == ns + "svg"
lines = root.findall(ns + "polyline")
assert len(lines) == 4, len(lines)
assert all(len(l.get("points").split()) > 10 for l in lines)
assert any(t.text == "fail" for t in root.findall(ns + "text"))
END
}

@test "what is no trace is refused with its place" {
    echo '{"stable": {"requests": 1' >cut.jsonl
    edgectl rollout analyze cut.jsonl
    expect_status 1
    expect_in "$stderr" "cut.jsonl:1:"
    echo '{"stable": {"requests": 10, "errors": 11}, "canary": {"requests": 1, "errors": 0}}' >odd.jsonl
    edgectl rollout analyze odd.jsonl
    expect_status 1
    expect_in "$stderr" "look 1: a look is"
    echo '{"looks": []}' >empty.json
    edgectl rollout analyze empty.json
    expect_status 1
    expect_in "$stderr" "nothing to judge"
    : >nothing
    edgectl rollout analyze nothing
    expect_status 1
    echo '[1, 2]' >list.json
    edgectl rollout analyze list.json
    expect_status 1
    echo '{"stable": {"requests": 1e200, "errors": 1}, "canary": {"requests": 1, "errors": 0}}' >huge.jsonl
    edgectl rollout analyze huge.jsonl
    expect_status 1
    edgectl rollout analyze missing.json
    expect_status 1
    edgectl rollout analyze bad.jsonl --alpha 2
    expect_status 2
}
