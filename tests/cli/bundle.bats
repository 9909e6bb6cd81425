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

@test "bundle: for a Worker, a folder of modules with the metadata of the upload" {
    project
    sed -i 's/provider: fastly, .*/provider: cloudflare, kv: { sessions: 0f2a } }/' edge.yaml
    edgectl bundle --target edge --out worker --json
    expect_status 0
    [ "$(json 'r["parts"][0]["name"]')" = cloudflare/index.js ]
    [ "$(json 'r["metadata"]["bindings"][0]["namespace_id"]')" = 0f2a ]
    [ -f worker/app.wasm ] && [ -f worker/core/host.js ] && [ -f worker/assets/files/index.html ]
    ! grep -rq "$SHOP_API_KEY" worker worker.release.json
    edgectl bundle --verify worker
    expect_status 0
    echo x >>worker/bindings.js
    edgectl bundle --verify worker
    expect_status 1
    expect_in "$stderr" "'bindings.js' is not what was bundled"
}

@test "bundle: over a limit is exit status 7, with the number, the limit, its date and what to do" {
    project
    echo '(module (memory (export "memory") 3000) (func (export "_start")))' >app.wat
    edgectl bundle --target edge --out out.tar.gz
    expect_status 7
    expect_in "$stderr" "188 MiB (196608000 bytes); fastly allows 128 MiB (134217728 bytes)"
    expect_in "$stderr" "2025-10-09"
    expect_in "$stderr" "use less memory"
    [ ! -e out.tar.gz ] && [ ! -e out.tar.gz.release.json ]
}

@test "bundle: a secret that would be shipped stops it, and is not shown" {
    project
    printf 'var k = "%s"' "$(printf %s "$SHOP_API_KEY" | base64)" >public/app.js
    edgectl bundle --target edge --out out.tar.gz
    expect_status 1
    expect_in "$stderr" "the secret 'api-key' of store 'secrets' stands in"
    expect_in "$stderr" "public/app.js at byte 9, as base64"
    [[ $stderr != *"$SHOP_API_KEY"* ]]
    [ ! -e out.tar.gz ]
}

@test "bundle: what is no guest, or is not there" {
    project
    echo hello >app.wat
    edgectl bundle --target edge
    expect_status 1
    expect_in "$stderr" "app.wat"
    rm app.wat
    edgectl bundle --target edge
    expect_status 1
    expect_in "$stderr" "build it first"
    edgectl bundle --target nowhere
    expect_status 9
    expect_in "$stderr" "no target 'nowhere'"
}

@test "bundle: a binding that the target lacks" {
    project
    edgectl bundle --target aws
    expect_status 9
    expect_in "$stderr" "target 'aws' (aws) cannot have KV store 'sessions'"
}

@test "bundle: a full disk leaves the old bundle, and nothing else" {
    project
    edgectl bundle --target edge --out out.tar.gz
    expect_status 0
    local before
    before=$(sha256sum out.tar.gz out.tar.gz.release.json)
    head -c 3000000 /dev/urandom >public/big
    # a limit on the size of files stands for the disk
    run --separate-stderr bash -c 'ulimit -f 1000; trap "" XFSZ; "$EDGECTL" bundle --target edge --out out.tar.gz'
    expect_status 1
    expect_in "$stderr" "cannot write"
    [ "$(sha256sum out.tar.gz out.tar.gz.release.json)" = "$before" ]
    [ "$(find . -name 'out.tar.gz*' | wc -l)" -eq 2 ]
}

@test "bundle: the report has every import, every target, sizes against limits, and the start" {
    project
    edgectl bundle --report
    expect_status 0
    expect_in "$output" "imports"
    expect_in "$output" "cloudflare-free"
    edgectl bundle --report --json
    expect_status 0
    [ "$(json 'r["imports"]')" = "[{'module': 'fastly_http_resp', 'name': 'new', 'fastly': 'native', 'cloudflare': 'host', 'aws': 'host', 'vercel': 'host'}]" ]
    [ "$(json 'r["startup"]["runs"] >= 20 and 0 < r["startup"]["p50_ms"] <= r["startup"]["p99_ms"]')" = True ]
    [ "$(json 'all(l["within"] and l["date"] for l in r["limits"])')" = True ]
}

@test "bundle: the record knows the commit, and whether something differs from it" {
    project
    git init -q .
    git -c user.name=t -c user.email=t@example.com add -A
    git -c user.name=t -c user.email=t@example.com commit -qm one
    edgectl bundle --target edge --out "$BATS_TEST_TMPDIR/out.tar.gz" --json
    expect_status 0
    [ "$(json 'r["git"]["revision"]')" = "$(git rev-parse HEAD)" ]
    local id clean
    clean=$(json 'r["git"]["dirty"]')
    id=$(json 'r["id"]')
    echo more >public/more.txt
    edgectl bundle --target edge --out "$BATS_TEST_TMPDIR/out.tar.gz" --json
    [ "$clean $(json 'r["git"]["dirty"]')" = "False True" ]
    [ "$(json 'r["id"]')" != "$id" ]
}
