#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The same job, done by a provider's own CLI and by edgectl, asked of the same fake: whatever they ask
# differently stands in parity/, with the reason.

load ../lib
load ship

setup() {
    scratch
    unset "${!CLOUDFLARE_@}" "${!CF_@}"
    small_wasm >app.wasm
    export WRANGLER_SEND_METRICS=false CI=1
}

teardown() {
    stop_fake
}

# A CLI of theirs; the test is skipped, and says so, where it cannot be had.
peer() {
    PEER=$(HOME=$TEST_HOME "$BATS_TEST_DIRNAME/../bundle/peers/install" "$1") || skip "no $1 CLI"
}

theirs() {
    run --separate-stderr "$PEER" "$@" </dev/null
    expect_status 0
}

# What was asked up to now is kept as $1, and forgotten.
keep() {
    fake requests >"$1"
    no_violations
    fake reset >/dev/null
}

compare() {
    run python3 -B "$BATS_TEST_DIRNAME/parity/compare.py" theirs.json ours.json \
        "$BATS_TEST_DIRNAME/parity/$1.txt"
    echo "$output"
    [ "$status" -eq 0 ]
}

@test "cloudflare: wrangler deploy, versions, split, rollback, KV, delete" {
    peer wrangler
    cat >edge.yaml <<'EOF'
name: shop
build: { artifact: app.wasm }
kv: { sessions: { entries: { a: "1" } } }
config: { flags: { rel: "${REL}" } }
targets: { prod: { provider: cloudflare } }
EOF
    start() {
        stop_fake
        rm -rf fake state
        start_fake cloudflare
        export CLOUDFLARE_API_BASE_URL=$FAKE/client/v4 CLOUDFLARE_API_TOKEN=cf-token REL=1
    }
    wrangler_json() {
        cat >b/wrangler.json <<EOF
{"name": "shop", "main": "cloudflare/index.js", "compatibility_date": "2026-01-01",
 "no_bundle": true, "find_additional_modules": true, "base_dir": ".", "workers_dev": true,
 "preview_urls": true,
 "rules": [{"type": "ESModule", "globs": ["**/*.js"]}, {"type": "CompiledWasm", "globs": ["**/*.wasm"]}],
 "kv_namespaces": [{"binding": "KV_SESSIONS", "id": "$1"}],
 "vars": {"CONFIG_FLAGS": "{\"rel\":\"$2\"}"}, "version_metadata": {"binding": "EDGECTL_VERSION"}}
EOF
    }
    versions() {
        fake state | python3 -c 'import json, sys
print(*[v["id"] for v in json.load(sys.stdin)["scripts"]["shop"]["versions"]])'
    }
    # Somebody listens to live logs, and hears a line.
    tailed() {
        open() { [[ $(fake call '{"name": "tails"}') == '{"open":1,"ever":1}' ]]; }
        wait_for 30 open || return 1
        fake call '{"name": "event", "event": {"outcome": "ok", "eventTimestamp": 1, "exceptions": [],
            "logs": [{"message": ["x"], "level": "log", "timestamp": 1}], "event": null}}' >/dev/null
    }
    start
    edgectl bundle --target prod --out b
    expect_status 0
    rm -f b/metadata.json
    cd b
    echo '{"name": "shop"}' >wrangler.json
    theirs kv namespace create shop-sessions
    id=$(grep -oE '[0-9a-f]{32}' <<<"$output" | head -n1)
    echo '[{"key": "a", "value": "1"}]' >../pairs.json
    theirs kv bulk put ../pairs.json --namespace-id "$id" --remote
    cd ..
    wrangler_json "$id" 1
    cd b
    theirs deploy
    cd ..
    wrangler_json "$id" 2
    cd b
    theirs versions upload --tag t2 --message two
    read -r v1 v2 <<<"$(versions)"
    theirs versions deploy "$v1@90%" "$v2@10%" --yes
    theirs versions deploy "$v2@100%" --yes
    theirs rollback "$v1" --yes
    theirs versions list --name shop
    theirs deployments list --name shop
    theirs kv key list --namespace-id "$id" --remote
    theirs kv key get a --namespace-id "$id" --remote
    echo '[{"key": "c/d", "value": "2", "metadata": {"m": 1}}, {"key": "e", "value": "3", "expiration": 2000000000}]' >../pairs.json
    theirs kv bulk put ../pairs.json --namespace-id "$id" --remote
    echo '["c/d", "e"]' >../keys.json
    theirs kv bulk delete ../keys.json --namespace-id "$id" --remote --force
    "$PEER" tail shop --version-id "$v1" --format json >tail.log 2>&1 </dev/null 3>&- &
    tail=$!
    tailed || {
        cat tail.log
        return 1
    }
    kill -INT "$tail"
    wait "$tail" || :
    theirs delete --force
    cd ..
    keep theirs.json
    start
    ship_ok prod deploy app one
    REL=2 ship_ok prod deploy app two
    read -r v1 v2 <<<"$(versions)"
    ship_ok prod split "$v1" "$v2=1000"
    ship_ok prod split "$v2"
    ship_ok prod split "$v1"
    ship_ok prod versions
    ship_ok prod list kv sessions
    ship_ok prod get kv sessions a
    echo '{"key": "c/d", "value": "2", "metadata": "m"}
{"key": "e", "value": "3", "expiration": 2000000000}' >pairs.jsonl
    edgectl kv import sessions pairs.jsonl --target prod
    expect_status 0
    edgectl kv delete sessions c/d e --target prod
    expect_status 0
    "$TEST_TOOLS/ship" prod logs 1 "$v1" >/dev/null 2>&1 3>&- &
    tailed || {
        cat tail.log
        return 1
    }
    wait $!
    ship_ok prod destroy
    keep ours.json
    compare cloudflare
}

@test "fastly: compute deploy, activate, stores, sealed secrets, links, purge, delete" {
    peer fastly
    cat >edge.yaml <<'EOF'
name: shop
build: { artifact: app.wasm }
kv: { sessions: { entries: { a: "1" } } }
config: { flags: { rel: "1" } }
secrets: { api-key: }
targets: { prod: { provider: fastly } }
EOF
    start() {
        stop_fake
        rm -rf fake state
        start_fake fastly
        export FASTLY_API_ENDPOINT=$FAKE FASTLY_ACCOUNT_ENDPOINT=$FAKE FASTLY_API_TOKEN=fs-token
        export FASTLY_USE_API_SIGNING_KEY=1
    }
    id() {
        fake state | python3 -c 'import json, sys
s = json.load(sys.stdin)
print(s["services"]["shop"]["id"], *[s["stores"][n]["id"] for n in sorted(s["stores"])])'
    }
    start
    edgectl bundle --target prod --out shop.tar.gz
    expect_status 0
    theirs service create --name shop --type wasm --non-interactive
    theirs kv-store create --name shop-sessions
    theirs config-store create --name shop-flags
    theirs secret-store create --name shop-secrets
    read -r service config secret kv <<<"$(id | awk '{ print $1, $2, $3, $4 }')"
    echo '{"key": "a", "value": "MQ=="}' >batch.ndjson
    theirs kv-store-entry create --store-id "$kv" --file batch.ndjson
    theirs config-store-entry update --store-id "$config" --key rel --value 1 --upsert
    printf secret-1 >value
    theirs secret-store-entry create --store-id "$secret" --name api-key --file value --recreate-allow
    theirs service domain create --service-id "$service" --version 1 --name "shop-theirs.edgecompute.app"
    for link in "sessions $kv" "flags $config" "secrets $secret"; do
        # shellcheck disable=SC2086
        set -- $link
        theirs resource-link create --service-id "$service" --version 1 --name "$1" --resource-id "$2"
    done
    theirs compute update --service-id "$service" --version 1 --package shop.tar.gz
    theirs service version activate --service-id "$service" --version 1
    theirs service version clone --service-id "$service" --version 1
    theirs purge --all --service-id "$service"
    theirs service delete --force --service-id "$service"
    keep theirs.json
    start
    ship_ok prod deploy app one secrets/api-key=secret-1
    ship_ok prod split "$(field version)"
    ship_ok prod deploy app two secrets/api-key=secret-2
    ship_ok prod purge
    ship_ok prod destroy
    keep ours.json
    compare fastly
}

@test "fastly: entries of stores, staging, rollback, soft purges, log-tail" {
    peer fastly
    cat >edge.yaml <<'EOF'
name: shop
build: { artifact: app.wasm }
kv: { sessions: { entries: { a: "1" } } }
config: { flags: { rel: "1" } }
secrets: { api-key: }
targets: { prod: { provider: fastly } }
EOF
    # An app with a version that has traffic and one that has none; nothing of that is kept.
    start() {
        stop_fake
        rm -rf fake state
        start_fake fastly
        export FASTLY_API_ENDPOINT=$FAKE FASTLY_ACCOUNT_ENDPOINT=$FAKE FASTLY_API_TOKEN=fs-token
        export FASTLY_USE_API_SIGNING_KEY=1
        sed -i 's/rel: "."/rel: "1"/' edge.yaml
        ship_ok prod deploy app one secrets/api-key=secret-1
        ship_ok prod split "$(field version)"
        sed -i 's/rel: "."/rel: "2"/' edge.yaml
        ship_ok prod deploy app two secrets/api-key=secret-1
        version=$(field version)
        no_violations
        fake reset >/dev/null
    }
    ids() {
        fake state | python3 -c 'import json, sys
s = json.load(sys.stdin)
links = s["services"]["shop"]["versions"]["1"]["links"]
print(*[s["stores"][links[n]]["id"] for n in ("sessions", "flags", "secrets")])'
    }
    logged() {
        [[ $(fake call '{"name": "logging"}') == *shop* ]]
    }
    log() {
        wait_for 20 logged
        fake call '{"name": "logs", "service": "shop", "batches": [{"batch_id": "b1", "logs": [
            {"sequence_number": 1, "request_start_us": 5, "stream": "stdout", "id": "r1", "message": "line\n"}]}]}'
    }
    start
    read -r kv config secret <<<"$(ids)"
    service=${version%.2}
    printf value >value
    theirs kv-store-entry create --store-id "$kv" --key 'k/1 x' --value value
    theirs kv-store-entry get --store-id "$kv" --key 'k/1 x'
    theirs kv-store-entry list --store-id "$kv"
    theirs kv-store-entry delete --store-id "$kv" --key 'k/1 x'
    theirs config-store-entry update --upsert --store-id "$config" --key beta --value value
    theirs config-store-entry describe --store-id "$config" --key beta
    theirs config-store-entry list --store-id "$config"
    theirs config-store-entry delete --store-id "$config" --key beta
    theirs secret-store-entry create --store-id "$secret" --name other --file value --recreate-allow
    theirs secret-store-entry list --store-id "$secret"
    theirs secret-store-entry delete --store-id "$secret" --name other
    theirs service purge --service-id "$service" --key k1
    theirs service purge --service-id "$service" --key k1 --soft
    theirs service purge --service-id "$service" --all
    timeout -s INT 20 "$PEER" log-tail --service-id "$service" >tail.out 2>&1 3>&- &
    pid=$!
    log
    wait_for 20 grep -q line tail.out
    kill -INT "$pid"
    wait "$pid" || :
    theirs service version list --service-id "$service"
    theirs service version stage --service-id "$service" --version 2
    theirs service version activate --service-id "$service" --version 2
    theirs service version activate --service-id "$service" --version 1
    theirs service version unstage --service-id "$service" --version 2
    theirs service version deactivate --service-id "$service" --version 1
    theirs service delete --service-id "$service"
    keep theirs.json
    start
    ship_ok prod put kv sessions 'k/1 x' value
    ship_ok prod get kv sessions 'k/1 x'
    ship_ok prod list kv sessions
    ship_ok prod remove kv sessions 'k/1 x'
    ship_ok prod put config flags beta value
    ship_ok prod get config flags beta
    ship_ok prod list config flags
    ship_ok prod remove config flags beta
    ship_ok prod put secret secrets other value
    ship_ok prod list secret secrets
    ship_ok prod remove secret secrets other
    for purge in k1 "--soft k1" --all; do
        # shellcheck disable=SC2086
        edgectl purge --target prod $purge
        expect_status 0
    done
    "$TEST_TOOLS/ship" prod logs 1 >tail.out 3>&- &
    pid=$!
    log
    wait "$pid"
    # Nothing answers at the address, which is another matter.
    ship_ok prod probe "$version" /
    ship_ok prod split "$version"
    ship_ok prod split "${version%.2}.1"
    ship_ok prod destroy
    keep ours.json
    compare fastly_data
}
