#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The same work by Vercel's own CLI and by the driver, both against the fake: what was sent is
# compared. What may differ, and why, stands in parity_vercel.py.

load ../lib
load ship
load peers

setup() {
    scratch
    peer node vercel
    unset "${!VERCEL_@}"
    export VERCEL_TOKEN=vctoken VERCEL_TELEMETRY_DISABLED=1
    cat >edge.yaml <<'EOF'
name: shop
build: { command: "true", artifact: app.wasm }
targets: { prod: { provider: vercel, team: team_acme } }
EOF
    mkdir -p .vercel/output/functions/index.func
    echo '{"version":3,"routes":[]}' >.vercel/output/config.json
    echo '{"runtime":"nodejs24.x","handler":"index.js","launcherType":"Nodejs"}' \
        >.vercel/output/functions/index.func/.vc-config.json
    echo 'export default 1' >.vercel/output/functions/index.func/index.js
}

teardown() {
    stop_fake
}

# A fake with a project that serves something; $stable is that.
fresh() {
    rm -rf fake state
    start_fake vercel
    export EDGECTL_VERCEL_API=$FAKE
    fake call '{"name": "set", "slow": 0}' >/dev/null
    stable=$(fake call '{"name": "project", "deployed": true}' |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["production"])')
}

# newest [KIND]: the deployment, or what else, that was made last.
newest() {
    fake state | python3 -c 'import json, sys
print(list(json.load(sys.stdin)[sys.argv[1]])[-1])' "${1:-deployments}"
}

# tail_line DEPLOYMENT: there is something in its log.
tail_line() {
    fake call "{\"name\": \"set\", \"log_rows\": [{\"deployment\": \"$1\", \"rowId\": \"1\", \"level\": \"info\",
        \"source\": \"serverless\", \"timestampInMs\": 5, \"domain\": \"d\", \"messageTruncated\": false,
        \"requestMethod\": \"GET\", \"requestPath\": \"/x\", \"responseStatusCode\": 200,
        \"message\": \"hello\"}]}" >/dev/null
}

vercel() {
    timeout 60 "$PEER" "$@" --api "$FAKE" >>vercel.log 2>&1 || {
        tail -n 20 vercel.log
        return 1
    }
}

@test "requests are those of Vercel's own CLI" {
    fresh
    ship_ok prod deploy .vercel/output rel1
    canary=$(newest)
    ship_ok prod stages 1000 5000 10000
    ship_ok prod split "$stable" "$canary=5000"
    ship_ok prod split "$canary"
    ship_ok prod split "$stable"
    ship_ok prod stages 1000 10000
    ship_ok prod split "$stable" "$canary=1000"
    ship_ok prod split "$stable"
    ship_ok prod put secret secrets api d1
    ship_ok prod remove secret secrets api
    ship_ok prod versions
    ship_ok prod note rollout text
    id=$(newest configs)
    echo 'config: { flags: { a: "1" } }' >>edge.yaml
    sed -i "s/team: team_acme/team: team_acme, config: { flags: $id }/" edge.yaml
    ship_ok prod put config flags beta on
    ship_ok prod list config flags
    ship_ok prod purge t
    ship_ok prod purge
    edgectl purge t --soft --target prod
    expect_status 0
    tail_line "$stable"
    ship_ok prod logs 1 "$stable"
    no_violations
    fake requests >ours.json
    stop_fake

    fresh
    export VERCEL_ORG_ID=team_acme VERCEL_PROJECT_ID=prj_00000001
    vercel deploy --prebuilt --prod --skip-domain --yes
    canary=$(newest)
    stages='[{"targetPercentage":10},{"targetPercentage":50},{"targetPercentage":100}]'
    vercel rolling-release configure \
        --cfg "{\"enabled\":true,\"advancementType\":\"manual-approval\",\"stages\":$stages}"
    vercel rolling-release start --dpl "$canary" --yes
    vercel rolling-release approve --dpl "$canary" --currentStageIndex 0
    vercel rolling-release complete --dpl "$canary"
    vercel promote "$stable" --yes --timeout 0 --scope team_acme
    vercel rollback "$canary" --yes --timeout 0 --scope team_acme
    printf d1 | vercel env add SECRET_API production,preview --sensitive --yes --force
    vercel env rm SECRET_API --yes
    vercel list --prod
    vercel global-config add edgectl-shop
    id=$(newest configs)
    vercel global-config update "$id" --patch '{"items":[{"operation":"upsert","key":"beta","value":"on"}]}'
    vercel global-config items "$id"
    vercel cache dangerously-delete --tag t --yes
    vercel cache purge --yes
    vercel cache invalidate --tag t --yes
    tail_line "$stable"
    vercel logs "$stable" --follow --scope team_acme
    no_violations
    fake requests >theirs.json
    python3 "$BATS_TEST_DIRNAME/parity_vercel.py" ours.json theirs.json
}
