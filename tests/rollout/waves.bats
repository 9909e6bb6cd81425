# SPDX-License-Identifier: Apache-2.0
bats_require_minimum_version 1.5.0
load ../lib
load rollout

# Two targets, an app each on one server.
waves() {
    cat >edge.yaml <<END
name: shop
build: {artifact: app.wat}
targets:
  east: {provider: local, name: shop-east}
  west: {provider: local, name: shop-west}
rollout: {targets: [east, west], steps: [20%, 100%], soak: $1, history: 0s}
END
}

# On both; the versions in $new_east and $new_west. deploy_both [ARGUMENTS]
deploy_both() {
    deploy --target east "$@"
    new_east=$v
    deploy --target west "$@"
    new_west=$v
}

load_both() {
    local target
    for target in east west; do
        "$TEST_TOOLS/steady" "$port" "shop-$target.localhost" 500 3000 >"../$target.json" 3>&- &
        pids+=($!)
    done
}

# Shares of the new version: EAST WEST
shares() {
    local e w
    e=$(share_of "$new_east" --target east) w=$(share_of "$new_west" --target west)
    echo "east $e, west $w"
    [ "$e $w" = "$1 $2" ]
}

@test "one rollout goes over its targets in waves" {
    waves 0s
    serve
    guest old
    deploy_both
    guest new
    deploy_both --no-traffic
    load_both
    edgectl rollout plan
    expect_status 0
    expect_in "$output" "2  west             20 %"
    edgectl rollout run
    expect_status 0
    printf '%s\n' "$output" | grep 'on the new version' | head -n4 >../order
    [ "$(cut -d: -f1 ../order | tr '\n' ' ')" = "east west east west " ]
    shares 100.0 100.0
}

@test "a target where the version is bad puts all of them back, in reverse" {
    waves 1h
    serve
    guest old
    deploy_both
    guest new fail 300
    deploy_both --no-traffic --no-probe
    # Only the west has traffic: the east passes nothing and fails nothing.
    sed -i 's/soak: 1h/soak: 0s, deadline: 8s, on-inconclusive: advance/' edge.yaml
    "$TEST_TOOLS/steady" "$port" shop-west.localhost 500 3000 >../west.json 3>&- &
    pids+=($!)
    edgectl rollout run
    expect_status 3
    printf '%s\n' "$output" | grep 'on the new version' >../order
    cat ../order
    [ "$(tr '\n' ' ' <../order)" = "east: 20 % on the new version west: 20 % on the new version west: 0 % on the new version east: 0 % on the new version " ]
    shares 0.0 0.0
}

@test "a rollout of another target than local is asked there" {
    waves 0s
    sed -i 's/rollout: .*/rollout: {steps: [{percent: 20%, approval: true}, 100%], soak: 0s, history: 0s}/' edge.yaml
    serve
    guest old
    deploy --target west
    guest new
    deploy --target west --no-traffic
    "$TEST_TOOLS/steady" "$port" shop-west.localhost 500 3000 >../west.json 3>&- &
    pids+=($!)
    "$EDGECTL" rollout run --target west >../run.out 2>&1 3>&- &
    local runner=$!
    pids+=("$runner")
    wait_for 60 grep -q 'waiting for approval' ../run.out
    edgectl rollout promote --target west
    expect_status 0
    wait "$runner"
    [ "$(share_of "$v" --target west)" = 100.0 ]
}

@test "the past of the stable version is read, and of it alone" {
    waves 0s
    sed -i 's/rollout: .*/rollout: {steps: [20%, 100%], soak: 0s, history: 40s}/' edge.yaml
    serve
    guest old
    deploy --target west
    "$TEST_TOOLS/steady" "$port" shop-west.localhost 500 3000 >../west.json 3>&- &
    pids+=($!)
    # Time is the subject: there must be some of it to look back on.
    local until=$((SECONDS + 4))
    wait_for 30 eval '[ "$SECONDS" -ge "'$until'" ]'
    guest new
    deploy --target west --no-traffic
    edgectl rollout run --target west
    expect_status 0
    local journal
    journal=$(echo .edgectl/rollouts/west/*.jsonl)
    [ "$(grep -c '"e":"past"' "$journal")" -ge 2 ]
}
