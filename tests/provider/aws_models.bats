#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Every request of the AWS driver is what AWS's published models say. They come with AWS's own CLI.

load ../lib
load ship
load peers

setup() {
    scratch
    peer python aws
    DATA=$(echo "$(dirname "$PEER")"/../lib/python3*/site-packages/botocore/data)
    unset "${!AWS_@}"
    export AWS_ACCESS_KEY_ID=AKIDTEST AWS_SECRET_ACCESS_KEY=aws-secret-key
    start_fake aws
    export AWS_ENDPOINT_URL=$FAKE
    fake call '{"name": "set", "slow": 1, "young_role_tries": 1, "future": false}' >/dev/null
    small_wasm >app.wasm
    cat >edge.yaml <<'EOF'
name: shop
build: { artifact: app.wasm }
backends: { origin: { url: "https://origin.example.com" } }
kv: { sessions: { entries: { a: "1" } } }
config: { flags: { rel: "${REL}" } }
secrets: { token: { env: TOKEN } }
targets:
  prod: { provider: aws, kv: { sessions: shop-sessions }, config: { flags: shop-flags } }
EOF
    export REL=1 TOKEN=s3cret
}

teardown() {
    stop_fake
}

# of_the_models OPERATION...: all that was sent is right, and these were among it.
of_the_models() {
    fake requests >requests.json
    python3 -B "$BATS_TEST_DIRNAME/aws_model.py" "$DATA" requests.json "$@"
    no_violations
}

to() {
    edgectl "$@" --target prod --state state
    expect_status 0
}

@test "deploys, splits, promotion, rollback" {
    to doctor
    to deploy
    REL=2 ship_ok prod deploy app "release 2" secrets/token=other
    ship_ok prod split 1 2=0
    ship_ok prod split 1 2=500
    ship_ok prod split 2
    ship_ok prod split 1
    ship_ok prod versions
    ship_ok prod probe 1 /
    of_the_models GetCallerIdentity GetRole CreateRole GetRolePolicy PutRolePolicy GetFunction CreateFunction \
        GetFunctionConfiguration UpdateFunctionCode PublishVersion ListVersionsByFunction GetParameter PutParameter \
        ListDistributions CreateDistributionWithTags GetDistribution UpdateDistribution ListTagsForResource \
        CopyDistribution CreateContinuousDeploymentPolicy UpdateContinuousDeploymentPolicy Invoke \
        ListContinuousDeploymentPolicies GetContinuousDeploymentPolicy UpdateDistributionWithStagingConfig
}

@test "adoption, domains" {
    fake call '{"name": "function"}' >/dev/null
    fake call '{"name": "distribution", "certificate": true}' >d.json
    id=$(python3 -c 'import json; print(json.load(open("d.json"))["id"])')
    sed -i "s/provider: aws/provider: aws, distribution: $id, domains: [app.example.com]/" edge.yaml
    to deploy
    of_the_models TagResource UpdateFunctionConfiguration UpdateDistribution
}

@test "kv, config, secrets, notes, purge, logs, metrics" {
    to deploy
    to kv put sessions b --value 2
    to kv list sessions
    to kv get sessions b
    to kv delete sessions b
    to config put flags beta on
    to config delete flags beta
    echo value | to secret put token
    to secret list
    to secret delete token
    ship_ok prod note rollout text
    ship_ok prod note rollout
    to purge --all
    ship_ok prod metrics 1 "$(date -d '-10 min' +%s)000"
    fake call "{\"name\": \"log\", \"function\": \"shop\", \"version\": 1, \"timestamp\": $(date +%s)000, \"message\": \"x\"}"
    ship_ok prod logs 1
    of_the_models CreateKeyValueStore DescribeKeyValueStore GetKey ListKeys UpdateKeys PutParameter GetParameter \
        GetParametersByPath DeleteParameters CreateInvalidation GetMetricData FilterLogEvents
}

@test "gc, destroy" {
    to deploy
    REL=2 ship_ok prod deploy app "release 2" secrets/token=other
    ship_ok prod split 1 2=500
    ship_ok prod split 2
    ship_ok prod gc 0
    ship_ok prod destroy
    of_the_models DeleteFunction DeleteDistribution DeleteContinuousDeploymentPolicy DeleteKeyValueStore \
        DeleteParameters DeleteRolePolicy DeleteRole
}

@test "the router" {
    fake call '{"name": "distribution", "policies": {"CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6",
        "OriginRequestPolicyId": "59781a5b-3903-41f3-afcb-af62929ccde1"}}' >d.json
    id=$(python3 -c 'import json; print(json.load(open("d.json"))["id"])')
    sed -i "s/provider: aws/provider: aws, router: true, distribution: $id/" edge.yaml
    to deploy
    fake call '{"name": "cf_function", "function": "edgectl-shop", "code": "x"}'
    REL=2 ship_ok prod deploy app "release 2" secrets/token=other
    ship_ok prod split 1 2=5000
    now=$(($(date +%s) / 60 * 60 - 600))
    fake call "{\"name\": \"samples\", \"version\": \"1\", \"minute\": $now, \"samples\": [[3, 0, 0]]}" >/dev/null
    ship_ok prod metrics 1 "${now}000"
    expect_in "$output" '"latency": {'
    ship_ok prod split 2
    ship_ok prod gc 0
    ship_ok prod destroy
    of_the_models CreateFunction DescribeFunction GetFunction UpdateFunction PublishFunction DeleteFunction \
        CreateKeyValueStore PutKey GetKey GetCachePolicy CreateCachePolicy ListCachePolicies DeleteCachePolicy \
        GetMetricData GetOriginRequestPolicy CreateOriginRequestPolicy ListOriginRequestPolicies DeleteOriginRequestPolicy
}

@test "a request that the models do not know is found" {
    to deploy
    fake requests | sed 's/"Runtime":/"RunTime":/; s/<Comment>/<Remark\/><Comment>/; s/"MaxItems","100"/"MaxItem","100"/' \
        >requests.json
    run python3 -B "$BATS_TEST_DIRNAME/aws_model.py" "$DATA" requests.json NoSuchOperation
    expect_status 1
    expect_in "$output" 'CreateFunction has no RunTime'
    expect_in "$output" 'has no Remark'
    expect_in "$output" "knows no query of ['MaxItem']"
    expect_in "$output" "never seen: ['NoSuchOperation']"
}
