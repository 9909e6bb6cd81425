#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The Vercel driver when Vercel misbehaves, and when it is killed.

load ../lib
load ship
load cases

READ='GET /v9/projects/shop'
MAKE='POST /v13/deployments'
WRITE='POST /v2/files'

setup() {
    scratch
    unset "${!VERCEL_@}"
    cat >edge.yaml <<'EOF'
name: shop
build: { command: "true", artifact: app.wasm }
targets: { prod: { provider: vercel, team: team_acme } }
EOF
    for n in 1 2; do
        mkdir -p "b$n/functions/index.func"
        echo '{"version":3,"routes":[]}' >"b$n/config.json"
        echo '{"runtime":"nodejs24.x"}' >"b$n/functions/index.func/.vc-config.json"
        echo "export default $n" >"b$n/functions/index.func/index.js"
    done
}

teardown() {
    stop_fake
}

begin() {
    afresh vercel
    export EDGECTL_VERCEL_API=$FAKE VERCEL_TOKEN=vctoken
    fake call '{"name": "set", "slow": 0}' >/dev/null
}

release() {
    last=$1
    ship_maybe_killed prod deploy "b$1" "rel$1" "secrets/api=d$1"
    [ "$status" -ne 0 ] || version=$(field version)
}

# What there must be after so many releases, however they came about.
whole() {
    fake state | python3 -c '
import json, sys
s, n = json.load(sys.stdin), int(sys.argv[1])
assert list(s["projects"]) == ["shop"], s["projects"]
shop = s["projects"]["shop"]
ours = [d["meta"]["edgectlRelease"] for d in s["deployments"].values()]
assert sorted(ours) == [f"rel{i + 1}" for i in range(n)], ours
assert [e["comment"] for e in shop["env"]] == [f"edgectl secrets/api@d{n}"], shop["env"]
now = s["deployments"][shop["production"]]
assert now["meta"]["edgectlRelease"] == f"rel{n}" and now["env"] == {"SECRET_API": f"d{n}"}, now' "$1"
    no_violations
}

@test "what passes does no harm" {
    what_passes
}

@test "what stays is told in Vercel's words, and the next run goes on from there" {
    what_stays
}

@test "a plan's limit is one" {
    begin
    fake fault '{"match": "GET /v9", "kind": "status", "status": 402, "times": -1}'
    release 1
    expect_status 7
    expect_in "$stderr" 'a larger plan'
}

@test "killed before or after any request, the next run ends what was begun" {
    killed_anywhere : release 1
}

first() {
    release 1
    traffic
}

@test "killed at any request of the second release" {
    killed_anywhere first release 2
}

two() {
    first
    release 2
}

@test "killed at any request of giving it the traffic" {
    killed_anywhere two traffic
}

@test "killed at any request of adding domains, each is there once" {
    sed -i 's/team: team_acme/team: team_acme, domains: [a.example.com, b.example.com]/' edge.yaml
    traffic() { :; }
    whole() {
        expect_in "$(fake state)" '"domains":["a.example.com","b.example.com"]'
        no_violations
    }
    killed_anywhere : release 1
}

leave() {
    ship_maybe_killed prod destroy
}

@test "killed at any request of a destroy, the next run ends it" {
    before() {
        two
        ship_ok prod note rollout text
        last=0
    }
    traffic() { :; }
    whole() {
        expect_in "$(fake state)" '"projects":{},"deployments":{}'
        expect_in "$(fake state)" '"configs":{}'
        no_violations
    }
    killed_anywhere before leave
}

@test "killed at any request of leaving a project that was there before" {
    before() {
        fake call '{"name": "project", "deployed": true}' >/dev/null
        first
        ship_ok prod note rollout text
        last=0
    }
    traffic() { :; }
    whole() {
        expect_in "$(fake state)" '"name":"shop"'
        expect_in "$(fake state)" '"configs":{}'
        [[ $(fake state) != *edgectl* ]]
        no_violations
    }
    killed_anywhere before leave
}

@test "killed at any request of collecting old deployments, the next run ends it" {
    before() {
        release 1
        ship_ok prod split "$version"
        release 2
    }
    collect() { ship_maybe_killed prod gc 0; }
    traffic() { :; }
    whole() {
        expect_in "$(fake state)" '"edgectlRelease":"rel1"'
        [[ $(fake state) != *'"edgectlRelease":"rel2"'* ]]
        no_violations
    }
    killed_anywhere before collect
}
