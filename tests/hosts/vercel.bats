#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Apps as Vercel functions: a Build Output in Node 24, behind what stands in for Vercel.
load ../lib
load peers
load bundle

@test "request and answer, as they are" {
    guest c/arm
    vercel_output 'config: { arm: { values: { name: "vercel" } } }'
    stand_in vercel out
    gives '/p?q=1' 200 -X PUT -d 'the body' -H 'x-two: 1' -H 'x-two: 2' -H $'x-latin: h\xc3\xa9'
    expect_in "$(cat body)" 'PUT /p?q=1'
    expect_in "$(cat body)" $'x-two: 1\nx-two: 2\n'
    expect_in "$(cat body)" $'x-latin: h\xc3\xa9\n'
    expect_in "$(cat body)" $'x-forwarded-for: 127.0.0.1\n'
    expect_in "$(cat body)" $'arm: vercel\n\nthe body'
    head -c 5000000 /dev/zero >large
    gives / 413 --data-binary @large
}

@test "bodies of bytes" {
    guest c/origin
    vercel_output ''
    stand_in vercel out
    head -c 3000000 /dev/urandom >bytes
    ask /echo --data-binary @bytes
    tail -c 3000000 body | cmp - bytes
}

@test "files of static/ come before the app" {
    guest c/arm
    vercel_output ''
    mkdir -p out/static/a
    echo txt >out/static/a/x.txt
    stand_in vercel out
    says /a/x.txt txt
    says /a/y.txt 'GET /a/y.txt'
    says /../config.json 'GET /../config.json' --path-as-is
}

@test "answers stream, and break off where the guest does" {
    guest c/origin
    vercel_output ''
    stand_in vercel out
    # The first part is there while the guest waits to send the next.
    curl -sN -m 30 "$url/stream/1000/20" >streamed 2>&1 &
    local reader=$!
    wait_for 20 grep -q 'chunk 2' streamed
    ! grep -q 'chunk 999' streamed
    kill "$reader"
    run curl -s -m 20 "$url/cut"
    [ "$status" -ne 0 ]
    says /status/204 ''
}

@test "KV in Redis, secrets in the environment, config in an Edge Config" {
    guest rust/app
    upstash
    "$node" "$BATS_TEST_DIRNAME/edge_config.mjs" '{"plain":"from far","other":1}' >edge.port 3>&- &
    pids+=($!)
    wait_for 20 test -s edge.port
    vercel_output "backends: { refused: { url: \"http://127.0.0.1:9\" } },
        kv: { store: { binding: \"KV_STORE\", token: \"KV_STORE_TOKEN\" } },
        secrets: { secrets: { token: \"SECRET_TOKEN\" } },
        config: { settings: { binding: \"CONFIG_SETTINGS\" } }"
    export KV_STORE_URL=$upstash KV_STORE_TOKEN=t0ken SECRET_TOKEN=s3cret \
        CONFIG_SETTINGS="http://127.0.0.1:$(cat edge.port)/ecfg_1?token=tk"
    stand_in vercel out
    says /kv $'add: true\none: first and more\ntwo: second about\nlist: ["rust/one"] more: true\ngone: true'
    says /stores 'from far s3cret true'
    says /error $'ConnectionRefused\nDestinationNotFound'
}

@test "what edgectl bundle makes: every hostcall of the stores, over Redis and the environment" {
    guest c/stores
    upstash
    cp "$module" app.wasm
    cp "$BATS_TEST_DIRNAME/../serve/probe.yaml" edge.yaml
    cat >>edge.yaml <<END
build: { artifact: app.wasm }
targets: { production: { provider: vercel, kv: { store: "$upstash", empty: "$upstash" } } }
END
    edgectl bundle --target production --out out
    expect_status 0
    export KV_STORE_TOKEN=t0ken KV_EMPTY_TOKEN=t0ken SECRET_TOKEN=s3cret
    seed_kv
    stand_in vercel out
    stores_but_loopback
}

@test "Node 22, which has no JSPI, is refused with the reason" {
    guest c/hello
    vercel_output ''
    cat >old.mjs <<'END'
delete WebAssembly.Suspending;
Object.defineProperty(process.versions, "node", { value: "22.20.0" });
await import("./out/functions/index.func/vercel/index.js");
END
    node24
    run --separate-stderr "$node" old.mjs
    [ "$status" -ne 0 ]
    expect_in "$stderr" 'this is Node 22.20.0, which has no JSPI'
    expect_in "$stderr" 'nodejs24.x'
}
