#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load ../lib

project() {
    cat >edge.yaml <<'END'
name: app
build: { artifact: app.wasm }
config:
  flags: { beta: "off", color: blue }
  texts: { file: texts.json }
END
    echo '{"hello": "world"}' >texts.json
}

@test "config: the manifest's values, overridden here" {
    project
    edgectl config get flags beta
    expect_status 0
    [ "$output" = off ]
    edgectl config put flags beta on
    expect_status 0
    edgectl config put texts new <<<'from stdin'
    edgectl config get flags beta
    [ "$output" = on ]
    edgectl config get texts new
    [ "$output" = 'from stdin' ]
    edgectl config get texts hello
    [ "$output" = world ]
    edgectl config list --json
    expect_in "$output" '{"store":"flags","key":"beta","value":"on","source":"local"}'
    expect_in "$output" '{"store":"flags","key":"color","value":"blue","source":"manifest"}'
    edgectl config delete flags beta
    expect_status 0
    edgectl config get flags beta
    [ "$output" = off ]
    edgectl config delete flags beta
    expect_status 1
    expect_in "$stderr" 'no local value'
}

@test "config: export and import" {
    project
    edgectl config put flags beta on
    "$EDGECTL" config export flags >dump
    [ "$(cat dump)" = $'{"key":"beta","value":"on"}\n{"key":"color","value":"blue"}' ]
    [ "$("$EDGECTL" config export flags --local)" = '{"key":"beta","value":"on"}' ]
    edgectl config import texts dump
    expect_status 0
    edgectl config get texts color
    [ "$output" = blue ]
    printf '%s\n' '{"key":"one","value":"1"}' '{"key":"two"}' >bad
    edgectl config import texts bad
    expect_status 1
    expect_in "$stderr" 'bad:2'
    edgectl config get texts one
    expect_status 1
}

@test "config: mistakes are told with the way out" {
    project
    edgectl config put flag beta on
    expect_status 2
    expect_in "$stderr" "did you mean 'flags'?"
    edgectl config get flag beta
    expect_status 2
    edgectl config put flags k "$(printf '%8001s' x)"
    expect_status 2
    expect_in "$stderr" '8000 characters'
    edgectl config put flags "$(printf '%257s' x)" v
    expect_status 2
    echo '{' >texts.json
    edgectl config list
    [ "$status" -ne 0 ]
    expect_in "$stderr" texts.json
}
