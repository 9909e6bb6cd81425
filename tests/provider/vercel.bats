#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The Vercel driver against its fake.

load ../lib
load ship

setup() {
    scratch
    start_fake vercel --edge
    unset "${!VERCEL_@}"
    export EDGECTL_VERCEL_API=$FAKE VERCEL_TOKEN=vctoken
    manifest
    for n in 1 2 3; do bundle "$n"; done
}

teardown() {
    stop_fake
}

# manifest [KEYS of the target]
manifest() {
    cat >edge.yaml <<EOF
name: shop
build: { command: "true", artifact: app.wasm }
targets: { prod: { provider: vercel, team: team_acme${1:+, $1} } }
EOF
}

bundle() {
    mkdir -p "b$1/functions/index.func" "b$1/static"
    echo '{"version":3,"routes":[]}' >"b$1/config.json"
    echo '{"runtime":"nodejs24.x"}' >"b$1/functions/index.func/.vc-config.json"
    echo "export default $1" >"b$1/functions/index.func/index.js"
    head -c 3000000 /dev/zero >"b$1/functions/index.func/app.wasm"
    echo same >"b$1/static/a b.txt"
}

deploy() {
    ship_ok prod deploy "b$1" "rel$1" "secrets/api=d$1"
    version=$(python3 -c 'import json, sys; print(json.loads(sys.argv[1])["version"])' "$output")
}

split() {
    ship_ok prod get-split
    expect_in "$output" "\"arms\": $1"
}

arm() {
    echo "{\"version\": \"$1\", \"bp\": $2}"
}

@test "a first deploy makes project, secret and deployment without traffic; a second does nothing" {
    deploy 1
    for made in "project shop" "secret secrets/api" "deployment rel1"; do
        expect_in "$output" "\"verb\": \"make\", \"id\": \"$made\""
    done
    expect_in "$output" '"first": true'
    split '[]'
    fake reset
    deploy 1
    expect_in "$output" "\"steps\": [], \"version\": \"$version\", \"first\": true"
    [ -z "$(requests | grep -v ^GET)" ]
    run fake state
    expect_in "$output" '"readyState":"READY","target":"production","meta":{"edgectlRelease":"rel1"'
    expect_in "$output" '"files":[".vercel/output/config.json",".vercel/output/functions/index.func/.vc-config.json"'
    expect_in "$output" '"type":"sensitive"'
    no_violations
}

@test "only files that Vercel does not have are sent" {
    deploy 1
    fake reset
    deploy 2
    [ "$(requests | grep -c 'POST /v2/files')" -eq 1 ]
    expect_in "$output" '"verb": "change", "id": "secret secrets/api"'
    no_violations
}

@test "all traffic is moved by promotion, also back" {
    deploy 1
    one=$version
    ship_ok prod split "$one"
    split "[$(arm "$one" 10000)]"
    deploy 2
    split "[$(arm "$one" 10000)]"
    ship_ok prod split "$version"
    split "[$(arm "$version" 10000)]"
    ship_ok prod split "$one"
    split "[$(arm "$one" 10000)]"
    no_violations
}

@test "a rolling release goes by its stages, ends early, is taken back" {
    deploy 1
    one=$version
    ship_ok prod split "$one"
    deploy 2
    ship_ok prod stages 100 1000 5000 10000
    ship_ok prod split "$one" "$version=1000"
    split "[$(arm "$one" 9000), $(arm "$version" 1000)]"
    ship prod split "$one" "$version=100"
    expect_status 2
    expect_in "$stderr" 'no stage of 1 %'
    ship prod split "$one" "$version=1250"
    expect_status 2
    ship_ok prod split "$one" "$version=5000"
    split "[$(arm "$one" 5000), $(arm "$version" 5000)]"
    ship_ok prod split "$version"
    split "[$(arm "$version" 10000)]"
    two=$version
    deploy 3
    ship_ok prod split "$two" "$version=100"
    ship_ok prod split "$two"
    split "[$(arm "$two" 10000)]"
    # Stages that are left over do not turn a promotion into another rolling release.
    ship_ok prod split "$version"
    split "[$(arm "$version" 10000)]"
    no_violations
}

@test "a plan without rolling releases can still give everything" {
    fake call '{"name": "set", "plan": "hobby"}'
    deploy 1
    one=$version
    ship_ok prod split "$one"
    deploy 2
    ship prod split "$one" "$version=1000"
    expect_status 7
    expect_in "$stderr" 'Rolling releases need a Pro plan'
    expect_in "$stderr" 'Pro and Enterprise'
    ship_ok prod split "$version"
    split "[$(arm "$version" 10000)]"
    no_violations
}

@test "a token that may not see rolling releases is told so, and not taken for a plan without them" {
    deploy 1
    one=$version
    ship_ok prod split "$one"
    fake call '{"name": "set", "narrow": true}'
    ship prod get-split
    expect_status 8
    expect_in "$stderr" "You don't have permission to the rolling-release"
    ship prod split "$one"
    expect_status 8
    fake call '{"name": "set", "narrow": false, "plan": "hobby-403"}'
    split "[$(arm "$one" 10000)]"
    deploy 2
    ship_ok prod split "$version"
    split "[$(arm "$version" 10000)]"
    no_violations
}

@test "caches: by a tag, as stale or gone; all of them" {
    deploy 1
    ship_ok prod purge product-42
    ship_ok prod purge
    expect_in "$(fake state)" '"purged":[["shop",["gone","product-42"]],["shop","edge"],["shop","data"]]'
    edgectl purge product-43 --soft --target prod
    expect_status 0
    expect_in "$(fake state)" '["shop",["stale","product-43"]]'
    edgectl purge --all --soft --target prod
    expect_status 2
    expect_in "$stderr" Vercel-Cache-Tag
    no_violations
}

@test "a project that was there is adopted by a step that says so, and only once" {
    fake call '{"name": "project", "deployed": true}'
    manifest 'domains: [app.example.com, new.example.com]'
    deploy 1
    expect_in "$output" '"verb": "adopt", "id": "project shop"'
    expect_in "$output" 'takes the place of dpl_'
    expect_in "$output" '"id": "domain app.example.com"'
    expect_in "$stderr" 'set the TXT record _vercel.new.example.com to vc-domain-verify=1'
    deploy 1
    expect_in "$output" '"steps": []'
    expect_in "$output" '"url": "https://app.example.com/"'
    deploy 2
    [[ $output != *adopt* ]]
    ship_ok prod destroy
    expect_in "$(fake state)" '"name":"shop"'
    [[ $(fake state) != *edgectlRelease* ]]
    expect_in "$(fake state)" '"env":[]'
    no_violations
}

@test "domains are seen on all pages; one whose answer was lost is found" {
    fake call '{"name": "project"}'
    fake call '{"name": "domains", "project": "shop", "count": 250}'
    manifest 'domains: [d3.example.net, d249.example.net, app.example.com]'
    fake fault '{"match": "POST .*/domains", "kind": "reset"}'
    deploy 1
    [ "$(grep -o '"id": "domain [^"]*"' <<<"$output")" = '"id": "domain app.example.com"' ]
    deploy 1
    expect_in "$output" '"steps": []'
    no_violations
}

@test "a variable of another environment is none of production" {
    fake call '{"name": "project"}'
    fake call '{"name": "env", "project": "shop", "key": "SECRET_API", "value": "x", "target": ["development"]}'
    deploy 1
    expect_in "$output" '"verb": "make", "id": "secret secrets/api"'
    no_violations
}

@test "live logs are of both versions of a rolling release" {
    deploy 1
    one=$version
    ship_ok prod split "$one"
    deploy 2
    ship_ok prod split "$one" "$version=1000"
    line() {
        echo "{\"deployment\": \"$1\", \"level\": \"info\", \"source\": \"serverless\",
            \"timestampInMs\": 5, \"requestMethod\": \"GET\", \"requestPath\": \"/\", \"message\": \"of $1\"}"
    }
    fake fault '{"match": "runtime-logs", "kind": "status", "times": 1}'
    fake call "{\"name\": \"set\", \"log_rows\": [$(line "$one"), $(line "$version")]}"
    ship_ok prod logs 2
    expect_in "$output" "\"text\": \"of $one\""
    expect_in "$output" "\"text\": \"of $version\""
    no_violations
}

@test "a project that was made here goes with destroy" {
    deploy 1
    ship_ok prod note rollout text
    fake fault '{"match": "DELETE", "kind": "reset"}'
    ship_ok prod destroy
    expect_in "$output" "delete the Edge Config of edgectl's notes"
    expect_in "$(fake state)" '"configs":{}'
    expect_in "$output" 'delete the project shop'
    expect_in "$(fake state)" '"projects":{},"deployments":{}'
    no_violations
}

@test "old deployments go, those with traffic and of others stay" {
    fake call '{"name": "project", "deployed": true}'
    for n in 1 2 3; do deploy "$n"; done
    ship_ok prod split "$version"
    ship_ok prod gc 1
    [ "$(grep -o 'delete the deployment' <<<"$output" | wc -l)" -eq 1 ]
    ship_ok prod versions
    expect_in "$output" '"release": "rel3"'
    expect_in "$output" '"release": "rel2"'
    expect_in "$output" '"release": ""'
    [[ $output != *rel1* ]]
    no_violations
}

@test "a failed build says what Vercel says of it; the next run tries anew" {
    fake call '{"name": "fail", "why": "Unsupported runtime"}'
    ship prod deploy b1 rel1
    expect_status 1
    expect_in "$stderr" 'BUILD_FAILED: Unsupported runtime'
    expect_in "$stderr" 'https://vercel.com/acme/shop/dpl_'
    fake call '{"name": "fail", "why": "again"}'
    ship prod deploy b1 rel1
    expect_status 1
    [ "$(fake state | grep -o '"readyState":"ERROR"' | wc -l)" -eq 2 ]
}

@test "a preview has an address and never traffic; a version is tried there" {
    deploy 1
    export HTTPS_PROXY=$FAKE SSL_CERT_FILE=$PWD/fake/ca.pem
    ship_ok prod probe "$version" /
    [ "$output" = "{\"status\": 200, \"version\": \"$version\", \"verified\": true, \"why\": \"\"}" ]
    ship_ok prod probe "$version" /missing
    expect_in "$output" '"status": 404'
    ship_ok prod probe dpl_none /
    expect_in "$output" 'there is no deployment'
    fake call '{"name": "set", "protected": "bypass-me"}'
    ship_ok prod probe "$version" /
    expect_in "$output" VERCEL_AUTOMATION_BYPASS_SECRET
    VERCEL_AUTOMATION_BYPASS_SECRET=bypass-me ship_ok prod probe "$version" /
    expect_in "$output" '"status": 200'
    no_violations
}

@test "numbers by deployment where the account has them" {
    deploy 1
    now=$(date -u -d '-5 min' +%Y-%m-%dT%H:%M:00Z)
    since=$(date -u -d '-10 min' +%s)000
    fake call "{\"name\": \"set\", \"rows\": [
        {\"deployment\": \"$version\", \"timestamp\": \"$now\", \"http_status\": \"200\", \"value\": 90},
        {\"deployment\": \"$version\", \"timestamp\": \"$now\", \"http_status\": \"503\", \"value\": 7},
        {\"deployment\": \"dpl_other\", \"timestamp\": \"$now\", \"http_status\": \"200\", \"value\": 5}]}"
    ship_ok prod metrics "$version" "$since"
    expect_in "$output" '"requests": 97, "errors": 7'
    fake call '{"name": "set", "dimensions": ["http_status"]}'
    ship prod metrics "$version" "$since"
    expect_status 2
    expect_in "$stderr" 'gate on probes'
    no_violations
}

@test "logs are lines of a stream that is asked for again when it ends" {
    deploy 1
    ship_ok prod split "$version"
    line="{\"deployment\": \"$version\", \"level\": \"info\", \"source\": \"serverless\", \"timestampInMs\": 5,
           \"requestMethod\": \"GET\", \"requestPath\": \"/x\", \"message\": "
    fake call "{\"name\": \"set\", \"log_rows\": [$line \"one\"}]}"
    (
        wait_for 20 sh -c "curl -sS -d '' $FAKE/_fake/requests | grep -q runtime-logs"
        fake call "{\"name\": \"set\", \"log_rows\": [$line \"two\"}]}"
    ) 3>&- &
    writer=$!
    ship_ok prod logs 2
    wait "$writer"
    expect_in "$output" "\"version\": \"$version\", \"request\": \"GET /x\", \"text\": \"one\""
    expect_in "$output" '"text": "two"'
    no_violations
}

@test "secrets, an Edge Config that the target names, notes" {
    manifest 'config: { flags: ecfg_00000001 }'
    cat >>edge.yaml <<'EOF'
config: { flags: { beta: "off" } }
EOF
    curl -sS -H 'Authorization: Bearer vctoken' -H 'Content-Type: application/json' \
        -d '{"slug": "flags", "items": {}}' "$FAKE/v1/edge-config?teamId=team_acme" >config.json
    ship_ok prod put config flags beta on
    ship_ok prod get config flags beta
    [ "$output" = '{"found": true, "value": "on"}' ]
    ship_ok prod list config flags
    expect_in "$output" '"key": "beta"'
    ship_ok prod remove config flags beta
    ship_ok prod get config flags beta
    expect_in "$output" '"found": false'
    deploy 1
    ship_ok prod list secret secrets
    [ "$output" = '[{"key": "api", "digest": "d1", "value": null}]' ]
    ship_ok prod put secret secrets api d2
    ship_ok prod list secret secrets
    [ "$output" = '[{"key": "api", "digest": "d2", "value": null}]' ]
    ship_ok prod remove secret secrets api
    ship_ok prod list secret secrets
    [ "$output" = '[]' ]
    ship_ok prod note rollout/prod 'some text'
    ship_ok prod note rollout/prod
    [ "$output" = '{"found": true, "text": "some text"}' ]
    ship prod get secret secrets api
    expect_status 2
    expect_in "$stderr" 'gives no secret back'
    ship prod list kv x
    expect_status 9
    no_violations
}

@test "files that are taken and not kept end with an error, not with a loop" {
    fake call '{"name": "set", "forget": 1}'
    deploy 1
    fake call '{"name": "set", "forget": 1000}'
    ship prod deploy b2 rel2
    expect_status 6
    expect_in "$stderr" 'goes on asking for files'
    no_violations
}

@test "the token: missing, wrong, stored by the CLI, expired; the team" {
    unset VERCEL_TOKEN
    ship prod whoami
    expect_status 8
    expect_in "$stderr" "VERCEL_TOKEN is not set"
    expect_in "$stderr" "$HOME/.local/share/com.vercel.cli/auth.json"
    mkdir -p "$HOME/.local/share/com.vercel.cli"
    echo '{"token": "vctoken"}' >"$HOME/.local/share/com.vercel.cli/auth.json"
    ship_ok prod whoami
    expect_in "$output" '"account": "team_acme", "user": "me", "name": "acme"'
    expect_in "$output" com.vercel.cli/auth.json
    echo '{"token": "vctoken", "expiresAt": 1000}' >"$HOME/.local/share/com.vercel.cli/auth.json"
    ship prod whoami
    expect_status 8
    expect_in "$stderr" 'has expired'
    VERCEL_TOKEN=not-the-token ship prod whoami
    expect_status 8
    expect_in "$stderr" 'the token comes from VERCEL_TOKEN'
    expect_in "$stderr" 'forbidden: Not authorized'
    [[ $stderr != *not-the-token* ]]
    manifest
    sed -i 's/team_acme/team_other/' edge.yaml
    VERCEL_TOKEN=vctoken ship prod deploy b1 rel1
    expect_status 8
    expect_in "$stderr" team_other
}
