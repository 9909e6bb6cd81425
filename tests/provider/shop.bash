# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# One app for the tests of a driver against its fake: load ../lib and ship, then this. A file sets
#
#     SHOP_PROVIDER   whose driver
#     SHOP_KEYS       a line of the manifest besides
#     SHOP_STATE      Python: names for parts of the fake's state, `s`

teardown() {
    stop_fake
}

# In setup: the fake runs, as the edge too through which deployed apps are reached; a manifest.
shop() {
    start_fake "$SHOP_PROVIDER" --edge
    export HTTPS_PROXY=$FAKE SSL_CERT_FILE=$PWD/fake/ca.pem REL=1
    small_wasm >app.wasm
    manifest
}

# manifest [KEYS of the target]
manifest() {
    cat >edge.yaml <<EOF
name: shop
build: { artifact: app.wasm }
${SHOP_KEYS-}
kv: { sessions: { entries: { a: "1", b: { text: two, metadata: m } } } }
config: { flags: { rel: "\${REL}" } }
secrets: { api-key: }
targets: { prod: { provider: $SHOP_PROVIDER${1:+, $1} } }
EOF
}

# deploy N: release N; $version is its version.
deploy() {
    REL=$1 ship_ok prod deploy app "release $1" "secrets/api-key=secret-$1"
    version=$(field version)
}

# state EXPRESSION: of Python, about `s` and what SHOP_STATE names.
state() {
    fake state | python3 -c 'import json, sys
s = json.load(sys.stdin)
exec(sys.argv[2])
print(eval(sys.argv[1]))' "$1" "$SHOP_STATE"
}

# split ARMS: the traffic is divided so.
split() {
    ship_ok prod get-split
    expect_in "$output" "\"arms\": $1"
}
