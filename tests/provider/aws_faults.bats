#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The AWS driver when AWS misbehaves, when its keys are not good, and when it is killed.

load ../lib
load ship

setup() {
    scratch
    start_fake aws
    unset "${!AWS_@}"
    export AWS_ENDPOINT_URL=$FAKE AWS_ACCESS_KEY_ID=AKIDTEST AWS_SECRET_ACCESS_KEY=aws-secret-key
    cat >edge.yaml <<'EOF'
name: shop
build: { command: "true", artifact: app.wasm }
targets: { prod: { provider: aws } }
EOF
    python3 -c 'import zipfile
for n in 1, 2:
    with zipfile.ZipFile(f"b{n}.zip", "w") as z:
        z.writestr("lambda/index.js", f"exports.handler = {n}")'
    # No wait of the fake's is the subject here.
    fake call '{"name": "slow", "reads": 0}' >/dev/null
}

teardown() {
    stop_fake
}

deploy() {
    ship prod deploy "b$1.zip" "rel$1" "secrets/api=d$1"
}

# What there must be after a release, however it came about.
check_whole() {
    fake state | python3 -c '
import json, sys
s = json.load(sys.stdin)
assert list(s["roles"]) == ["edgectl-shop"], s["roles"]
assert list(s["roles"]["edgectl-shop"]["policies"]) == ["edgectl"], s["roles"]
versions = s["functions"]["shop"]["versions"]
assert len(versions) == int(sys.argv[1]), versions
d = [x for x in s["distributions"].values() if not x["staging"]]
assert len(d) == 1 and len(s["distributions"]) <= 2 and len(s["policies"]) <= 1, s
assert "function:shop:" + sys.argv[1] in d[0]["config"], d' "$1"
    no_violations
}

@test "what passes is tried again: busy, down, cut off, half an answer" {
    cases='
POST-/$ {"kind": "429"}
GET-/2015 {"kind": "status", "status": 503, "times": 2}
GET-/2020 {"kind": "status", "status": 500}
GET-/2020 {"kind": "reset"}
GET-/2020 {"kind": "trickle"}
PUT-/2020.*/config {"kind": "status", "status": 503}
PUT-/2015.*/code {"kind": "reset"}'
    deploy 1
    expect_status 0
    ship_ok prod split 1
    while read -r match fault; do
        [ -n "$match" ] || continue
        fake fault "{\"match\": \"${match/-/ }\", ${fault#\{}" >/dev/null
    done <<<"$cases"
    deploy 2
    expect_status 0
    ship_ok prod split 2
    check_whole 2
}

@test "what stays is told in AWS's words, with the exit status for it" {
    while IFS='|' read -r match fault code words; do
        [ -n "$match" ] || continue
        fake reset >/dev/null
        fake fault "{\"match\": \"$match\", \"times\": -1, $fault}" >/dev/null
        EDGECTL_API_TIMEOUT=2 ship prod plan b1.zip rel1
        echo "$match $fault: $status $stderr"
        [ "$status" -eq "$code" ]
        expect_in "$stderr" "$words"
        expect_in "$stderr" "hint: "
    done <<'EOF'
GET /2015|"kind": "429", "after": 300|6|ThrottlingException
GET /2015|"kind": "status", "status": 503|6|ServiceUnavailable
GET /2015|"kind": "html"|6|HTML instead of JSON
GET /2020|"kind": "html"|6|no valid XML
GET /2015|"kind": "silence"|6|AWS Lambda
GET /2020|"kind": "truncated"|6|CloudFront
EOF
}

@test "keys that are missing, wrong, expired or cut short: exit status 8, and where they came from" {
    unset AWS_SECRET_ACCESS_KEY
    ship prod whoami
    expect_status 8
    expect_in "$stderr" "AWS_SECRET_ACCESS_KEY is not"
    unset AWS_ACCESS_KEY_ID
    ship prod whoami
    expect_status 8
    expect_in "$stderr" "AWS_ACCESS_KEY_ID"
    expect_in "$stderr" "$HOME/.aws/credentials"
    AWS_ACCESS_KEY_ID=AKIDOTHER AWS_SECRET_ACCESS_KEY=some-secret-of-mine ship prod whoami
    expect_status 8
    expect_in "$stderr" UnrecognizedClientException
    [[ $stderr != *some-secret-of-mine* ]]
    AWS_ACCESS_KEY_ID=AKIDTEST AWS_SECRET_ACCESS_KEY=wrong-secret ship prod whoami
    expect_status 8
    expect_in "$stderr" SignatureDoesNotMatch
    AWS_ACCESS_KEY_ID=AKIDTEST AWS_SECRET_ACCESS_KEY=aws-secret-key AWS_SESSION_TOKEN=old-token \
        ship prod whoami
    expect_status 8
    expect_in "$stderr" ExpiredTokenException
    expect_in "$stderr" "edgectl doctor"
    [[ $stderr != *old-token* ]]
}

@test "a web identity token, a role with another profile's keys, a process" {
    unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
    echo oidc-token >token
    AWS_WEB_IDENTITY_TOKEN_FILE=$PWD/token AWS_ROLE_ARN=arn:aws:iam::1:role/ci ship_ok prod whoami
    expect_in "$output" 'role arn:aws:iam::1:role/ci by AWS_WEB_IDENTITY_TOKEN_FILE", "expires": true'
    echo bad >token
    AWS_WEB_IDENTITY_TOKEN_FILE=$PWD/token AWS_ROLE_ARN=arn:aws:iam::1:role/ci ship prod whoami
    expect_status 8
    expect_in "$stderr" InvalidIdentityToken
    AWS_WEB_IDENTITY_TOKEN_FILE=$PWD/nothing AWS_ROLE_ARN=arn:aws:iam::1:role/ci ship prod whoami
    expect_status 8
    expect_in "$stderr" "$PWD/nothing"

    mkdir -p "$HOME/.aws"
    cat >"$HOME/.aws/config" <<EOF
[profile deployer]
role_arn = arn:aws:iam::1:role/deploy
source_profile = base
[profile refused]
role_arn = arn:aws:iam::1:role/deploy
external_id = wrong
source_profile = base
[profile process]
credential_process = echo '{"Version": 1, "AccessKeyId": "AKIDTEST", "SecretAccessKey": "aws-secret-key"}'
EOF
    printf '[base]\naws_access_key_id=AKIDTEST\naws_secret_access_key=aws-secret-key\n' >"$HOME/.aws/credentials"
    AWS_PROFILE=deployer ship_ok prod whoami
    expect_in "$output" "role arn:aws:iam::1:role/deploy by profile 'deployer'"
    AWS_PROFILE=refused ship prod whoami
    expect_status 8
    expect_in "$stderr" "sts:AssumeRole"
    AWS_PROFILE=process ship_ok prod whoami
    expect_in "$output" "credential_process of profile 'process'"
    no_violations
}

# Each of them by itself in check-fault; else a sample.
stride() {
    [ -n "${TEST_FAULT_FULL-}" ] && echo 1 || echo 3
}

@test "killed before or after any request, the next run ends what was begun" {
    nth=1
    step=$(stride)
    while :; do
        for when in before after; do
            stop_fake
            rm -rf fake state
            start_fake aws
            export AWS_ENDPOINT_URL=$FAKE
            fake call '{"name": "slow", "reads": 0}' >/dev/null
            ship_killed "$nth" "$when" prod deploy b1.zip rel1 secrets/api=d1
            [ "$status" -ne 0 ] || break 2
            [ "$status" -eq 137 ]
            deploy 1
            expect_status 0
            ship_ok prod split 1
            check_whole 1 || {
                echo "killed $when request $nth"
                return 1
            }
        done
        nth=$((nth + step))
    done
    [ "$nth" -gt 15 ]
}

@test "killed at any request of a canary or a promotion, the next run ends it" {
    step=$(stride)
    for want in "1 2=500" 2; do
        nth=1
        while :; do
            for when in before after; do
                stop_fake
                rm -rf fake state
                start_fake aws
                export AWS_ENDPOINT_URL=$FAKE
                fake call '{"name": "slow", "reads": 0}' >/dev/null
                deploy 1
                ship_ok prod split 1
                deploy 2
                [ "$want" != 2 ] || ship_ok prod split 1 2=500
                # shellcheck disable=SC2086
                ship_killed "$nth" "$when" prod split $want
                [ "$status" -ne 0 ] || break 2
                # shellcheck disable=SC2086
                ship_ok prod split $want
                ship_ok prod get-split
                case $want in
                2) expect_in "$output" '[{"version": "2", "bp": 10000}]' ;;
                *) expect_in "$output" '{"version": "2", "bp": 500}]' ;;
                esac
                no_violations
            done
            nth=$((nth + step))
        done
        [ "$nth" -gt 6 ]
    done
}
