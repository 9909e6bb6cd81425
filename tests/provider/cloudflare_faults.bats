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
    afresh cloudflare
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

leave() {
    ship_maybe_killed prod destroy
}

# keys KEYS of the target.
keys() {
    sed -i "s/provider: cloudflare.*/provider: cloudflare$1 } }/" edge.yaml
}

routed() {
    keys ', domains: [a.example.com], routes: ["example.com\/api\/*", "example.com\/old\/*"]'
}

# Where the worker answers, and what else there is.
answers() {
    fake state | python3 -c '
import json, sys
s = json.load(sys.stdin)
print(sorted(r["pattern"] + "=" + r["script"] for z in s["routes"].values() for r in z),
      sorted(d["hostname"] for d in s["domains"].values()), len(s["scripts"]["shop"]["versions"]))'
    no_violations
}

@test "killed around any request of a deploy with domain and routes, each is there once" {
    before() {
        fake call '{"name": "script", "script": "old"}' >/dev/null
        fake call '{"name": "route", "zone": "zone1", "pattern": "example.com/old/*", "script": "old"}' >/dev/null
        keys ""
        release 1
        routed
    }
    traffic() { :; }
    whole() {
        [ "$(answers)" = "['example.com/api/*=shop', 'example.com/old/*=shop'] ['a.example.com'] 1" ]
    }
    killed_anywhere before release 1
}

@test "killed around any request of ending them, those that were made here go" {
    before() {
        routed
        fake call '{"name": "script", "script": "old"}' >/dev/null
        fake call '{"name": "route", "zone": "zone1", "pattern": "example.com/old/*", "script": "old"}' >/dev/null
        release 1
        keys ""
    }
    traffic() { :; }
    whole() {
        [ "$(answers)" = "['example.com/old/*=shop'] [] 1" ]
    }
    killed_anywhere before release 1
}

@test "killed around any request of a destroy, the next run ends it" {
    before() {
        keys ', routes: ["example.com\/api\/*"]'
        release 1
        ship_ok prod note rollout text
        last=0
    }
    traffic() { :; }
    whole() {
        fake state | python3 -c '
import json, sys
s = json.load(sys.stdin)
assert not s["scripts"] and not s["namespaces"] and not s["routes"]["zone1"], s'
        no_violations
    }
    killed_anywhere before leave
}

@test "killed around any request of collecting old versions, the next run ends it" {
    before() {
        both
        ship_ok prod put secret secrets api-key other
        last=3
    }
    collect() { ship_maybe_killed prod gc 0; }
    traffic() { :; }
    # The first has the traffic, the last is the newest.
    whole() {
        [ "$(fake state | python3 -c 'import json, sys
print([v["number"] for v in json.load(sys.stdin)["scripts"]["shop"]["versions"]])')" = '[1, 3]' ]
        no_violations
    }
    killed_anywhere before collect
}
