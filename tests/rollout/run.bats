# SPDX-License-Identifier: Apache-2.0
bats_require_minimum_version 1.5.0
load ../lib
load rollout

@test "a good version gets all traffic, step by step" {
    serve
    versions
    load_at 1000
    edgectl rollout run
    expect_status 0
    expect_in "$output" "10 % on the new version"
    expect_in "$output" "100 % on the new version"
    expect_in "$output" "done: all traffic is on the new version"
    [ "$(share_of "$new")" = 100.0 ]
}

@test "a version with errors on 5 % of its requests is put back" {
    serve
    versions fail 50
    load_at 1000
    edgectl rollout run
    expect_status 3
    expect_in "$stderr" "rolled back: errors: worse than the stable version"
    [ "$(share_of "$old")" = 100.0 ]
}

@test "a version that crashes on 5 % of its requests is put back" {
    serve
    versions trap 50
    load_at 1000
    edgectl rollout run --json
    expect_status 3
    expect_in "$output" '"event":"ended"'
    [ "$(share_of "$old")" = 100.0 ]
}

@test "a version that is slow on 10 % of its requests is put back" {
    manifest 'rollout: {steps: [20%, 100%], soak: 1s, history: 0s, burn-in: 0s, gates: [{latency: {slower-than: 60ms}}]}'
    serve
    versions slow 100
    load_at 500
    edgectl rollout run
    expect_status 3
    expect_in "$stderr" "slower-than-60ms"
    [ "$(share_of "$old")" = 100.0 ]
}

@test "a version that takes all memory on 5 % of its requests is put back" {
    serve
    versions leak 50
    load_at 500
    edgectl rollout run
    expect_status 3
    [ "$(share_of "$old")" = 100.0 ]
}

# It is told to by the hook before that step; from another state folder, as from another machine.
@test "a version that is good until it has half of the traffic is put back from there" {
    manifest "config: {flags: {mood: good}}
rollout:
  steps: [10%, 50%, 100%]
  soak: 1s
  history: 0s
  hooks:
    after: [{command: 'test \$EDGECTL_ROLLOUT_STEP != 2 || echo passed >../passed'}]
    before: [{command: 'test \$EDGECTL_ROLLOUT_STEP != 2 ||
      \"$EDGECTL\" config put flags mood bad --target local --state ../elsewhere'}]"
    serve
    versions moody 1000
    load_at 1000
    edgectl rollout run
    expect_status 3
    expect_in "$output" "10 % on the new version"
    expect_in "$output" "50 % on the new version"
    expect_in "$stderr" "rolled back: errors: "
    [ ! -e ../passed ]
    [ "$(share_of "$old")" = 100.0 ]
}

# The figure: half of the requests fail at 1 % of 2,000 a second.
@test "a bad version at 1 % is put back within 3 s and 100 failed requests" {
    manifest 'rollout: {steps: [1%, 100%], soak: 10m, history: 0s}'
    serve
    versions fail 500
    load_at 2000
    edgectl rollout run
    expect_status 3
    load_off
    echo "$seen"
    local bad first last
    bad=$(member "$seen" versions "$new" bad)
    first=$(member "$seen" versions "$new" first_ms)
    last=$(member "$seen" versions "$new" last_ms)
    echo "# $bad failed, $((last - first)) ms" >&3
    skip_if_sanitized
    [ "$bad" -lt 100 ]
    [ $((last - first)) -lt 3000 ]
}
