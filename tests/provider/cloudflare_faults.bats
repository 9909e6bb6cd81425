#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The Cloudflare driver when Cloudflare misbehaves, and when it is killed.

load ../lib
load ship
load cases

READ='GET .*/deployments'
MAKE='POST .*/namespaces$'
WRITE='PUT .*/(bulk|scripts/shop)'

setup() {
    scratch
    unset "${!CLOUDFLARE_@}" "${!CF_@}"
    export REL=0
    small_wasm >app.wasm
    cat >edge.yaml <<'EOF'
name: shop
build: { artifact: app.wasm }
kv: { sessions: { entries: { a: "1" } } }
config: { flags: { rel: "${REL}" } }
secrets: { api-key: }
targets: { prod: { provider: cloudflare } }
EOF
}

teardown() {
    stop_fake
}

begin() {
    stop_fake
    rm -rf fake state
    start_fake cloudflare
    export CLOUDFLARE_API_BASE_URL=$FAKE/client/v4 CLOUDFLARE_API_TOKEN=cf-token
}

release() {
    last=$1
    REL=$1 ship_maybe_killed prod deploy app "release $1" "secrets/api-key=secret-$1"
}

newest() {
    fake state | python3 -c 'import json, sys
print(json.load(sys.stdin)["scripts"]["shop"]["versions"][-1]["id"])'
}

traffic() {
    ship_maybe_killed prod split "$(newest)"
    [ -n "${KILLABLE-}" ] || expect_status 0
}

whole() {
    fake state | python3 -c '
import json, sys
s, n = json.load(sys.stdin), int(sys.argv[1])
w = s["scripts"]["shop"]
assert len(w["versions"]) == n, w["versions"]
assert len({v["annotations"]["workers/tag"] for v in w["versions"]}) == n
assert w["deployments"][0]["versions"] == [{"version_id": w["versions"][-1]["id"], "percentage": 100}]
assert w["subdomain"] == {"enabled": True, "previews_enabled": True}
assert [x["keys"] for x in s["namespaces"].values()] == [{"a": "1"}], s["namespaces"]' "$1"
    no_violations
}

one() {
    release 1
}

both() {
    release 1
    release 2
}

@test "what passes is tried again, or found to be done" {
    what_passes
}

@test "what stays is told in Cloudflare's words; the next run goes on" {
    what_stays
}

@test "killed around any request of a first deploy, the next run ends it" {
    killed_anywhere : release 1
}

@test "killed around any request of a later deploy, the next run ends it" {
    killed_anywhere one release 2
}

@test "killed around any request of a split, the next run ends it" {
    killed_anywhere both traffic
}
