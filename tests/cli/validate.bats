#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load ../lib

@test "validate: a good manifest" {
    printf 'name: shop\nconfig: { flags: { beta: "off" } }\n' >edge.yaml
    edgectl validate
    expect_status 0
    [ "$output" = "edge.yaml: valid (app 'shop')" ]
    [ -z "$stderr" ]
}

@test "validate: every problem, with its place and the nearest name" {
    cat >edge.yaml <<'YAML'
name: shop
limts: { cpu: 50ms }
backends:
  origin: { url: ftp://x }
  other: { timeout: 5 }
kv: { s: { seed: none.json } }
YAML
    edgectl validate
    expect_status 9
    [ "$output" = "edge.yaml:2:1: error: unknown key 'limts'
    did you mean 'limits'?
edge.yaml:4:18: error: 'backends.origin.url' must be an http or https URL, not 'ftp://x': it must begin with http:// or https://
edge.yaml:5:3: error: in 'backends.other': 'url' is missing
edge.yaml:5:21: error: 'backends.other.timeout' must be a duration such as 50ms, 5s or 10m, not '5'
edge.yaml:6:18: error: 'none.json': No such file or directory" ]
    [ "$stderr" = "5 errors" ]
}

@test "validate: JSON has the same" {
    printf 'name: a b\n' >edge.yaml
    edgectl validate --json
    expect_status 9
    [ "$output" = '{"valid":false,"problems":[{"severity":"error","file":"edge.yaml","message":"'"'name' must be a name, not 'a b': only letters, digits, '-', '_' and '.' are allowed"'","line":1,"column":7}]}' ]
    [ -z "$stderr" ]
    printf 'name: ok\n' >edge.yaml
    edgectl validate --json
    expect_status 0
    expect_in "$output" '"valid":true'
    expect_in "$output" '"name":"ok"'
}

@test "validate: warnings do not fail it" {
    printf 'name: a\nsecrets: { key: { env: NOT_SET_ANYWHERE } }\n' >edge.yaml
    edgectl validate
    expect_status 0
    expect_in "$output" "edge.yaml:2:24: warning: environment variable NOT_SET_ANYWHERE is not set"
    echo 'NOT_SET_ANYWHERE=x' >.env
    edgectl validate
    expect_status 0
    [ "$output" = "edge.yaml: valid (app 'a')" ]
}

@test "validate: a folder with only a fastly.toml, and one that is refused" {
    printf 'manifest_version = 3\nname = "f"\n' >fastly.toml
    edgectl validate
    expect_status 0
    [ "$output" = "fastly.toml: valid (app 'f')" ]
    printf 'manifest_version = 4\n' >fastly.toml
    edgectl validate
    expect_status 9
    [ "$output" = "fastly.toml:1:20: error: 'manifest_version' must be at most 3, not '4'" ]
}

@test "validate: another manifest, from another folder, for a target" {
    mkdir app
    printf 'name: a\ntargets: { prod: { provider: aws, limits: { cpu: "${CPU_OF_PROD}" } } }\n' \
        >app/other.yaml
    edgectl -C app validate --manifest other.yaml
    expect_status 0
    edgectl -C app validate --manifest other.yaml --target prod
    expect_status 9
    expect_in "$output" "other.yaml:2:50: error: environment variable CPU_OF_PROD is not set"
    CPU_OF_PROD=5ms edgectl -C app validate --manifest other.yaml --target prod
    expect_status 0
    edgectl validate --manifest app/other.yaml --target production
    expect_status 9
    expect_in "$output" "no target 'production' in the manifest"
    expect_in "$output" "known targets: prod"
}

@test "validate: nothing there, and a file that cannot be read" {
    edgectl validate
    expect_status 9
    expect_in "$output" "no edge.yaml or fastly.toml"
    expect_in "$output" "edgectl init"
    edgectl validate --manifest none.yaml
    expect_status 1
    expect_in "$output" "none.yaml: error:"
}

@test "validate: a secret's value is in no message" {
    cat >edge.yaml <<'YAML'
name: a
secrets: { one: hunter2, two: { value: [hunter2] }, three: { value: hunter2, env: X } }
YAML
    edgectl validate
    expect_status 9
    [[ $output != *hunter2* ]]
    echo 'KEY hunter2' >.env
    edgectl validate --json
    expect_status 9
    [[ $output != *hunter2* ]]
}
