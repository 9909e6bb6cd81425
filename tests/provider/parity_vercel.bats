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

# The deployment that was made last.
newest() {
    fake state | python3 -c 'import json, sys; print(list(json.load(sys.stdin)["deployments"])[-1])'
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
    no_violations
    fake requests >theirs.json
    python3 "$BATS_TEST_DIRNAME/parity_vercel.py" ours.json theirs.json
}
