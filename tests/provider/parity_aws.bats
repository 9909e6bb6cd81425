#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The same work by AWS's own CLI and by the driver, both against the fake: what was sent is compared,
# request by request. What may differ, and why, stands in parity_aws.py.

load ../lib
load ship
load peers

setup() {
    scratch
    peer python aws
    unset "${!AWS_@}"
    export AWS_ACCESS_KEY_ID=AKIDTEST AWS_SECRET_ACCESS_KEY=aws-secret-key AWS_DEFAULT_REGION=us-east-1
    export AWS_MAX_ATTEMPTS=1 AWS_PAGER=
    cat >edge.yaml <<'EOF'
name: shop
build: { command: "true", artifact: app.wasm }
backends: { origin: { url: "https://origin.example.com" } }
targets: { prod: { provider: aws } }
EOF
    python3 -c 'import zipfile
for n in 1, 2:
    with zipfile.ZipFile(f"b{n}.zip", "w") as z:
        z.writestr("lambda/index.js", f"exports.handler = {n}")'
}

teardown() {
    stop_fake
}

@test "requests are those of AWS's own CLI" {
    start_fake aws
    export AWS_ENDPOINT_URL=$FAKE
    fake call '{"name": "set", "slow": 0, "young_role_tries": 0}' >/dev/null
    ship_ok prod whoami
    ship_ok prod deploy b1.zip rel1 secrets/api=d1
    ship_ok prod split 1
    ship_ok prod deploy b2.zip rel2 secrets/api=d1
    ship_ok prod split 1 2=500
    ship_ok prod split 2
    ship_ok prod purge /a
    ship_ok prod metrics 2 "$(date -d '-10 min' +%s)000"
    now=$(date +%s)000
    fake call "{\"name\": \"log\", \"function\": \"shop\", \"version\": 1, \"timestamp\": $now, \"message\": \"x\"}"
    ship_ok prod logs 1
    ship_ok prod gc 0
    no_violations
    fake requests >ours.json
    stop_fake
    rm -rf fake
    start_fake aws
    export AWS_ENDPOINT_URL=$FAKE
    fake call '{"name": "set", "slow": 0, "young_role_tries": 0}' >/dev/null
    python3 "$BATS_TEST_DIRNAME/parity_aws.py" run "$PEER" ours.json
    no_violations
    fake requests >theirs.json
    python3 "$BATS_TEST_DIRNAME/parity_aws.py" compare ours.json theirs.json
}

@test "so are those for the router: function, KeyValueStore, policies" {
    start_fake aws
    export AWS_ENDPOINT_URL=$FAKE
    fake call '{"name": "set", "slow": 0, "young_role_tries": 0}' >/dev/null
    fake call '{"name": "distribution", "policies": {"CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6",
        "OriginRequestPolicyId": "59781a5b-3903-41f3-afcb-af62929ccde1"}}' >d.json
    id=$(python3 -c 'import json; print(json.load(open("d.json"))["id"])')
    sed -i "s/provider: aws/provider: aws, router: true, distribution: $id/" edge.yaml
    ship_ok prod deploy b1.zip rel1
    fake call '{"name": "cf_function", "function": "edgectl-shop", "code": "x"}' >/dev/null
    ship_ok prod deploy b1.zip rel1
    ship_ok prod split 1
    ship_ok prod destroy
    no_violations
    fake requests >ours.json
    stop_fake
    rm -rf fake
    start_fake aws
    export AWS_ENDPOINT_URL=$FAKE
    fake call '{"name": "set", "slow": 0}' >/dev/null
    python3 "$BATS_TEST_DIRNAME/parity_aws.py" router "$PEER" ours.json
    no_violations
    fake requests >theirs.json
    python3 "$BATS_TEST_DIRNAME/parity_aws.py" compare ours.json theirs.json router
}
