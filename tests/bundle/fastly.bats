#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Packages, judged by the provider's own CLI.
load ../lib

setup() {
    scratch
    FASTLY=$(HOME=$TEST_HOME "$BATS_TEST_DIRNAME/peers/install" fastly) || skip "no Fastly CLI"
    export FASTLY_API_TOKEN=none
    printf '(module (memory (export "memory") 2) (func (export "_start")))' >app.wat
}

fastly() {
    run --separate-stderr "$FASTLY" compute "$@" --non-interactive </dev/null
    expect_status 0
}

# What the CLI calls the content of a package.
their_hash() {
    fastly hash-files --skip-build --package "$1"
    grep -oE '^[0-9a-f]{128}$' <<<"$output"
}

our_hash() {
    python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["package"]["files_hash"])' \
        "$1.release.json"
}

@test "fastly: its CLI accepts the package, and both call its content the same" {
    printf 'name: shop\nbuild: { artifact: app.wat }\n' >edge.yaml
    edgectl bundle --target fastly --out shop.tar.gz
    expect_status 0
    fastly validate --package shop.tar.gz
    expect_in "$output$stderr" "Validated package"
    [ "$(their_hash shop.tar.gz)" = "$(our_hash shop.tar.gz)" ]
}

@test "fastly: the same with assets and names that need care" {
    mkdir -p public/a public/b
    echo one >public/a/z.txt
    echo two >public/b/a.txt
    : >public/empty
    cat >edge.yaml <<'E'
name: my_shop.example
build: { artifact: app.wat }
static: { /: public }
E
    edgectl bundle --target fastly --out shop.tar.gz
    expect_status 0
    fastly validate --package shop.tar.gz
    [ "$(their_hash shop.tar.gz)" = "$(our_hash shop.tar.gz)" ]
}

@test "fastly: the layout is that of its own pack" {
    printf 'name: my_shop.example\nbuild: { artifact: app.wat }\n' >edge.yaml
    edgectl bundle --target fastly --out ours.tar.gz
    expect_status 0
    tar xzf ours.tar.gz
    mkdir theirs
    cp my-shop-example/fastly.toml my-shop-example/bin/main.wasm theirs
    (cd theirs && "$FASTLY" compute pack --wasm-binary main.wasm --non-interactive >/dev/null 2>&1)
    # it has folders as entries, too
    [ "$(tar tzf theirs/pkg/my-shop-example.tar.gz | grep '\.' | sort)" = "$(tar tzf ours.tar.gz | sort)" ]
    [ "$(their_hash theirs/pkg/my-shop-example.tar.gz)" = "$(our_hash ours.tar.gz)" ]
    fastly validate --package ours.tar.gz
}
