#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The Fastly driver when Fastly misbehaves, and when it is killed; with a router too.

load ../lib
load ship
load cases

READ='GET /resources/stores/kv'
MAKE='POST /service$'
WRITE='PUT .*/(batch|package)'

setup() {
    scratch
    export REL=0
    small_wasm >app.wasm
    manifest
}

# manifest [KEYS of the target]
manifest() {
    cat >edge.yaml <<EOF
name: shop
build: { artifact: app.wasm }
backends: { origin: { url: "https://origin.example.com" } }
kv: { sessions: { entries: { a: "1" } } }
config: { flags: { rel: "\${REL}" } }
secrets: { api-key: }
targets: { prod: { provider: fastly${1:+, $1} } }
EOF
}

teardown() {
    stop_fake
}

begin() {
    afresh fastly
    export FASTLY_API_ENDPOINT=$FAKE FASTLY_API_TOKEN=fs-token FASTLY_USE_API_SIGNING_KEY=1
}

release() {
    last=$1
    REL=$1 ship_maybe_killed prod deploy app "release $1" "secrets/api-key=secret-$1"
    [ "$status" -ne 0 ] || version=$(field version)
}

whole() {
    fake state | python3 -c '
import json, sys
s, n = json.load(sys.stdin), int(sys.argv[1])
assert list(s["services"]) == ["shop"], s["services"]
shop = s["services"]["shop"]
assert len(shop["versions"]) == n and shop["active"] == n, shop
v = shop["versions"][str(n)]
assert len({x["comment"] for x in shop["versions"].values()}) == n, shop
assert sorted(v["links"]) == ["flags", "secrets", "sessions"] and list(v["backends"]) == ["origin"], v
assert len(s["stores"]) == 1 + 2 * n, s["stores"]
assert s["stores"][v["links"]["flags"]]["items"] == {"rel": str(n)}
assert s["stores"][v["links"]["secrets"]]["items"] == {"api-key": f"secret-{n}"}
assert s["stores"]["shop-sessions"]["items"] == {"a": "1"}' "$1"
    no_violations
}

one() {
    release 1
    traffic
}

both() {
    one
    release 2
}

@test "what passes is tried again, or found to be done" {
    what_passes
}

@test "what stays is told in Fastly's words; the next run goes on" {
    what_stays
}

@test "killed around any request of a first deploy, the next run ends it" {
    killed_anywhere : release 1
}

@test "killed around any request of a later deploy, the next run ends it" {
    killed_anywhere one release 2
}

# The command, and only the code is new.
code() {
    last=$1
    small_wasm >app.wasm
    printf '\0\5\4run%s' "$1" >>app.wasm
    command deploy --target prod --no-probe
}

command() {
    # shellcheck disable=SC2016
    run --separate-stderr sh -c 'echo $$ >pid; exec "$EDGECTL" "$@"' sh "$@"
}

@test "killed around any request while two changes go out together, the next run ends it" {
    sed -i '/secrets:/d' edge.yaml
    whole() {
        fake state | python3 -c '
import hashlib, json, sys
s, n = json.load(sys.stdin), int(sys.argv[1])
shop = s["services"]["shop"]
assert len(shop["versions"]) == n and shop["active"] == n, shop
v = shop["versions"][str(n)]
assert v["package"]["wasm"] == hashlib.sha256(open("app.wasm", "rb").read()).hexdigest(), v
assert len({x["comment"] for x in shop["versions"].values()}) == n, shop' "$1"
        no_violations
    }
    traffic() { :; }
    before() {
        rm -rf .edgectl
        code 1
    }
    killed_anywhere before code 2
}

@test "killed around any request of a preview, the next run ends it" {
    sed -i '/secrets:/d' edge.yaml
    whole() {
        fake state | python3 -c '
import hashlib, json, sys
shop = json.load(sys.stdin)["services"]["shop"]
assert len(shop["versions"]) == 2 and shop["active"] == 1, shop
v = shop["versions"]["2"]
assert v["package"]["wasm"] == hashlib.sha256(open("app.wasm", "rb").read()).hexdigest(), v
assert [x["staging"] for x in shop["versions"].values()] == [False, True], shop'
        no_violations
    }
    traffic() { :; }
    before() {
        rm -rf .edgectl
        code 1
    }
    preview() {
        last=2
        small_wasm >app.wasm
        printf '\0\5\4run2' >>app.wasm
        command deploy --target prod --preview --no-probe
    }
    killed_anywhere before preview
}

@test "killed around any request of a destroy, the next run ends it" {
    sed -i '/secrets:/d' edge.yaml
    whole() {
        [ "$(fake state)" = '{"services":{},"stores":{},"purged":[]}' ]
        no_violations
    }
    traffic() { :; }
    before() {
        rm -rf .edgectl
        manifest "router: true"
        sed -i '/secrets:/d' edge.yaml
        code 1
        # What is known of the stores is lost: the versions tell.
        rm -rf .edgectl
        last=0
    }
    leave() {
        command destroy --target prod --confirm shop
    }
    killed_anywhere before leave
}

# What there must be behind a router, whoever was killed when.
whole_router() {
    fake state | python3 -c '
import json, sys
s = json.load(sys.stdin)
assert sorted(s["services"]) == ["shop", "shop-a", "shop-b"], s["services"]
shop = s["services"]["shop"]["versions"]
routers = [n for n, v in shop.items() if v["comment"].startswith("edgectl router")]
assert len(shop) == 2 and routers == ["2"] and shop["2"]["active"], shop
assert len(s["services"]["shop-a"]["versions"]) == 1, s["services"]["shop-a"]
assert s["services"]["shop-a"]["active"] == 1
rollout = json.loads(s["stores"]["shop-edgectl-router"]["items"]["rollout"])
assert (rollout["stable"], rollout["weight_bp"]) == ("a", 0), rollout'
    no_violations
}

# Whoever comes to the domain gets the old version or the new one, whatever has been done so far.
answered() {
    local says
    says=$(fake call '{"name": "ask", "host": "shop.example.com"}')
    case $says in
    *'"shop.1"'* | *'"shop-a.1"'*) ;;
    *)
        echo "the domain says $says"
        return 1
        ;;
    esac
}

@test "killed while a live domain is moved onto a router, it always answers; the next run ends it" {
    whole() {
        answered
        whole_router
    }
    before() {
        manifest "domains: [shop.example.com]"
        one
        manifest "domains: [shop.example.com], router: true"
    }
    moved() {
        answered
        release 2
        answered
    }
    killed_anywhere before moved
    around() {
        before
        release 2
    }
    shifted() {
        answered
        traffic
        answered
    }
    killed_anywhere around shifted
}
