# SPDX-License-Identifier: Apache-2.0
# Rollouts on the fake of each provider: real drivers, expired tokens. Kills: kill.bats.
bats_require_minimum_version 1.5.0
load ../lib
load ../provider/ship

setup() {
    scratch
    unset "${!CLOUDFLARE_@}" "${!CF_@}" "${!AWS_@}" "${!VERCEL_@}"
    # The fakes stand beside the provider's own tests.
    BATS_TEST_DIRNAME=$BATS_TEST_DIRNAME/../provider
    small_wasm >app.wasm
    export REL=0
}

teardown() {
    stop_fake
}

# provider NAME [KEYS of the target]
provider() {
    kind=$1
    cat >edge.yaml <<EOF
name: shop
build: { artifact: app.wasm }
backends: { origin: { url: "https://origin.example.com" } }
config: { flags: { rel: "\${REL}" } }
targets: { prod: { provider: $kind${2:+, $2} } }
rollout:
  steps: [10%, 100%]
  soak: 0s
  poll: 100ms
  deadline: 20s
  gates: [{errors: {max-ratio: 2}}]
  evidence: { command: "sh ./count" }
EOF
}

# A fresh fake with a version that has all traffic, $old, and one without, $new.
begin() {
    stop_fake
    rm -rf fake state
    start_fake "$kind" --edge
    # Deployed apps are reached through the fake, as its edge.
    export HTTPS_PROXY=$FAKE SSL_CERT_FILE=$PWD/fake/ca.pem
    case $kind in
    cloudflare) export CLOUDFLARE_API_BASE_URL=$FAKE/client/v4 CLOUDFLARE_API_TOKEN=cf-token ;;
    fastly) export FASTLY_API_ENDPOINT=$FAKE FASTLY_API_TOKEN=fs-token FASTLY_USE_API_SIGNING_KEY=1 ;;
    aws) export AWS_ENDPOINT_URL=$FAKE AWS_ACCESS_KEY_ID=AKIDTEST AWS_SECRET_ACCESS_KEY=aws-secret-key ;;
    vercel) export EDGECTL_VERCEL_API=$FAKE VERCEL_TOKEN=vctoken ;;
    esac
    REL=1 ship_ok prod deploy app "release 1"
    old=$(field version)
    ship_ok prod split "$old"
    REL=2 ship_ok prod deploy app "release 2"
    new=$(field version)
    counts 0
}

# Counts that grow at each look: the new version's errors per 1,000 requests.
counts() {
    echo 0 >looks
    cat >count <<EOF
n=\$((\$(cat looks) + 1))
echo \$n >looks
printf '{"versions": {"%s": {"requests": %d, "errors": %d}, "%s": {"requests": %d, "errors": %d}}}' \
    "\$EDGECTL_ROLLOUT_STABLE" \$((n * 9000)) \$((n * 45)) \
    "\$EDGECTL_ROLLOUT_CANARY" \$((n * 1000)) \$((n * $1))
EOF
}

rollout() {
    edgectl rollout "$@" --target prod --state state
}

# All traffic is on that version.
whole() {
    ship_ok prod get-split
    python3 - "$output" "$1" <<'EOF'
import json, sys
arms = [a for a in json.loads(sys.argv[1])["arms"] if a["bp"]]
assert arms == [{"version": sys.argv[2], "bp": 10000}], arms
EOF
}

both_ways() {
    begin
    rollout run
    expect_status 0
    whole "$new"
    begin
    counts 50
    rollout run
    expect_status 3
    expect_in "$stderr" "errors: worse than the stable version"
    whole "$old"
}

@test "cloudflare: a good version gets all traffic, a bad one is put back" {
    provider cloudflare
    both_ways
}

@test "cloudflare: an expired token is status 8, and resume goes on with a new one" {
    provider cloudflare
    sed -i 's/steps: .10%,/steps: [{percent: 10%, approval: true},/' edge.yaml
    begin
    rollout start
    expect_status 0
    CLOUDFLARE_API_TOKEN=expired rollout resume
    expect_status 8
    CLOUDFLARE_API_TOKEN=expired rollout abort
    expect_status 8
    rollout abort
    expect_status 0
    whole "$old"
}

@test "fastly, by its router: both ways" {
    provider fastly "router: true"
    both_ways
}

@test "aws: both ways" {
    provider aws
    both_ways
}

@test "vercel: both ways" {
    provider vercel "team: team_acme"
    both_ways
}
