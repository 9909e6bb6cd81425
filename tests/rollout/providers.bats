# SPDX-License-Identifier: Apache-2.0
# Rollouts on the fake of each provider: real drivers, kill -9 around each request, expired tokens.
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
    start_fake "$kind" ${fake_options-}
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

# rollout COMMAND...: which a kill that was asked for finds when KILLABLE is set.
rollout() {
    # shellcheck disable=SC2016
    run --separate-stderr sh -c '[ -z "$KILLABLE" ] || echo $$ >pid; exec "$@"' sh \
        "$EDGECTL" rollout "$@" --target prod --state state
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

# kill -9 around each request of a rollout (a sample of them; TEST_FAULT_FULL: all), then resume or
# abort. killed_anywhere ERRORS
killed_anywhere() {
    local step=${TEST_FAULT_FULL:+1} nth=1 when turn=0 end
    while :; do
        for when in before after; do
            begin
            counts "$1"
            fake kill "{\"nth\": $nth, \"when\": \"$when\", \"pid_file\": \"$PWD/pid\"}" >/dev/null
            KILLABLE=yes rollout run
            [ "$status" -eq 137 ] || break 2
            turn=$((turn + 1))
            if ((turn % 2)); then end=resume; else end=abort; fi
            rollout "$end"
            echo "killed $when request $nth, $end: status $status $stderr"
            case $end:$status in
            resume:0) whole "$new" ;;
            resume:3 | abort:0) whole "$old" ;;
            # Nothing had begun, or all was over.
            *:2) expect_in "$stderr" "no rollout is under way" ;;
            *) return 1 ;;
            esac
        done
        nth=$((nth + ${step:-9}))
    done
    [ "$turn" -gt 1 ]
}

@test "cloudflare: a good version gets all traffic, a bad one is put back" {
    provider cloudflare
    both_ways
}

@test "cloudflare: killed around any request a good version ends whole" {
    provider cloudflare
    killed_anywhere 0
}

@test "cloudflare: killed around any request a bad version ends undone" {
    provider cloudflare
    killed_anywhere 50
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
    fake_options=--edge
    both_ways
}
