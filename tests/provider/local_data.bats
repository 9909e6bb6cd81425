#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# KV, config, secrets, logs and the cache of an app that is deployed to this machine.
load ../lib
load local


two_targets() {
    cat >>edge.yaml <<'END'
targets:
  staging: {provider: local, name: shop-staging}
END
    serve
    deploy
    deploy --target staging
}

@test "data: KV of a target is written, read, listed and deleted" {
    serve
    deploy
    edgectl kv get sessions first --target local
    expect_status 0
    [ "$output" = seeded ]
    edgectl kv put sessions a/b --value 'x y' --metadata m --target local
    expect_status 0
    edgectl kv get sessions a/b --json --target local
    [ "$(json value)" = 'x y' ]
    [ "$(json metadata)" = m ]
    edgectl kv list sessions --target local
    [ "$output" = $'a/b\nfirst' ]
    edgectl kv list --target local
    [ "$output" = $'sessions  a/b\nsessions  first' ]
    edgectl config list --target local
    [ "$output" = "flags  beta" ]
    edgectl kv delete sessions a/b --target local
    expect_status 0
    edgectl kv get sessions a/b --target local
    expect_status 1
    # The project's own data are others.
    edgectl kv get sessions first
    expect_status 1
}

@test "data: bytes and many entries survive an export and an import" {
    two_targets
    python3 - >in.ndjson <<'END'
import base64, json
for i in range(1200):
    print(json.dumps({"key": "k%04d" % i, "value": "v%d" % i}))
print(json.dumps({"key": "raw", "value_base64": base64.b64encode(bytes(range(256))).decode()}))
END
    edgectl kv import sessions in.ndjson --target local
    expect_status 0
    "$EDGECTL" kv export sessions --prefix k --target local >out.ndjson
    [ "$(wc -l <out.ndjson)" -eq 1200 ]
    "$EDGECTL" kv get sessions raw --target local >raw
    python3 -c 'import sys; sys.exit(open("raw", "rb").read() != bytes(range(256)))'
    edgectl kv diff sessions --from local --target staging --json
    expect_status 0
    [ "$(json differences | grep -o add | wc -l)" -eq 1201 ]
    edgectl kv put sessions only-there --value x --target staging
    edgectl kv sync sessions --from local --target staging --dry-run
    expect_in "$output" "- only-there"
    edgectl kv sync sessions --from local --target staging --delete
    expect_status 0
    edgectl kv diff sessions --from local --target staging
    [ -z "$output" ]
    edgectl kv get sessions k1199 --target staging
    [ "$output" = v1199 ]
}

@test "data: a config override is seen at once, by every version" {
    serve
    deploy
    first=$v
    guest v2
    deploy
    edgectl config put flags beta on --target local
    expect_status 0
    [ "$(page)" = "v2 beta=on token=one" ]
    [ "$(page -H "edgectl-version: $first")" = "v1 beta=on token=one" ]
    edgectl config get flags beta --target local
    [ "$output" = on ]
    edgectl config delete flags beta --target local
    [ "$(page)" = "v2 beta=off token=one" ]
    edgectl config put nosuch beta on --target local
    expect_status 2
}

@test "data: a secret that was put on a target goes with its releases" {
    serve
    deploy
    echo two | "$EDGECTL" secret put token --target local
    [ "$(page)" = "v1 beta=off token=one" ]
    deploy
    [ "$(page)" = "v1 beta=off token=two" ]
    edgectl secret list --target local --json
    expect_status 0
    expect_in "$output" '"digest"'
    [[ $output != *two* ]]
    edgectl rollback
    [ "$(page)" = "v1 beta=off token=one" ]
    edgectl secret get token --target local
    expect_status 2
    edgectl secret delete token --target local
    edgectl deploy
    expect_status 0
    [ "$(page)" = "v1 beta=off token=one" ]
}

@test "data: no secret is in what the server or the journal keeps" {
    serve
    SHOP_TOKEN=x9secret-value deploy
    echo y9secret-value | "$EDGECTL" secret put token --target local
    deploy
    ! grep -r 9secret-value .edgectl "$HOME/.local/state/edgectl" ../serve.log
}

@test "logs: lines and requests are shown as they come, by version" {
    serve
    deploy
    first=$v
    "$EDGECTL" logs --count 3 --json >lines 2>notes 3>&- &
    tail=$!
    wait_for 20 grep -q 'Ctrl-C' notes
    # The tail is there once it has told of a request.
    wait_for 20 told_of_a_request
    for _ in 1 2 3; do page >/dev/null; done
    wait "$tail"
    [ "$(wc -l <lines)" -eq 3 ]
    grep -q "\"version\":\"$first\"\|\"version\": \"$first\"" lines
    edgectl logs
    expect_status 2
    # Nobody asks for anything: it ends all the same.
    run timeout 60 "$EDGECTL" logs --for 300ms
    expect_status 0
}

told_of_a_request() {
    page >/dev/null
    [ -s lines ]
}

@test "purge: by key and all" {
    serve
    deploy
    edgectl purge product-42
    expect_status 0
    edgectl purge --all --soft --json
    expect_status 0
    edgectl purge
    expect_status 2
}

@test "doctor: tells of the server, or that there is none" {
    edgectl doctor
    expect_status 6
    expect_in "$output" "no edgectl serves"
    serve
    edgectl doctor --json
    expect_status 0
    expect_in "$output" '"reachable"'
}
