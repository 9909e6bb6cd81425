#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The Fastly driver against its fake: one service, and a router in front of two.

load ../lib
load ship
load shop

SHOP_PROVIDER=fastly
SHOP_KEYS='backends: { origin: { url: "https://origin.example.com:8443", timeout: 5s } }'
# The versions of the service.
SHOP_STATE='v = s["services"].get("shop", {}).get("versions")'

setup() {
    scratch
    shop
    export FASTLY_API_ENDPOINT=$FAKE FASTLY_API_TOKEN=fs-token FASTLY_USE_API_SIGNING_KEY=1
}

# says HOST [SHARE]: who answers there.
says() {
    fake call "{\"name\": \"ask\", \"host\": \"$1\", \"share\": ${2:-0}}" | sed 's/.*"says":"\(.*\)".*/\1/'
}

@test "a first deploy makes service, stores and version; a second does nothing" {
    deploy 1
    for step in "service shop" "store shop-sessions"; do
        expect_in "$output" "\"verb\": \"make\", \"id\": \"$step\""
    done
    expect_in "$output" '"first": true'
    [ "$(state '[sorted(x["items"].items()) for x in s["stores"].values()]')" = \
        "[[('a', '1'), ('b', 'two')], [('rel', '1')], [('api-key', 'secret-1')]]" ]
    [ "$(state 'sorted(v["1"]["links"])')" = "['flags', 'secrets', 'sessions']" ]
    [ "$(state 'v["1"]["package"]["wasm"]')" = "$(sha256sum <app.wasm | cut -d' ' -f1)" ]
    [ "$(state '[v["1"]["backends"]["origin"][k] for k in ("address", "port", "use_ssl", "first_byte_timeout", "ssl_sni_hostname")]')" = \
        "['origin.example.com', '8443', '1', '5000', 'origin.example.com']" ]
    split "[{\"version\": \"$version\", \"bp\": 10000}]"
    [[ $(state 's["services"]["shop"]["active"]') = 1 ]]
    fake reset
    deploy 1
    expect_in "$output" '"steps": []'
    [ -z "$(requests | grep -v '^GET')" ]
    no_violations
}

@test "a later version is a clone, with config and secrets of its own; back is one call" {
    deploy 1
    ship_ok prod split "$version"
    first=$version
    deploy 2
    split "[{\"version\": \"$first\", \"bp\": 10000}]"
    [ "$(state 'len(v), v["2"]["locked"], v["2"]["comment"][:16]')" = "(2, False, 'edgectl release ')" ]
    [ "$(state '[s["stores"][v[n]["links"]["flags"]]["items"] for n in "12"]')" = "[{'rel': '1'}, {'rel': '2'}]" ]
    [ "$(state '[s["stores"][v[n]["links"]["secrets"]]["items"] for n in "12"]')" = \
        "[{'api-key': 'secret-1'}, {'api-key': 'secret-2'}]" ]
    [ "$(state 'v["1"]["links"]["sessions"] == v["2"]["links"]["sessions"]')" = True ]
    ship_ok prod split "$version"
    split "[{\"version\": \"$version\", \"bp\": 10000}]"
    fake reset
    ship_ok prod split "$first"
    [ "$(requests | grep -cv '^GET')" = 1 ]
    split "[{\"version\": \"$first\", \"bp\": 10000}]"
    ship_ok prod versions
    expect_in "$output" '"message": "release 2", "revision": "abc123", "created": true'
    # However little the answer to a search holds.
    fake call '{"name": "set", "terse": true}' >/dev/null
    ship_ok prod versions
    expect_in "$output" '"message": "release 2", "revision": "abc123", "created": true'
    split "[{\"version\": \"$first\", \"bp\": 10000}]"
    fake call '{"name": "set", "terse": false}' >/dev/null
    # The same package again is not uploaded again.
    ship prod split "$first" "$version=100"
    expect_status 2
    expect_in "$stderr" 'router: true'
    no_violations
}

# code N: the module is another one, and nothing else.
code() {
    small_wasm >app.wasm
    printf '\0\5\4run%s' "$1" >>app.wasm
}

# What `edgectl deploy` changes for the code of N, without asking the version for a page.
ship_code() {
    code "$1"
    fake reset >/dev/null
    API_KEY=secret edgectl deploy --target prod --no-probe
}

# wasm N: of version N, as `sha256sum` has it.
wasm() {
    state "v['$1']['package']['wasm'] + '  -'"
}

@test "where only the code is new, comment and package go together and are looked at again" {
    sed -i 's/secrets: .*/secrets: { api-key: { env: API_KEY } }/' edge.yaml
    ship_code 1
    expect_status 0
    ship_code 2
    expect_status 0
    # Nothing else in between: look, clone, both, activate.
    [ "$(requests | grep -v '^GET' | sed 's,/SU[^/]*,,')" = "PUT /service/version/1/clone
$(requests | grep '^PUT' | sed -n '2,3p' | sed 's,/SU[^/]*,,')
PUT /service/version/2/activate" ]
    [ "$(requests | grep '^GET /service' | sed 's,/SU[^/]*,,' | sort)" = "GET /service/details
GET /service/search
GET /service/version/2/package" ]
    [ "$(wasm 2)" = "$(sha256sum <app.wasm)" ]
    fake call '{"name": "set", "lose": "comment"}'
    ship_code 3
    expect_status 0
    [ "$(state 'v["3"]["active"], v["3"]["comment"] not in (v["2"]["comment"], "")')" = "(True, True)" ]
    # The first look, which goes out before there is a bundle, is tried again and told of like any.
    fake fault '{"match": "GET /service/search", "kind": "reset"}'
    ship_code 3
    expect_status 0
    FASTLY_API_TOKEN=wrong ship_code 3
    expect_status 8
    expect_in "$stderr" "the token comes from FASTLY_API_TOKEN"
    # Refused because of the other one, each is sent again by itself.
    fake fault '{"match": "PUT .*/package", "kind": "status", "status": 409}'
    ship_code 4
    expect_status 0
    fake fault '{"match": "PUT .*/version/5$", "kind": "status", "status": 422}'
    ship_code 5
    expect_status 0
    [ "$(state 'v["5"]["active"], len({x["comment"] for x in v.values()})')" = "(True, 5)" ]
    # What is in the version is known as long as it is the one that we activated.
    fake call '{"name": "activate", "service": "shop", "number": 1}'
    ship_code 6
    expect_status 0
    [ "$(requests | grep -cE 'GET .*/version/1/(domain|backend|resource|package)')" = 4 ]
    sed -i 's/:8443/:9443/' edge.yaml
    ship_code 7
    expect_status 0
    [ "$(state '[v[n]["backends"]["origin"]["port"] for n in "167"]')" = "['8443', '8443', '9443']" ]
    no_violations
    edgectl deploy --target prod
    API_KEY=secret edgectl deploy --target prod
    expect_in "$output" "nothing to do"
}

@test "a package that Fastly lost is told, serves the old code meanwhile, and comes with the next run" {
    sed -i 's/secrets: .*/secrets: { api-key: { env: API_KEY } }/' edge.yaml
    ship_code 1
    old=$(wasm 1)
    fake call '{"name": "set", "lose": "package"}'
    ship_code 2
    expect_status 6
    expect_in "$stderr" "Fastly lost the package of version 2 of shop"
    expect_in "$stderr" "hint: deploy again"
    [ "$(wasm 2)" = "$old" ]
    [[ $(state 'v["2"]["comment"]') == "edgectl: incomplete"* ]]
    ship_code 2
    expect_status 0
    [ "$(wasm 3)" = "$(sha256sum <app.wasm)" ]
    [ "$(state 's["services"]["shop"]["active"]')" = 3 ]
    # Killed before it could look: the next run does.
    fake call '{"name": "set", "lose": "package"}'
    code 3
    fake kill "{\"match\": \"PUT .*/activate$\", \"when\": \"after\", \"pid_file\": \"$PWD/pid\"}"
    export API_KEY=secret
    # shellcheck disable=SC2016
    run sh -c 'echo $$ >pid; exec "$EDGECTL" deploy --target prod --no-probe'
    expect_status 137
    [ "$(state 's["services"]["shop"]["active"], len(v)')" = "(4, 4)" ]
    edgectl deploy --target prod --no-probe
    expect_status 0
    [ "$(wasm 5)" = "$(sha256sum <app.wasm)" ]
    [ "$(state 's["services"]["shop"]["active"]')" = 5 ]
    no_violations
}

@test "a version without traffic is asked at the staging address" {
    deploy 1
    ship_ok prod probe "$version" /
    expect_in "$output" '"status": 200'
    deploy 2
    fake call '{"name": "break", "version": "shop.2"}'
    ship_ok prod probe "$version" /
    expect_in "$output" "{\"status\": 500, \"version\": \"$version\", \"verified\": true"
    ship_ok prod probe "${version%.2}.1" /
    expect_in "$output" '{"status": 200'
    no_violations
}

@test "somebody else's service is taken over, its domain too; VCL is refused" {
    fake call '{"name": "service", "service": "theirs", "domains": ["shop.example.com"]}' >id
    id=$(sed 's/.*"id":"\(.*\)".*/\1/' id)
    manifest "service: $id, domains: [shop.example.com]"
    deploy 1
    expect_in "$output" "\"verb\": \"adopt\", \"id\": \"adopt $id\""
    expect_in "$(state 's["services"]["theirs"]["versions"]["2"]["backends"].keys()')" "theirs"
    ship_ok prod split "$version"
    [ "$(says shop.example.com)" = theirs.2 ]
    fake call '{"name": "service", "service": "vcl", "type": "vcl"}' >id
    manifest "service: $(sed 's/.*"id":"\(.*\)".*/\1/' id)"
    ship prod plan app x secrets/api-key=value
    expect_status 9
    expect_in "$stderr" "is of type vcl"
    manifest "service: SUnone"
    ship prod plan app x secrets/api-key=value
    expect_status 9
    expect_in "$stderr" "there is no Fastly service SUnone"
    manifest 'domains: [shop.example.com]'
    ship prod deploy app x secrets/api-key=value
    expect_status 1
    expect_in "$stderr" "is already taken by another customer"
    no_violations
}

@test "a domain that belongs to no version of a service stays where it is" {
    fake call '{"name": "service", "service": "theirs", "domains": ["old.example.com"]}' >id
    id=$(sed 's/.*"id":"\(.*\)".*/\1/' id)
    fake call "{\"name\": \"set\", \"managed\": {\"shop.example.com\": \"$id\"}}" >/dev/null
    manifest "service: $id, domains: [shop.example.com]"
    deploy 1
    ship_ok prod split "$version"
    [ "$(says shop.example.com)" = theirs.2 ]
    # Of another service it is not ours to use.
    fake call '{"name": "set", "managed": {"www.example.com": "SUother"}}' >/dev/null
    manifest "service: $id, domains: [www.example.com]"
    REL=2 ship prod deploy app two secrets/api-key=secret-1
    expect_status 1
    expect_in "$stderr" "is managed without versions"
    expect_in "$stderr" "hint: a domain can be on one service only"
    no_violations
}

@test "the router: made around a live domain, which always answers; shares, promotion, rollback" {
    manifest 'domains: [shop.example.com]'
    deploy 1
    ship_ok prod split "$version"
    old=$version
    [ "$(says shop.example.com)" = shop.1 ]
    manifest 'domains: [shop.example.com], router: true'
    deploy 2
    expect_in "$output" '"id": "service shop-a"'
    expect_in "$output" '"id": "router shop"'
    [ "$(says shop.example.com)" = shop.1 ]
    split "[{\"version\": \"$old\", \"bp\": 10000}]"
    ship_ok prod probe "$version" /
    expect_in "$output" '{"status": 200'
    # Activated where the store is not seen yet, the router has somewhere to go.
    fake call '{"name": "set", "lag": true}' >/dev/null
    ship_ok prod split "$version"
    [ "$(says shop.example.com)" = shop-a.1 ]
    fake call '{"name": "set", "lag": false}' >/dev/null
    [ "$(says shop.example.com)" = shop-a.1 ]
    split "[{\"version\": \"$version\", \"bp\": 10000}]"
    second=$version
    deploy 3
    [[ $output != *router* ]]
    [ "$(says shop.example.com)" = shop-a.1 ]
    third=$version
    ship_ok prod split "$second" "$third=500"
    split "[{\"version\": \"$second\", \"bp\": 9500}, {\"version\": \"$third\", \"bp\": 500}]"
    [ "$(says shop.example.com 499) $(says shop.example.com 500)" = "shop-b.1 shop-a.1" ]
    salt=$(state 's["stores"]["shop-edgectl-router"]["items"]["rollout"]' | sed 's/.*"salt":"\([^"]*\)".*/\1/')
    ship_ok prod split "$second" "$third=5000"
    expect_in "$(state 's["stores"]["shop-edgectl-router"]["items"]["rollout"]')" "\"salt\":\"$salt\""
    ship prod deploy app "release 4" secrets/api-key=secret-4
    expect_status 5
    expect_in "$stderr" "a rollout is under way"
    ship_ok prod split "$third"
    split "[{\"version\": \"$third\", \"bp\": 10000}]"
    [ "$(says shop.example.com 0)" = shop-b.1 ]
    ship_ok prod split "$second"
    [ "$(says shop.example.com 0)" = shop-a.1 ]
    # Even to before the router was there.
    ship_ok prod split "$old"
    [ "$(says shop.example.com)" = shop.1 ]
    split "[{\"version\": \"$old\", \"bp\": 10000}]"
    ship_ok prod destroy
    [ "$(state 's["services"]')" = "{}" ]
    no_violations
}

@test "data: KV, config as the active version has it, sealed secrets" {
    deploy 1
    ship_ok prod put kv sessions 'a/b c' 'ü'
    ship_ok prod get kv sessions 'a/b c'
    expect_in "$output" '{"found": true, "value": "\u00fc"}'
    ship_ok prod get kv sessions nothing
    expect_in "$output" '"found": false'
    ship_ok prod list kv sessions
    [[ $output == *'"a"'*'"a/b c"'*'"b"'* ]]
    # However small Fastly makes its pages.
    fake call '{"name": "set", "page": 1}' >/dev/null
    ship_ok prod list kv sessions
    [[ $output == *'"a"'*'"a/b c"'*'"b"'* ]]
    ship_ok prod put secret secrets zweite another
    ship_ok prod list secret secrets
    [[ $output == *api-key*zweite* ]]
    ship_ok prod remove secret secrets zweite
    fake call '{"name": "set", "page": 1000}' >/dev/null
    ship_ok prod remove kv sessions a
    ship_ok prod list kv sessions
    [[ $output != *'"key": "a",'* ]]
    ship_ok prod put config flags beta on
    ship_ok prod get config flags beta
    expect_in "$output" '"value": "on"'
    ship_ok prod remove config flags beta
    ship_ok prod list config flags
    [[ $output != *beta* ]]
    ship_ok prod put secret secrets other sealed-value
    ship_ok prod list secret secrets
    expect_in "$output" '"key": "other"'
    [ "$(state '[x["items"] for x in s["stores"].values() if x["kind"] == "secret"]')" = \
        "[{'api-key': 'secret-1', 'other': 'sealed-value'}]" ]
    fake call '{"name": "set", "forged": true}'
    ship prod put secret secrets third some-value
    expect_status 1
    expect_in "$stderr" "is not signed by Fastly; nothing was sent"
    unset FASTLY_USE_API_SIGNING_KEY
    fake call '{"name": "set", "forged": false}'
    ship prod put secret secrets third some-value
    expect_status 1
    ship_ok prod purge
    ship_ok prod purge key1
    edgectl purge --target prod --soft a/b
    expect_status 0
    [ "$(state 's["purged"]')" = "[['shop', 'all'], ['shop', 'key1', False], ['shop', 'a/b', True]]" ]
    edgectl purge --target prod 'two keys'
    expect_status 2
    expect_in "$stderr" "has neither spaces nor"
    edgectl purge --target prod --all --soft
    expect_status 2
    expect_in "$stderr" "purges everything only for good"
    no_violations
}

@test "one key seals all secrets; what another machine filled is counted over all pages" {
    sed -i 's/^secrets: .*/secrets: { api-key: , second: , third: }/' edge.yaml
    values="secrets/api-key=secret-1 secrets/second=secret-2 secrets/third=secret-3"
    # shellcheck disable=SC2086
    ship_ok prod deploy app one $values
    [ "$(requests | grep -c client-key)" = 1 ]
    fake call '{"name": "set", "page": 1}' >/dev/null
    rm -rf state
    # shellcheck disable=SC2086
    ship_ok prod plan app one $values
    expect_in "$output" '"steps": []'
    # One that was cut off is filled.
    fake call '{"name": "forget", "store": "secret", "key": "second"}' >/dev/null
    # shellcheck disable=SC2086
    ship_ok prod deploy app one $values
    expect_in "$output" '"id": "store shop-secrets-'
    [ "$(state '[sorted(x["items"]) for x in s["stores"].values() if x["kind"] == "secret"]')" = \
        "[['api-key', 'second', 'third']]" ]
    no_violations
}

@test "numbers: whole minutes of the active version's service" {
    deploy 1
    ship_ok prod split "$version"
    fake call "$(python3 -c 'import json, time
t = int(time.time()) // 60 * 60
row = {"start_time": t - 120, "compute_requests": 100, "compute_resp_status_5xx": 7, "compute_runtime_errors": 2}
print(json.dumps({"name": "stats", "service": "shop", "rows": [row, {**row, "start_time": t - 180}, {**row, "start_time": t}]}))')"
    ship_ok prod metrics "$version" 1700000000001
    expect_in "$output" '{"requests": 200, "errors": 18, "traps": 4'
    ship prod metrics "${version%.1}.9" 1700000000000
    expect_status 2
    no_violations
}

@test "live logs: batches of lines, as they come" {
    deploy 1
    ship_ok prod split "$version"
    "$TEST_TOOLS/ship" prod logs 3 >out 2>err 3>&- &
    pid=$!
    on() { [[ $(fake call '{"name": "logging"}') == *shop* ]]; }
    wait_for 20 on
    fake call '{"name": "logs", "service": "shop", "batches": [{"batch_id": "b1", "logs": [
        {"sequence_number": 1, "request_start_us": 1700000000100000, "stream": "stdout", "id": "r1", "message": "one\n"},
        {"sequence_number": 2, "request_start_us": 1700000000100000, "stream": "stderr", "id": "r1", "message": "two"}]}]}'
    fake call '{"name": "logs", "service": "shop", "batches": [{"batch_id": "b2", "logs": [
        {"sequence_number": 1, "request_start_us": 5, "stream": "stdout", "id": "r2", "message": "three"}]}]}'
    wait "$pid"
    output=$(python3 -c 'import json; print(json.dumps(json.load(open("out"))))')
    expect_in "$output" "{\"time\": 1700000000100, \"version\": \"$version\", \"request\": \"r1\", \"text\": \"one\"}"
    expect_in "$output" '"text": "three"'
    no_violations
}

@test "behind a router the logs are those of both versions" {
    manifest 'domains: [shop.example.com], router: true'
    deploy 1
    ship_ok prod split "$version"
    first=$version
    deploy 2
    ship_ok prod split "$first" "$version=500"
    "$TEST_TOOLS/ship" prod logs 2 >out 2>err 3>&- &
    pid=$!
    on() { [[ $(fake call '{"name": "logging"}') == *shop-a*shop-b* ]]; }
    wait_for 20 on
    for slot in a b; do
        fake call "{\"name\": \"logs\", \"service\": \"shop-$slot\", \"batches\": [{\"batch_id\": \"b$slot\", \"logs\": [
            {\"sequence_number\": 1, \"request_start_us\": 5, \"stream\": \"stdout\", \"id\": \"r1\", \"message\": \"of $slot\"}]}]}"
    done
    wait "$pid"
    output=$(python3 -c 'import json; print(json.dumps(json.load(open("out"))))')
    expect_in "$output" "\"version\": \"$first\", \"request\": \"r1\", \"text\": \"of a\""
    expect_in "$output" "\"version\": \"$version\", \"request\": \"r1\", \"text\": \"of b\""
    no_violations
}

@test "what somebody else did to a draft of ours is seen" {
    deploy 1
    ship_ok prod split "$version"
    # Locked when it was half done: it is no release.
    fake kill "{\"match\": \"PUT .*/version/2$\", \"when\": \"after\", \"pid_file\": \"$PWD/pid\"}" >/dev/null
    REL=2
    KILLABLE=yes ship_maybe_killed prod deploy app "release 2" secrets/api-key=secret-2
    expect_status 137
    fake call '{"name": "lock", "service": "shop", "number": 2}' >/dev/null
    deploy 2
    [ "$version" = "${version%.*}.3" ]
    [ "$(state '[s["stores"][v[n]["links"]["flags"]]["items"] for n in "123"]')" = "[{'rel': '1'}, {'rel': '1'}, {'rel': '2'}]" ]
    # Whole, it is one, whoever locked it, on any machine.
    fake call '{"name": "lock", "service": "shop", "number": 3}' >/dev/null
    rm -rf state
    deploy 2
    expect_in "$output" '"steps": []'
    # Somebody has cloned meanwhile, and says what for: that draft is not ours.
    fake kill "{\"match\": \"PUT .*/clone$\", \"when\": \"before\", \"pid_file\": \"$PWD/pid\"}" >/dev/null
    REL=3
    KILLABLE=yes ship_maybe_killed prod deploy app "release 3" secrets/api-key=secret-3
    expect_status 137
    fake call '{"name": "clone", "service": "shop", "comment": "mine, by hand"}' >/dev/null
    deploy 3
    [ "$(state 'v["4"]["comment"], len(v)')" = "('mine, by hand', 5)" ]
    # And one that is locked while it is filled is told of.
    fake fault '{"match": "PUT .*/package", "kind": "status", "status": 422, "text": "Version locked", "times": -1}' >/dev/null
    printf '\0\5\4run9' >>app.wasm
    ship prod deploy app "release 4" secrets/api-key=secret-3
    expect_status 1
    expect_in "$stderr" "Version locked"
    no_violations
}

@test "gc takes the stores of old releases, destroy everything that is ours" {
    fake call '{"name": "service", "service": "shopping"}'
    for n in 1 2 3; do
        deploy "$n"
        ship_ok prod split "$version"
    done
    [ "$(state 'len(s["stores"])')" = 7 ]
    ship_ok prod gc 1
    [ "$(state 'len(s["stores"])')" = 3 ]
    ship_ok prod destroy
    [ "$(state '(list(s["services"]), list(s["stores"]))')" = "(['shopping'], [])" ]
    no_violations
}

@test "who we are; and credentials that are missing or wrong" {
    ship_ok prod whoami
    expect_in "$output" '{"account": "cus1", "user": "usr1", "from": "FASTLY_API_TOKEN", "expires": true}'
    edgectl doctor --target prod
    expect_status 0
    fake call '{"name": "set", "scope": "global:read purge_select"}' >/dev/null
    edgectl doctor --target prod
    expect_status 8
    expect_in "$output" "global:read purge_select"
    expect_in "$output" "it can purge, but not deploy"
    fake call '{"name": "set", "scope": "global:read"}' >/dev/null
    edgectl doctor --target prod
    expect_status 8
    expect_in "$output" "it can only read"
    FASTLY_API_TOKEN=wrong-token-of-mine ship prod plan app x secrets/api-key=value
    expect_status 8
    expect_in "$stderr" "the token comes from FASTLY_API_TOKEN"
    [[ $stderr != *wrong-token-of-mine* ]]
    unset FASTLY_API_TOKEN
    ship prod whoami
    expect_status 8
    expect_in "$stderr" "FASTLY_API_TOKEN is not set, and there is no $HOME/.config/fastly/config.toml"
    FASTLY_API_KEY=fs-token ship_ok prod whoami
    mkdir -p "$HOME/.config/fastly"
    printf '[auth]\ndefault = "me"\n[auth.tokens.me]\ntype = "static"\ntoken = "fs-token"\n' >"$HOME/.config/fastly/config.toml"
    ship_ok prod whoami
    expect_in "$output" "$HOME/.config/fastly/config.toml"
    printf '[profile.old]\ndefault = true\ntoken = "fs-token"\n' >"$HOME/.config/fastly/config.toml"
    ship_ok prod whoami
    printf '[profile.old]\ntoken = "fs-token"\n' >"$HOME/.config/fastly/config.toml"
    ship prod whoami
    expect_status 8
    FASTLY_PROFILE=old ship_ok prod whoami
}
