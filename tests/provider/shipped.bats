#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# An app by the commands, to AWS and to Vercel: the bundle that edgectl makes is what their fakes take.

load ../lib
load ship
load kv

setup() {
    scratch
    unset "${!AWS_@}" "${!VERCEL_@}"
    export ADMIN_TOKEN=correct-horse-battery KV_CONTENT_TOKEN=kv-token
    "$EDGECTL" init app >/dev/null 2>&1
    [ -s app/bin/main.wasm ] || skip "no module in the binary: no clang for Wasm when it was built"
    cd app
    start_kv
    python3 - <<'EOF'
import os
text = open("edge.yaml").read().replace("command: make", 'command: "true"')
kv = f'kv: {{ content: "{os.environ["KV"]}" }}'
open("edge.yaml", "w").write(text[:text.index("targets:")] + f"""targets:
  aws: {{ provider: aws, {kv} }}
  vercel: {{ provider: vercel, team: team_acme, {kv} }}
""")
EOF
}

teardown() {
    stop_fake
    stop_kv
}

on_aws() {
    start_fake aws
    export AWS_ENDPOINT_URL=$FAKE AWS_ACCESS_KEY_ID=AKIDTEST AWS_SECRET_ACCESS_KEY=aws-secret-key
    fake call '{"name": "set", "slow": 1}' >/dev/null
}

on_vercel() {
    start_fake vercel --edge
    export EDGECTL_VERCEL_API=$FAKE VERCEL_TOKEN=vctoken HTTPS_PROXY=$FAKE SSL_CERT_FILE=$PWD/fake/ca.pem
}

# change TEXT: the next release is another one.
change() {
    sed -i "s/b-percent: \"[0-9]*\"/b-percent: \"$1\"/" edge.yaml
}

# Deployed, again with nothing to do, changed, and taken back.
life_of() {
    edgectl deploy --target "$1"
    expect_status 0
    expect_in "$output" "serves '$1' at https://"
    edgectl deploy --target "$1"
    expect_status 0
    expect_in "$output" "nothing to do"
    mv .edgectl kept # as in a CI job, whose checkout is new
    edgectl deploy --target "$1"
    expect_status 0
    expect_in "$output" "nothing to do"
    rm -rf .edgectl && mv kept .edgectl
    edgectl --json versions --target "$1"
    first=$(python3 -c 'import json, sys; print(json.loads(sys.argv[1])[0]["id"])' "$output")
    change 10
    edgectl deploy --target "$1"
    expect_status 0
    edgectl rollback --target "$1"
    expect_status 0
    edgectl --json versions --target "$1"
    expect_in "$output" "$first"
    [[ $output != *"$ADMIN_TOKEN"* ]]
    edgectl secret list --target "$1"
    expect_status 0
    expect_in "$output" admin-token
    edgectl doctor --target "$1"
    expect_status 0
    no_violations
}

@test "to AWS: deployed, changed, taken back" {
    on_aws
    life_of aws
    expect_in "$(fake state)" '"/edgectl/app/kv/content/token":{"Value":"kv-token"'
    [ "$(fake state | grep -o 'function:app:1<' | wc -l)" -eq 1 ]
    edgectl destroy --target aws --confirm app
    expect_status 0
    expect_in "$(fake state)" '"functions":{},"distributions":{}'
}

@test "to Vercel: deployed, changed, taken back" {
    on_vercel
    life_of vercel
    expect_in "$(fake state)" '"KV_CONTENT_TOKEN":"kv-token"'
    expect_in "$(kv_fake state)" '"edgectl:KV_CONTENT":["'
    FAKE=$KV no_violations
    edgectl destroy --target vercel --confirm app
    expect_status 0
    expect_in "$(fake state)" '"projects":{}'
}

@test "a KV store that is a REST store needs its token once" {
    on_aws
    unset KV_CONTENT_TOKEN
    edgectl deploy --target aws
    expect_status 8
    expect_in "$stderr" "KV_CONTENT_TOKEN is not set"
    UPSTASH_REDIS_REST_TOKEN=kv-token edgectl deploy --target aws
    expect_status 0
    edgectl deploy --target aws
    expect_status 0
    [[ $output$stderr != *kv-token* ]]
    no_violations
}
