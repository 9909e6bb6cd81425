#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load ../lib

guest='(module
  (import "fastly_http_resp" "new" (func $new (param i32) (result i32)))
  (memory (export "memory") 2)
  (func (export "_start") (drop (call $new (i32.const 0)))))'

# A project with one of each kind of thing.
project() {
    mkdir -p public/img
    printf '%s\n' "$guest" >app.wat
    echo '<h1>hello</h1>' >public/index.html
    printf '\211PNG' >public/img/logo.png
    echo hidden >public/.htaccess
    cat >edge.yaml <<'E'
name: shop
build: { artifact: app.wat }
backends: { origin: { url: https://origin.example.com, timeout: 5s } }
kv: { sessions: {} }
config: { flags: { beta: "off" } }
secrets: { api-key: { env: SHOP_API_KEY } }
static: { /files: public }
targets:
  edge: { provider: fastly, service: OOaJq4HVv57fNDv86Qfzf5 }
E
    export SHOP_API_KEY=correct-horse-battery
}

json() {
    python3 -c 'import json, sys; print(eval(sys.argv[1], {"r": json.load(sys.stdin)}))' "$1" <<<"$output"
}

@test "bundle: a package for Fastly, and its record" {
    project
    edgectl bundle --target edge --out out/shop.tar.gz --json
    expect_status 0
    [ "$(json 'r["provider"] + " " + r["target"] + " " + r["app"]')" = "fastly edge shop" ]
    [ "$(json '[p["name"] for p in r["parts"]]')" = "['shop/assets/files/img/logo.png', 'shop/assets/files/index.html', 'shop/bin/main.wasm', 'shop/fastly.toml']" ]
    [ "$(json 'r["config"]["flags"]["beta"]')" = off ]
    expect_in "$(json 'r["secrets"][0]')" "secrets/api-key@"
    [ "$(json 'r["imports"]')" = "[{'module': 'fastly_http_resp', 'name': 'new', 'support': 'native'}]" ]
    [ "$(tar tzf out/shop.tar.gz | sort)" = "$(json '"\n".join(p["name"] for p in r["parts"])')" ]
    tar xzOf out/shop.tar.gz shop/fastly.toml | grep -q '^service_id = "OOaJq4HVv57fNDv86Qfzf5"$'
    ! grep -r "$SHOP_API_KEY" out
    edgectl bundle --verify out/shop.tar.gz
    expect_status 0
    expect_in "$output" "good, for fastly: 4 files"
}

@test "bundle: the same bytes from another folder, user, time, locale, umask and order of files" {
    project
    edgectl bundle --target edge --out one.tar.gz --json
    local id
    id=$(json 'r["id"]')
    mkdir other
    # the files are made in another order
    cp app.wat edge.yaml other
    mkdir -p other/public/img
    cp public/img/logo.png other/public/img
    cp public/index.html public/.htaccess other/public
    touch -d '2001-02-03' other/public/index.html
    chmod 600 other/public/index.html
    chmod 700 other/app.wat
    cd other
    umask 077
    TZ=Asia/Tokyo LC_ALL=C USER=nobody edgectl bundle --target edge --out two.tar.gz --json
    expect_status 0
    [ "$(json 'r["id"]')" = "$id" ]
    cmp ../one.tar.gz two.tar.gz
    [ "$(stat -c %a two.tar.gz)" = 644 ]
}
