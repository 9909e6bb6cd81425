#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The AWS driver when AWS misbehaves, when its keys are not good, and when it is killed.

load ../lib
load ship
load cases

READ='GET /2015-03-31/functions/shop/configuration'
MAKE='POST /2015-03-31/functions$'
WRITE='POST /2015-03-31/functions/shop/versions'

setup() {
    scratch
    unset "${!AWS_@}"
    cat >edge.yaml <<'EOF'
name: shop
build: { command: "true", artifact: app.wasm }
targets: { prod: { provider: aws } }
EOF
    python3 -c 'import zipfile
for n in 1, 2:
    with zipfile.ZipFile(f"b{n}.zip", "w") as z:
        z.writestr("lambda/index.js", f"exports.handler = {n}")'
    begin
}

teardown() {
    stop_fake
}

begin() {
    afresh aws
    export AWS_ENDPOINT_URL=$FAKE AWS_ACCESS_KEY_ID=AKIDTEST AWS_SECRET_ACCESS_KEY=aws-secret-key
    # No wait of the fake's is the subject here.
    fake call '{"name": "set", "slow": 0, "young_role_tries": 0}' >/dev/null
}

release() {
    last=$1
    ship_maybe_killed prod deploy "b$1.zip" "rel$1" "secrets/api=d$1"
    [ "$status" -ne 0 ] || version=$(field version)
}

# What there must be after so many releases, however they came about.
whole() {
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

@test "what passes does no harm" {
    what_passes
}

@test "what stays is told in AWS's words, and the next run goes on from there" {
    what_stays
}

@test "XML that is none, or half of it" {
    for kind in html truncated; do
        fake fault "{\"match\": \"GET /2020\", \"kind\": \"$kind\", \"times\": -1}"
        release 1
        expect_status 6
        expect_in "$stderr" 'no valid XML'
        expect_in "$stderr" 'hint: '
        fake heal
    done
    # An upload whose answer was lost is not mistaken for somebody else's.
    release 1
    fake fault '{"match": "PUT /2015.*/code", "kind": "reset"}'
    release 2
    expect_status 0
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
    printf '[profile stuck]\ncredential_process = exec >&-; sleep 1000\n' >>"$HOME/.aws/config"
    AWS_PROFILE=stuck ship prod whoami
    expect_status 8
    expect_in "$stderr" "closed its output but did not end"
    AWS_PROFILE=deployer ship_ok prod whoami
    expect_in "$output" "role arn:aws:iam::1:role/deploy by profile 'deployer'"
    AWS_PROFILE=refused ship prod whoami
    expect_status 8
    expect_in "$stderr" "sts:AssumeRole"
    AWS_PROFILE=process ship_ok prod whoami
    expect_in "$output" "credential_process of profile 'process'"
    no_violations
}

@test "a process may ask for something at the terminal" {
    unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
    mkdir -p "$HOME/.aws"
    printf '[profile asking]\ncredential_process = sh ./ask\n' >"$HOME/.aws/config"
    cat >ask <<'EOF'
printf 'code? ' >/dev/tty
read -r code </dev/tty
printf '{"Version": 1, "AccessKeyId": "AKIDTEST", "SecretAccessKey": "%s"}' "$code"
EOF
    cat >terminal.py <<'EOF'
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
said = b""
while True:
    try:
        piece = os.read(terminal, 1000)
    except OSError:
        break
    if not piece:
        break
    said += piece
    if said.endswith(b"code? "):
        os.write(terminal, b"aws-secret-key\n")
print(said.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
EOF
    AWS_PROFILE=asking run timeout 60 python3 terminal.py "$TEST_TOOLS/ship" prod whoami
    expect_status 0
    expect_in "$output" "credential_process of profile 'asking'"
}

@test "killed before or after any request, the next run ends what was begun" {
    killed_anywhere : release 1
}

first() {
    release 1
    traffic
}

@test "killed at any request of the second release" {
    killed_anywhere first release 2
}

canary() {
    ship_maybe_killed prod split 1 2=500
}

two() {
    first
    release 2
}

half() {
    two
    canary
}

promote() {
    ship_maybe_killed prod split 2
}

@test "killed at any request of a canary" {
    killed_anywhere two canary
}

@test "killed at any request of its promotion" {
    killed_anywhere half promote
}
