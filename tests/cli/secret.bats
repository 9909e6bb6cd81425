#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load ../lib

project() {
    cat >edge.yaml <<'END'
name: app
build: { artifact: app.wasm }
secrets:
  api-key: { value: from-the-manifest }
  token:
END
}

# The value is in no file of the folder, and in nothing that was said.
expect_hidden() {
    if grep -rF "$1" .edgectl; then
        return 1
    fi
    case $output$stderr in
    *"$1"*)
        echo "shown: $output$stderr"
        return 1
        ;;
    esac
}

@test "secret: stored sealed, listed by name and digest" {
    project
    edgectl secret put token <<<'correct-horse'
    expect_status 0
    expect_hidden correct-horse
    edgectl secret list
    expect_status 0
    expect_hidden correct-horse
    expect_hidden from-the-manifest
    expect_in "$output" token
    edgectl secret list --json
    expect_in "$output" '"name":"token","source":"local","digest":"'
    first=$output
    edgectl secret put secrets token --env TOKEN
    expect_status 2
    export TOKEN=correct-horse
    edgectl secret put secrets token --env TOKEN
    expect_status 0
    edgectl secret list --json
    [ "$output" = "$first" ] # the same value, without the newline
    printf 'other' >file
    edgectl secret put token --file file
    edgectl secret list --json
    [ "$output" != "$first" ]
    [ "$(stat -c %a .edgectl/secret.key)" = 600 ]
}

@test "secret: deleting brings the manifest's back" {
    project
    edgectl secret list --json
    before=$output
    edgectl secret put api-key <<<x
    edgectl secret list --json
    [ "$output" != "$before" ]
    edgectl secret delete api-key
    expect_status 0
    edgectl secret list --json
    [ "$output" = "$before" ]
    edgectl secret delete api-key
    expect_status 1
}

@test "secret: there is no way to print one, nor to give one as an argument" {
    project
    edgectl secret put token <<<the-value
    for verb in list get; do
        for form in '' --json --verbose; do
            edgectl secret $verb ${form:+"$form"} $([ $verb = list ] || echo token)
            expect_status 0
            [[ $output$stderr != *the-value* ]]
        done
    done
    edgectl secret put token --value x
    expect_status 2
    edgectl secret put token x y
    expect_status 2
}

@test "secret: a key file that others can read is refused" {
    project
    edgectl secret put token <<<x
    chmod 644 .edgectl/secret.key
    edgectl secret list
    expect_status 8
    expect_in "$stderr" 'chmod 600'
    rm .edgectl/secret.key
    edgectl secret list
    expect_status 8
    expect_in "$stderr" 'missing'
    edgectl secret put token <<<x
    expect_status 0
    edgectl secret list
    expect_status 0
}

@test "secret: mistakes are told with the way out" {
    project
    edgectl secret put secret token <<<x
    expect_status 2
    expect_in "$stderr" "did you mean 'secrets'?"
    edgectl secret put 'a b' <<<x
    expect_status 2
    edgectl secret put token --file nowhere
    expect_status 1
    head -c 65537 /dev/zero >big
    edgectl secret put token --file big
    expect_status 7
}

@test "secret: an empty value is refused unless it is asked for" {
    project
    edgectl secret put token <<<kept
    edgectl secret get token
    before=$output
    : >empty
    export EMPTY=
    for from in "stdin " "stdin --file -" "empty --file empty" "EMPTY --env EMPTY"; do
        # shellcheck disable=SC2086
        edgectl secret put token ${from#* } </dev/null
        expect_status 2
        expect_in "$stderr" "${from%% *} is empty"
        expect_in "$stderr" --allow-empty
    done
    edgectl secret put token <<<'' # a line with nothing on it
    expect_status 2
    edgectl secret get token
    [ "$output" = "$before" ]
    edgectl secret put token --allow-empty </dev/null
    expect_status 0
    expect_in "$stderr" "stored, 0 bytes"
    edgectl secret get token
    expect_status 0
    [ "$output" != "$before" ]
}

@test "secret get: the digest changes with the value, and the value is never shown" {
    project
    edgectl secret put token <<<first-value
    expect_status 0
    edgectl secret get token
    expect_status 0
    before=$output
    edgectl secret put token <<<second-value
    edgectl secret get token
    [ "$output" != "$before" ]
    [[ $output != *second-value* ]]
    edgectl secret get no-such-name
    expect_status 1
}
