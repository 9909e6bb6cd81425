#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The Cloudflare driver against its fake.

load ../lib
load ship
load shop

SHOP_PROVIDER=cloudflare
# The worker.
SHOP_STATE='w = s["scripts"].get("shop")'

setup() {
    scratch
    unset "${!CLOUDFLARE_@}" "${!CF_@}"
    shop
    export CLOUDFLARE_API_BASE_URL=$FAKE/client/v4 CLOUDFLARE_API_TOKEN=cf-token
}

@test "a first deploy makes namespace, content, worker and address; a second does nothing" {
    deploy 1
    for step in "kv sessions" "kv-seed sessions" "workers.dev shop"; do
        expect_in "$output" "\"id\": \"$step\""
    done
    expect_in "$output" '"first": true, "url": "https://shop.acme.workers.dev"'
    [ "$(state '[sorted(n["keys"].items()) for n in s["namespaces"].values()]')" = \
        "[[('a', '1'), ('b', 'two')]]" ]
    [ "$(state '[(b["name"], b["type"]) for b in w["versions"][0]["bindings"]]')" = \
        "[('CONFIG_FLAGS', 'plain_text'), ('EDGECTL_VERSION', 'version_metadata'), ('KV_SESSIONS', 'kv_namespace'), ('SECRET_API_KEY', 'secret_text')]" ]
    [ "$(state '[m in w["versions"][0]["modules"] for m in ("app.wasm", "bindings.js", "cloudflare/index.js")]')" = \
        '[True, True, True]' ]
    split "[{\"version\": \"$version\", \"bp\": 10000}]"
    fake reset
    deploy 1
    expect_in "$output" '"steps": []'
    [ -z "$(requests | grep -v '^GET')" ]
    no_violations
}

@test "a later version has no traffic until it is given some" {
    deploy 1
    first=$version
    deploy 2
    [ "$(state 'len(w["versions"])')" = 2 ]
    split "[{\"version\": \"$first\", \"bp\": 10000}]"
    ship_ok prod split "$first" "$version=25"
    split "[{\"version\": \"$first\", \"bp\": 9975}, {\"version\": \"$version\", \"bp\": 25}]"
    ship_ok prod split "$version"
    split "[{\"version\": \"$version\", \"bp\": 10000}]"
    # Back, though secrets have changed since.
    fake call '{"name": "secrets_changed", "script": "shop"}'
    ship_ok prod split "$first"
    split "[{\"version\": \"$first\", \"bp\": 10000}]"
    expect_in "$(fake requests)" '["force","true"]'
    ship_ok prod versions
    expect_in "$output" '"message": "release 2", "revision": "abc123", "preview_url": "https://'
    no_violations
}

@test "a version without traffic is asked at its preview address, one with a part by an override" {
    deploy 1
    first=$version
    deploy 2
    ship_ok prod probe "$version" /x
    expect_in "$output" "{\"status\": 200, \"version\": \"$version\", \"verified\": true"
    ship_ok prod split "$first" "$version=0"
    ship_ok prod probe "$version" /
    expect_in "$output" "\"version\": \"$version\", \"verified\": true"
    fake call "{\"name\": \"break\", \"version\": \"$version\"}"
    ship_ok prod probe "$version" /
    expect_in "$output" '{"status": 500'
    # Without previews it joins the deployment, without traffic.
    deploy 3
    fake call '{"name": "previews", "script": "shop", "on": false}'
    ship_ok prod split "$first"
    ship_ok prod probe "$version" /
    expect_in "$output" "{\"status\": 200, \"version\": \"$version\", \"verified\": true"
    split "[{\"version\": \"$first\", \"bp\": 10000}, {\"version\": \"$version\", \"bp\": 0}]"
    no_violations
}

@test "a limit of the plan is one" {
    fake call '{"name": "set", "max_scripts": 0}'
    ship prod deploy app x secrets/api-key=secret-1
    expect_status 7
    expect_in "$stderr" "exceeded the limit of 0 Workers on your account. (code 10037)"
}

@test "somebody else's worker is taken over by a step that says so, and keeps its secrets" {
    fake call '{"name": "script", "script": "shop"}'
    deploy 1
    expect_in "$output" '"verb": "adopt", "id": "adopt shop"'
    expect_in "$output" 'which edgectl did not make (last deployed by me@example.com, 20'
    expect_in "$(state '[b["name"] for b in w["versions"][-1]["bindings"]]')" OLD
    deploy 2
    [[ $output != *adopt* ]]
    no_violations
}

@test "a deployment behind our back is drift" {
    deploy 1
    first=$version
    deploy 2
    fake call '{"name": "between", "script": "shop"}'
    ship prod split "$first" "$version=100"
    expect_status 5
    expect_in "$stderr" 'me@example.com deployed the worker shop meanwhile'
    split "[{\"version\": \"$first\", \"bp\": 10000}]"
}

@test "domains: attached, moved from another worker, or there by a route; without a zone an error" {
    fake call '{"name": "script", "script": "old"}'
    fake call '{"name": "domain", "hostname": "www.example.com", "service": "old"}'
    fake call '{"name": "route", "zone": "zone2", "pattern": "example.org/*", "script": "shop"}'
    manifest 'domains: [api.example.com, www.example.com, example.org]'
    deploy 1
    expect_in "$output" '"verb": "make", "id": "domain api.example.com"'
    expect_in "$output" '"verb": "adopt", "id": "domain www.example.com", "text": "move the domain www.example.com here from the worker old"'
    [[ $output != *"domain example.org"* ]]
    expect_in "$output" '"url": "https://api.example.com"'
    [ "$(state 'sorted((d["hostname"], d["service"]) for d in s["domains"].values())')" = \
        "[('api.example.com', 'shop'), ('www.example.com', 'shop')]" ]
    ship_ok prod probe "$version" /
    expect_in "$output" '"verified": true'
    ship_ok prod purge
    ship_ok prod purge tag1
    [ "$(state 's["purged"][-1]')" = "['zone2', {'tags': ['tag1']}]" ]
    manifest 'domains: [app.nowhere.test]'
    ship prod plan app x secrets/api-key=value
    expect_status 9
    expect_in "$stderr" "domain 'app.nowhere.test' is in no zone"
    no_violations
}

routes() {
    state 'sorted((r["pattern"], r["script"]) for z in s["routes"].values() for r in z)'
}

@test "routes: made, taken over; those that were made here go when they are named no more" {
    fake call '{"name": "script", "script": "old"}'
    fake call '{"name": "route", "zone": "zone1", "pattern": "example.com/old/*", "script": "old"}'
    fake call '{"name": "route", "zone": "zone1", "pattern": "example.com/theirs/*", "script": "old"}'
    fake call '{"name": "route", "zone": "zone2", "pattern": "example.org/mine/*", "script": "shop"}'
    manifest 'routes: ["*.example.com/api/*", "example.com/old/*", "example.org/mine/*"], domains: [a.example.com]'
    deploy 1
    expect_in "$output" '"verb": "make", "id": "route *.example.com/api/*", "text": "answer at *.example.com/api/*"'
    expect_in "$output" '"verb": "adopt", "id": "route example.com/old/*", "text": "move the route example.com/old/* here from the worker old"'
    [[ $output != *'"id": "route example.org/mine/*"'* ]]
    [[ $output != *'"id": "workers.dev shop", "text": "answer at shop.acme.workers.dev"'* ]]
    [ "$(routes)" = "[('*.example.com/api/*', 'shop'), ('example.com/old/*', 'shop'), ('example.com/theirs/*', 'old'), ('example.org/mine/*', 'shop')]" ]
    deploy 1
    expect_in "$output" '"steps": []'
    ship_ok prod purge tag1
    [ "$(state 's["purged"]')" = "[['zone1', {'tags': ['tag1']}], ['zone2', {'tags': ['tag1']}]]" ]
    manifest 'routes: ["example.com/shop/*"]'
    deploy 1
    expect_in "$output" '"verb": "delete", "id": "route *.example.com/api/*"'
    expect_in "$output" '"verb": "delete", "id": "domain a.example.com"'
    expect_in "$output" '"url": "https://example.com"'
    # What was not made here stays.
    [ "$(routes)" = "[('example.com/old/*', 'shop'), ('example.com/shop/*', 'shop'), ('example.com/theirs/*', 'old'), ('example.org/mine/*', 'shop')]" ]
    [ "$(state 'len(s["domains"])')" = 0 ]
    deploy 1
    expect_in "$output" '"steps": []'
    ship_ok prod destroy
    expect_in "$output" 'answer at example.com/shop/* no more'
    [ "$(routes)" = "[('example.com/old/*', 'shop'), ('example.com/theirs/*', 'old'), ('example.org/mine/*', 'shop')]" ]
    manifest 'routes: ["nowhere.test/*"]'
    ship prod plan app x secrets/api-key=value
    expect_status 9
    expect_in "$stderr" "route 'nowhere.test' is in no zone"
    no_violations
}

@test "a route whose answer was lost is found; a host with a DNS record is told" {
    manifest 'routes: ["example.com/api/*"]'
    fake fault '{"match": "POST .*/workers/routes", "kind": "reset"}'
    deploy 1
    [ "$(routes)" = "[('example.com/api/*', 'shop')]" ]
    manifest 'domains: [taken.example.com]'
    fake call '{"name": "set", "records": ["taken.example.com"]}'
    ship prod deploy app x secrets/api-key=secret-1
    expect_status 1
    expect_in "$stderr" "externally managed DNS records"
    expect_in "$stderr" "'taken.example.com/*' in targets.prod.routes"
    no_violations
}

@test "data: KV by its API, config and secrets in a new version without traffic" {
    deploy 1
    ship_ok prod put kv sessions 'a/b c' 'ü'
    ship_ok prod get kv sessions 'a/b c'
    expect_in "$output" '{"found": true, "value": "\u00fc"}'
    ship_ok prod get kv sessions nothing
    expect_in "$output" '"found": false'
    ship_ok prod list kv sessions
    [[ $output == *'"a"'*'"a/b c"'*'"b"'* ]]
    ship_ok prod remove kv sessions a
    ship_ok prod list kv sessions
    [[ $output != *'"key": "a",'* ]]
    ship_ok prod get config flags rel
    expect_in "$output" '"value": "1"'
    ship_ok prod put config flags beta on
    ship_ok prod list config flags
    expect_in "$output" '{"key": "beta", "digest": null, "value": "on"}'
    ship_ok prod put secret secrets api-key other-value
    ship_ok prod list secret secrets
    expect_in "$output" '{"key": "api-key", "digest": null, "value": null}'
    [ "$(state '[[b.get("text") for b in v["bindings"] if b["type"] == "secret_text"] for v in w["versions"]]')" = \
        "[['secret-1'], ['secret-1'], ['other-value']]" ]
    split "[{\"version\": \"$version\", \"bp\": 10000}]"
    ship prod put secret secrets undeclared x
    expect_status 9
    ! requests | grep '/secrets$'
    no_violations
}

@test "KV in bulk: hundreds out and in by few calls, with metadata, bytes and times to live" {
    deploy 1
    printf '\377\0' >bytes
    python3 -c 'import json, base64
for i in range(250):
    print(json.dumps({"key": f"k{i:04}", "value": f"v{i}", "metadata": f"m{i}"}))
print(json.dumps({"key": "bytes", "value_base64": base64.b64encode(b"\xff\x00").decode()}))
print(json.dumps({"key": "replaced", "value": "a\ufffdb"}))
print(json.dumps({"key": "soon", "value": "x", "expiration": 4000000000}))' >many.jsonl
    edgectl kv import sessions many.jsonl --target prod
    expect_status 0
    fake reset
    edgectl kv export sessions --target prod
    expect_status 0
    python3 -c 'import json, sys
read = lambda f: {r["key"]: r for r in map(json.loads, f)}
ours = {k: r for k, r in read(sys.stdin).items() if k not in ("a", "b")}
theirs = read(open("many.jsonl"))
assert ours == theirs, [(ours.get(k), theirs.get(k)) for k in {*ours, *theirs} if ours.get(k) != theirs.get(k)]' <<<"$output"
    [ "$(requests | wc -l)" -lt 15 ]
    # An entry that has expired is none any more; one that is about to lives for a minute.
    printf '{"key": "past", "value": "x", "expiration": 1000}\n{"key": "now", "value": "x", "expiration": %d}\n' \
        $(($(date +%s) + 30)) >few.jsonl
    edgectl kv import sessions few.jsonl --target prod
    expect_status 0
    edgectl kv get sessions past --target prod
    expect_status 1
    edgectl kv get sessions now --target prod
    expect_status 0
    # Too much for one answer is asked for singly.
    head -c 9000000 /dev/zero | tr '\0' x >large
    for n in 1 2 3; do edgectl kv put sessions "large$n" --file large --target prod; done
    expect_status 0
    "$EDGECTL" kv export sessions --prefix large --target prod >out.jsonl
    [ "$(wc -l <out.jsonl)" -eq 3 ]
    [ "$(wc -c <out.jsonl)" -gt 27000000 ]
    no_violations
}

@test "a secret that is not at hand is the last version's" {
    deploy 1
    REL=2 ship_ok prod deploy app "release 2" secrets/api-key=
    [ "$(state '[b["text"] for b in w["versions"][1]["bindings"] if b["type"] == "secret_text"]')" = "['secret-1']" ]
    no_violations
    ship_ok prod destroy
    ship prod deploy app x secrets/api-key=
    expect_status 9
    expect_in "$stderr" "secret 'api-key' of store 'secrets' has no value"
}

@test "old versions of ours are deleted; the newest, those with traffic and those of others stay" {
    fake call '{"name": "script", "script": "shop"}'
    deploy 1
    first=$version
    for n in 2 3; do
        deploy "$n"
        ship_ok prod put secret secrets api-key "other-$n"
    done
    ship_ok prod split "$first" "$version=100"
    # 1: somebody's; 2, 3, 5 releases; 4, 6 changes of secrets; 2 and 5 have traffic, 6 is the newest.
    numbers() { state '[v["number"] for v in w["versions"]]'; }
    [ "$(numbers)" = '[1, 2, 3, 4, 5, 6]' ]
    ship_ok prod gc 1
    expect_in "$output" '"text": "delete version 3 ('
    [ "$(numbers)" = '[1, 2, 4, 5, 6]' ]
    ship_ok prod gc 0
    [ "$(numbers)" = '[1, 2, 5, 6]' ]
    ship_ok prod gc 0
    [ "$output" = '[]' ]
    no_violations
}

@test "all versions are seen, however many pages there are" {
    deploy 1
    fake call '{"name": "settings", "script": "shop", "count": 205}'
    ship_ok prod gc 3
    # The newest stays, and three besides.
    [ "$(state 'len(w["versions"])')" = 5 ]
    no_violations
}

@test "notes are kept in a namespace of their own, which goes with the worker" {
    fake call '{"name": "namespaces", "count": 120}'
    ship_ok prod note rollout
    [ "$output" = '{"found": false, "text": ""}' ]
    deploy 1
    ship_ok prod note rollout 'some text'
    rm -rf state    # another machine
    ship_ok prod note rollout
    [ "$output" = '{"found": true, "text": "some text"}' ]
    ship_ok prod note rollout ''
    ship_ok prod note rollout
    expect_in "$output" '"found": false'
    ship_ok prod destroy
    expect_in "$output" "namespace of edgectl's notes"
    [ "$(state 'len(s["namespaces"])')" = 120 ]
    no_violations
}

@test "numbers: by version, with what is no success as an error" {
    deploy 1
    rows() {
        python3 -c 'import json, sys
def row(v, status, n):
    return {"dimensions": {"scriptVersion": v, "status": status, "datetimeMinute": "2026-11-01T00:00:00Z"},
            "sum": {"requests": n, "errors": 0}, "avg": {"sampleInterval": 10}}
v = sys.argv[1]
print(json.dumps({"name": "rows", "rows": [row(v, "success", 1000), row(v, "scriptThrewException", 50),
    row(v, "clientDisconnected", 20), row(v, "somethingNew", 30), row("other", "success", 7000)]}))' "$1"
    }
    fake call "$(rows "$version")"
    ship_ok prod metrics "$version" 1600000000000
    expect_in "$output" '{"requests": 110, "errors": 8, "traps": 5'
    fake call '{"name": "set", "sampled": false}'
    ship_ok prod metrics "$version" 1600000000000
    expect_in "$output" '{"requests": 1100, "errors": 80, "traps": 50'
    no_violations
}

@test "live logs: lines and exceptions, through a lost connection, and the tail is taken away" {
    deploy 1
    "$TEST_TOOLS/ship" prod logs 3 "$version" >out 2>err 3>&- &
    pid=$!
    opened() { [ "$(fake call '{"name": "tails"}')" = "$1" ]; }
    wait_for 20 opened '{"open":1,"ever":1}'
    fake call '{"name": "event", "event": {"outcome": "ok", "eventTimestamp": 1700000000123,
        "event": {"request": {"headers": {"cf-ray": "ray1"}}},
        "logs": [{"message": ["hello", {"a": 1}], "level": "log", "timestamp": 1700000000100}]}}'
    fake call '{"name": "event", "event": "drop"}'
    wait_for 20 opened '{"open":1,"ever":2}'
    fake call '{"name": "event", "event": {"outcome": "exception", "eventTimestamp": 5,
        "logs": [{"message": "plain", "level": "error"}],
        "exceptions": [{"name": "Error", "message": "boom", "timestamp": 6}]}}'
    wait "$pid"
    output=$(python3 -c 'import json; print(json.dumps(json.load(open("out"))))')
    expect_in "$output" "{\"time\": 1700000000100, \"version\": \"$version\", \"request\": \"ray1\", \"text\": \"hello {\\\"a\\\":1}\"}"
    expect_in "$output" '"text": "plain"'
    expect_in "$output" '"text": "Error: boom"'
    [ "$(state 's["tails"]')" = '[]' ]
    expect_in "$(fake requests)" "{\"scriptVersion\":\"$version\"}"
    no_violations
}

@test "nothing is left of a worker that was destroyed but what was not ours" {
    fake call '{"name": "namespace", "title": "somebody-elses"}'
    deploy 1
    ship_ok prod destroy
    [ "$(state '(s["scripts"], [n["title"] for n in s["namespaces"].values()])')" = "({}, ['somebody-elses'])" ]
    ship_ok prod destroy
    [ "$output" = "[]" ]
    no_violations
}

@test "who we are; and credentials that are missing, wrong, expired or for another account" {
    ship_ok prod whoami
    expect_in "$output" '{"account": "acc", "name": "Acme", "from": "CLOUDFLARE_API_TOKEN", "expires": true}'
    fake call '{"name": "set", "others": 60}'
    CLOUDFLARE_ACCOUNT_ID=acc ship_ok prod whoami
    expect_in "$output" '"name": "Acme"'
    ship prod plan app x secrets/api-key=value
    expect_status 8
    expect_in "$stderr" "these credentials reach 50 accounts: other0 (Other 0)"
    fake call '{"name": "set", "others": 0}'
    CLOUDFLARE_API_TOKEN=wrong-token-of-mine ship prod plan app x secrets/api-key=value
    expect_status 8
    expect_in "$stderr" "CLOUDFLARE_API_TOKEN"
    expect_in "$stderr" "Workers Scripts: Edit"
    [[ $stderr != *wrong-token-of-mine* ]]
    CLOUDFLARE_API_TOKEN='with space' ship prod whoami
    expect_status 8
    CLOUDFLARE_ACCOUNT_ID=other ship prod whoami
    expect_status 8
    expect_in "$stderr" "account other is not one that the credentials"
    unset CLOUDFLARE_API_TOKEN
    ship prod whoami
    expect_status 8
    expect_in "$stderr" "neither CLOUDFLARE_API_TOKEN nor"
    expect_in "$stderr" "$HOME/.config/.wrangler/config/default.toml"
    CLOUDFLARE_API_KEY=cf-key ship prod whoami
    expect_status 8
    expect_in "$stderr" "CLOUDFLARE_EMAIL is not"
    CLOUDFLARE_API_KEY=cf-key CLOUDFLARE_EMAIL=me@example.com ship_ok prod whoami
    mkdir -p "$HOME/.config/.wrangler/config"
    login=$HOME/.config/.wrangler/config/default.toml
    printf 'oauth_token = "cf-token"\nexpiration_time = "2099-01-01T00:00:00.000Z"\n' >"$login"
    ship_ok prod whoami
    expect_in "$output" "\"from\": \"$login\""
    printf 'oauth_token = "cf-token"\nexpiration_time = "2020-01-01T00:00:00.000Z"\n' >"$login"
    ship prod whoami
    expect_status 8
    expect_in "$stderr" "the login that wrangler stored in $login has expired"
    expect_in "$stderr" 'run `wrangler login` again'
    printf 'refresh_token = "r"\n' >>"$login"
    ship prod whoami
    expect_in "$stderr" '`wrangler whoami` renews it'
    printf 'oauth_token = "cf-token' >"$login"
    ship prod whoami
    expect_status 8
    [[ $stderr != *cf-token* ]]
}
