#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# KV on Vercel: a database behind Upstash's REST interface, as the host on Vercel reads it. A real
# Redis stands behind the fake of that interface.

load ../lib
load ship
load kv

setup() {
    scratch
    unset "${!VERCEL_@}" "${!UPSTASH_@}" "${!KV_@}"
    start_kv
    start_fake vercel --edge
    export EDGECTL_VERCEL_API=$FAKE VERCEL_TOKEN=vctoken HTTPS_PROXY=$FAKE SSL_CERT_FILE=$PWD/fake/ca.pem
    export KV_SESSIONS_TOKEN=kv-token
    fake call '{"name": "set", "slow": 0}' >/dev/null
    small_wasm >app.wasm
    manifest "kv: { sessions: \"$KV\" }"
}

teardown() {
    stop_fake
    stop_kv
}

# manifest [KEYS of the target]
manifest() {
    cat >edge.yaml <<EOF
name: shop
build: { artifact: app.wasm }
kv: { sessions: { entries: { a: "1", b: { text: two, metadata: m } } } }
targets: { prod: { provider: vercel, team: team_acme${1:+, $1} } }
EOF
}

clean() {
    no_violations
    FAKE=$KV no_violations
}

# env_of NAME: the values of that variable in the project.
env_of() {
    fake state | python3 -c 'import json, sys
print(*[e["value"] for e in json.load(sys.stdin)["projects"]["shop"]["env"] if e["key"] == sys.argv[1]])' "$1"
}

@test "a deploy puts the first content into an empty database, once, and the token into the project" {
    edgectl deploy --target prod
    expect_status 0
    expect_in "$(kv_fake state)" '"edgectl:KV_SESSIONS":["a","b"]'
    expect_in "$(kv_fake state)" '"edgectl:KV_SESSIONS:b":{"v":"two","e":"","m":"m"}'
    [ "$(env_of KV_SESSIONS_TOKEN)" = kv-token ]
    [ -z "$(env_of KV_SESSIONS_URL)" ]
    [[ $output$stderr != *kv-token* ]]
    edgectl kv put sessions a --value mine --target prod
    expect_status 0
    edgectl deploy --target prod
    expect_status 0
    expect_in "$output" "nothing to do"
    edgectl kv get sessions a --target prod
    [ "$output" = mine ]
    # Another machine: what is there is somebody's.
    rm -rf .edgectl
    edgectl deploy --target prod
    expect_status 0
    edgectl kv get sessions a --target prod
    [ "$output" = mine ]
    clean
}

@test "the URL is a variable where the manifest does not name it; a new token replaces the old one" {
    manifest
    edgectl deploy --target prod
    expect_status 9
    expect_in "$stderr" "nothing says which database stands for 'sessions'"
    expect_in "$stderr" "targets.prod.kv.sessions"
    UPSTASH_REDIS_REST_URL=$KV edgectl deploy --target prod
    expect_status 0
    [ "$(env_of KV_SESSIONS_URL)" = "$KV" ]
    # It is there now: no later deploy needs to know it.
    printf 'config: { flags: { x: "1" } }\n' >>edge.yaml
    unset KV_SESSIONS_TOKEN
    edgectl deploy --target prod
    expect_status 0
    edgectl kv list sessions --target prod
    expect_status 9
    KV_SESSIONS_URL=$KV edgectl kv list sessions --target prod
    expect_status 8
    expect_in "$stderr" "KV_SESSIONS_TOKEN is not set"
    sed -i 's/x: "1"/x: "2"/' edge.yaml
    KV_SESSIONS_TOKEN=kv-reader edgectl deploy --target prod
    expect_status 0
    [ "$(env_of KV_SESSIONS_TOKEN)" = kv-reader ]
    clean
}

@test "a variable that was put by hand stays" {
    edgectl deploy --target prod
    expect_status 0
    fake call '{"name": "env", "project": "shop", "key": "KV_SESSIONS_TOKEN", "value": "by-hand"}'
    printf 'config: { flags: { x: "1" } }\n' >>edge.yaml
    edgectl deploy --target prod
    expect_status 0
    [ "$(env_of KV_SESSIONS_TOKEN)" = by-hand ]
    clean
}

@test "content that cannot be put for want of a token is told" {
    edgectl deploy --target prod
    expect_status 0
    rm -rf .edgectl
    unset KV_SESSIONS_TOKEN
    edgectl deploy --target prod
    expect_status 0
    expect_in "$stderr" "the first content of the KV store 'sessions' is not put: its token is not here"
    clean
}

@test "entries are put, read, listed and deleted; bytes, metadata, times to live" {
    edgectl kv put sessions 'a/b c:ü' --value wörter --target prod --ttl 3600 --metadata '{"by":"me"}'
    expect_status 0
    edgectl --json kv get sessions 'a/b c:ü' --target prod
    expect_in "$output" 'wörter'
    expect_in "$output" '{\"by\":\"me\"}'
    left=$(python3 -c 'import json, sys, time; print(json.loads(sys.argv[1])["expiration"] - int(time.time()))' "$output")
    [ "$left" -gt 3000 ] && [ "$left" -le 3601 ]
    printf '\377\0\376' >bytes
    edgectl kv put sessions bytes --file bytes --target prod
    expect_status 0
    expect_in "$(kv_fake state)" '"edgectl:KV_SESSIONS:bytes":{"v":"/wD+","e":"b","m":""}'
    "$EDGECTL" kv get sessions bytes --target prod >got
    cmp bytes got
    printf 'a\0b' >nul
    edgectl kv put sessions nul --file nul --target prod
    "$EDGECTL" kv get sessions nul --target prod >got
    cmp nul got
    edgectl kv get sessions nothing --target prod
    expect_status 1
    edgectl kv put sessions gone --value soon --target prod
    kv_fake call '{"name": "run", "command": ["PEXPIREAT", "edgectl:KV_SESSIONS:gone", "1"]}'
    edgectl kv get sessions gone --target prod
    expect_status 1
    edgectl kv list sessions --target prod
    [ "$output" = $'a/b c:ü\nbytes\nnul' ]
    edgectl kv list sessions --prefix a/ --target prod
    [ "$output" = 'a/b c:ü' ]
    edgectl kv delete sessions bytes nul --target prod
    expect_status 0
    edgectl kv list sessions --target prod
    [ "$output" = 'a/b c:ü' ]
    edgectl kv put undeclared x --value y --target prod
    expect_status 2
    clean
}

@test "thousands are imported, exported, compared and made the same" {
    python3 -c 'import json
for i in range(1234): print(json.dumps({"key": f"k{i:05}", "value": f"v{i}" * 20}))' >many.jsonl
    edgectl kv import sessions many.jsonl --target prod
    expect_status 0
    edgectl kv export sessions --target prod
    [ "$(wc -l <<<"$output")" -eq 1234 ]
    pairs='import json, sys
for l in sys.stdin:
    r = json.loads(l)
    print(r["key"], r["value"])'
    diff <(python3 -c "$pairs" <<<"$output") <(python3 -c "$pairs" <many.jsonl)
    # Another target has another database.
    first=$KV
    start_kv kv2
    sed -i "s|^targets: {|targets: { other: { provider: vercel, team: team_acme, kv: { sessions: \"$KV\" } },|" edge.yaml
    edgectl kv import sessions many.jsonl --target other
    edgectl kv put sessions k00001 --value changed --target prod
    edgectl kv put sessions only-here --value x --target prod
    edgectl kv delete sessions k00000 --target other
    edgectl kv diff sessions --from other --target prod
    [ "$output" = $'- k00000\n~ k00001\n- only-here' ]
    edgectl kv sync sessions --from other --target prod --delete
    expect_status 0
    edgectl kv diff sessions --from other --target prod
    [ -z "$output" ]
    no_violations
    FAKE=$first no_violations
    clean
}

@test "a value that is too large, a token that only reads, a wrong one, a database out of order" {
    head -c 1100000 /dev/zero | tr '\0' x >large
    edgectl kv put sessions large --file large --target prod
    expect_status 7
    expect_in "$stderr" "max request size exceeded"
    KV_SESSIONS_TOKEN=kv-reader edgectl kv put sessions x --value y --target prod
    expect_status 1
    expect_in "$stderr" "NOPERM"
    KV_SESSIONS_TOKEN=another-token-of-mine edgectl kv list sessions --target prod
    expect_status 8
    expect_in "$stderr" WRONGPASS
    [[ $stderr != *another-token-of-mine* ]]
    kv_fake fault '{"match": "pipeline", "kind": "html"}'
    edgectl kv list sessions --target prod
    expect_status 6
    expect_in "$stderr" "HTML instead of JSON"
    kv_fake fault '{"match": "pipeline", "kind": "status", "times": 2}'
    edgectl kv list sessions --target prod
    expect_status 0
    kv_fake fault '{"match": "multi", "kind": "reset"}'
    edgectl kv put sessions x --value y --target prod
    expect_status 0
    clean
}

@test "killed around any request to the database, the next deploy ends it" {
    nth=1
    while :; do
        for when in before after; do
            kv_fake call '{"name": "run", "command": ["FLUSHALL"]}' >/dev/null
            rm -rf state
            kv_fake kill "{\"nth\": $nth, \"when\": \"$when\", \"pid_file\": \"$PWD/pid\"}" >/dev/null
            KILLABLE=yes ship_maybe_killed prod deploy app x
            [ "$status" -ne 0 ] || break 2
            expect_status 137
            ship_ok prod deploy app x
            expect_in "$(kv_fake state)" '"edgectl:KV_SESSIONS":["a","b"],"edgectl:KV_SESSIONS:a":{"v":"1"'
            expect_in "$(kv_fake state)" '"edgectl:KV_SESSIONS:b":{"v":"two"'
        done
        nth=$((nth + 1))
    done
    [ "$nth" -gt 2 ]
    clean
}

@test "the host on Vercel reads what was put here, and the other way round" {
    node=$(HOME=$TEST_HOME "$BATS_TEST_DIRNAME/../hosts/peers/install" node) || skip "no Node 24"
    edgectl deploy --target prod
    printf '\377\0' >bytes
    edgectl kv put sessions bytes --file bytes --target prod --metadata meta --ttl 3600
    cat >host.mjs <<EOF
import { upstash } from "$BATS_TEST_DIRNAME/../../templates/hosts/node/upstash.js";
const kv = upstash("KV_SESSIONS", "$KV", () => "kv-token");
const show = ({ value, metadata }) => [Buffer.from(value).toString("hex"), metadata ?? null];
console.log(JSON.stringify([
    (await kv.list({ limit: 10 })).keys, show(await kv.get("b")), show(await kv.get("bytes")),
    await kv.put("c", Buffer.from([0xfe]), { metadata: "of-the-host" }), await kv.delete("a"),
]));
EOF
    run "$node" --no-warnings host.mjs
    [ "$output" = '[["a","b","bytes"],["74776f","m"],["ff00","meta"],1,1]' ]
    edgectl kv list sessions --target prod
    [ "$output" = $'b\nbytes\nc' ]
    edgectl --json kv get sessions c --target prod
    expect_in "$output" '"/g=="'
    expect_in "$output" 'of-the-host'
    clean
}
