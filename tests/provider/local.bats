#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Deploys to this machine: `edgectl serve` and the provider `local`, with real guests.
load ../lib
load local

@test "a first deploy serves, a second without a change does nothing" {
    serve
    edgectl deploy
    expect_status 0
    expect_in "$output" "serves 'local'"
    expect_in "$stderr" "+ make the app 'shop'"
    [ "$(page)" = "v1 beta=off token=one" ]
    edgectl deploy
    expect_status 0
    expect_in "$output" "nothing to do: http://shop.localhost"
    edgectl versions --json
    expect_status 0
    [ "$(printf %s "$output" | python3 -c 'import json,sys; print(len(json.load(sys.stdin)))')" = 1 ]
}

@test "without a server the user is told to start one" {
    edgectl deploy
    expect_status 6
    expect_in "$stderr" "edgectl serve"
}

@test "a server with a certificate of the local authority is probed too" {
    serve --tls
    edgectl deploy
    expect_status 0
    expect_in "$stderr" "it answers with 200"
}

@test "in the middle of a rollout, rollback goes to the stable version, not behind it" {
    serve
    deploy
    guest v2
    deploy
    stable=$v
    guest v3
    deploy --no-traffic
    split "$stable" 9000 "$v" 1000
    edgectl rollback
    expect_status 0
    [ "$(page)" = "v2 beta=off token=one" ]
    split "$stable" 5000 "$v" 5000
    edgectl rollback
    expect_status 0
    [ "$(page)" = "v2 beta=off token=one" ]
}

@test "a dry run tells and does nothing" {
    serve
    edgectl deploy --dry-run
    expect_status 0
    expect_in "$output" "upload version"
    expect_in "$output" "give it all traffic"
    edgectl versions
    expect_status 2
}

@test "a version without traffic answers only to its name" {
    serve
    deploy
    first=$v
    guest v2
    deploy --no-traffic
    [ "$v" != "$first" ]
    [ "$(page)" = "v1 beta=off token=one" ]
    [ "$(page -H "edgectl-version: $v")" = "v2 beta=off token=one" ]
    [ "$(curl -s -o /dev/null -w '%{http_code}' -H 'edgectl-version: nosuch' "$url/")" = 404 ]
}

@test "words that are no text are refused" {
    serve
    edgectl deploy -m $'\xff'
    expect_status 2
    deploy
    edgectl purge $'\xff'
    expect_status 2
}

@test "a version that fails its smoke test gets no traffic" {
    serve
    edgectl deploy --probe health
    expect_status 2
    expect_in "$stderr" "begins with '/'"
    deploy
    guest bad 503
    edgectl deploy
    expect_status 1
    expect_in "$stderr" "answered GET / with 503"
    [ "$(page)" = "v1 beta=off token=one" ]
}

@test "what was deployed survives a restart and kill -9" {
    serve
    deploy
    first=$v
    guest v2
    SHOP_TOKEN=two deploy
    stop_server KILL
    serve
    [ "$(page)" = "v2 beta=off token=two" ]
    wait_for 20 answers "$first" "v1 beta=off token=one"
    stop_server TERM
    serve
    [ "$(page)" = "v2 beta=off token=two" ]
}

@test "two servers do not share a folder" {
    serve
    run --separate-stderr "$EDGECTL" serve --addr 127.0.0.1:0
    expect_status 5
    expect_in "$stderr" "another edgectl serves"
    deploy
}

@test "of two servers that start at the same moment one has the folder" {
    for i in 1 2 3; do
        codes=()
        for n in a b; do
            "$EDGECTL" serve --addr 127.0.0.1:0 --ready-file "../url-$n" >>"../serve-$n.log" 2>&1 3>&- &
            codes+=($!)
        done
        one_gave_up() { ! kill -0 "${codes[0]}" 2>/dev/null || ! kill -0 "${codes[1]}" 2>/dev/null; }
        wait_for 30 one_gave_up
        a=0 b=0
        kill "${codes[@]}" 2>/dev/null || :
        wait "${codes[0]}" || a=$?
        wait "${codes[1]}" || b=$?
        [ "$a $b" = "0 5" ] || [ "$a $b" = "5 0" ] || {
            echo "exit statuses: $a $b"
            return 1
        }
    done
}

@test "a stable version that cannot be loaded after a restart does not give its clients to the canary" {
    serve
    deploy
    stable=$v
    guest v2
    SHOP_TOKEN=two deploy --no-traffic
    canary=$v
    split "$stable" 9000 "$canary" 1000 >/dev/null
    stop_server
    printf broken >"$HOME/.local/state/edgectl/apps/shop/versions/$stable/app.wasm"
    serve
    expect_in "$(cat ../serve.log)" "warning: app 'shop': version $stable, which has 90 % of the traffic, cannot be served"
    served=0
    for i in {1..60}; do
        case $(curl -s -m 20 -o /dev/null -w '%{http_code}' -H "edgectl-client: c$i" "$url/") in
        200) served=$((served + 1)) ;;
        503) ;;
        *) return 1 ;;
        esac
    done
    [ "$served" -gt 0 ] && [ "$served" -lt 30 ]
    answers "$canary" "v2 beta=off token=two"
    [ "$(status_of "$stable")" = 503 ]
    edgectl rollback "$canary"
    [ "$(page)" = "v2 beta=off token=two" ]
}

@test "the host that an app has by its name is no other's" {
    serve
    deploy
    run admin PUT /v1/apps/other -d '{"hosts":["shop.localhost"]}'
    expect_in "$output" "host 'shop.localhost' belongs to app 'shop'"
    admin PUT /v1/apps/shop -d '{"hosts":["later.localhost"]}' >/dev/null
    run admin PUT /v1/apps/later -d '{"hosts":[]}'
    expect_in "$output" "host 'later.localhost' belongs to app 'shop'"
}

# post ID: a version of shop from what was uploaded as $sum.
post() {
    admin POST /v1/apps/shop/versions -d "{\"id\":\"$1\",\"release\":\"$1\",\"manifest\":\"name: shop\\nbuild: {artifact: app.wasm}\\n\",\"files\":[{\"path\":\"app.wasm\",\"sha256\":\"$sum\"}]}"
}

status_of() {
    curl -s -m 20 -o /dev/null -w '%{http_code}' -H "edgectl-version: $1" "$url/"
}

upload_module() {
    sum=$(sha256sum <app.wat | cut -d' ' -f1)
    admin PUT "/v1/apps/shop/blobs/$sum" --data-binary @app.wat
}

@test "two versions that share a file are made from one upload" {
    serve
    deploy
    upload_module
    expect_in "$(post one)" '"id":"one"'
    expect_in "$(post two)" '"id":"two"'
}

@test "a version that cannot be written down has not happened, and nothing is lost by it" {
    serve
    deploy
    upload_module
    for i in {1..99}; do
        post "v$i" >/dev/null
    done
    dir=$HOME/.local/state/edgectl/apps/shop
    mv "$dir/app.json" kept
    mkdir -p "$dir/app.json/x"
    expect_in "$(post late)" '"error"'
    rm -r "$dir/app.json"
    mv kept "$dir/app.json"
    edgectl versions --json
    [ "$(grep -o '"number"' <<<"$output" | wc -l)" = 100 ]
    [[ $output != *'"late"'* ]]
    [ "$(status_of v1)" = 200 ]
    expect_in "$(post late)" '"id":"late"'
    edgectl versions --json
    [ "$(grep -o '"number"' <<<"$output" | wc -l)" = 100 ]
    [[ $output != *'"v1"'* ]]
    [ "$(status_of late)" = 200 ]
    [ "$(status_of v1)" = 404 ]
}

@test "a rollback brings code, config and secrets back as one" {
    serve
    deploy
    first=$v
    guest v2
    sed -i 's/"off"/"on"/' edge.yaml
    SHOP_TOKEN=two deploy
    [ "$(page)" = "v2 beta=on token=two" ]
    edgectl rollback --json
    expect_status 0
    [ "$(version)" = "$first" ]
    [ "$(page)" = "v1 beta=off token=one" ]
    edgectl rollback --json
    expect_status 0
    [ "$(page)" = "v2 beta=on token=two" ]
    edgectl rollback "$first"
    expect_status 0
    [ "$(page)" = "v1 beta=off token=one" ]
    edgectl rollback "$first"
    expect_in "$output" "nothing to do"
    edgectl rollback nosuch
    expect_status 2
}

@test "a rollback without a journal goes to the version before" {
    serve
    deploy
    guest v2
    deploy
    rm -r .edgectl
    edgectl rollback
    expect_status 0
    [ "$(page)" = "v1 beta=off token=one" ]
}

@test "gc deletes what is old and has no traffic" {
    serve
    deploy
    for n in 2 3 4; do
        guest "v$n"
        deploy
    done
    edgectl rollback "$v"
    edgectl gc --keep 1 --dry-run
    expect_status 0
    expect_in "$output" "would delete version"
    edgectl gc --keep 1 --json
    expect_status 0
    edgectl versions --json
    [ "$(printf %s "$output" | python3 -c 'import json,sys; print(len(json.load(sys.stdin)))')" = 2 ]
    [ "$(page)" = "v4 beta=off token=one" ]
}

@test "destroy wants the name, and leaves nothing" {
    serve
    deploy
    "$EDGECTL" kv put sessions mine --value x --target local
    edgectl destroy
    expect_status 2
    expect_in "$stderr" "--confirm shop"
    edgectl destroy --confirm other
    expect_status 2
    [ "$(page)" = "v1 beta=off token=one" ]
    edgectl destroy --confirm shop
    expect_status 0
    edgectl versions
    expect_status 2
    [ "$(page -o /dev/null -w '%{http_code}')" = 503 ]
    deploy
    [ "$(page)" = "v1 beta=off token=one" ]
    edgectl kv list sessions --target local
    [ "$output" = first ]
}

@test "an app whose deletion was cut off is gone with its KV data after the next start" {
    serve
    deploy
    "$EDGECTL" kv put sessions mine --value x --target local
    stop_server KILL
    rm "$HOME/.local/state/edgectl/apps/shop/app.json"
    serve
    deploy
    edgectl kv list sessions --target local
    [ "$output" = first ]
}

@test "what is no split is refused, and takes nobody's traffic" {
    serve
    deploy
    [ "$(admin PUT /v1/apps/shop/split -d '{}' -o /dev/null -w '%{http_code}')" = 400 ]
    [ "$(page)" = "v1 beta=off token=one" ]
    [ "$(admin PUT /v1/apps/shop/notes/x --data-binary $'\xff' -o /dev/null -w '%{http_code}')" = 400 ]
    [ "$(admin PUT /v1/apps/shop/notes/%ff -d x -o /dev/null -w '%{http_code}')" = 400 ]
    [ "$(admin POST /v1/apps/shop/purge -d '{"key":5}' -o /dev/null -w '%{http_code}')" = 400 ]
}

@test "two versions share the traffic, and a client stays with its own" {
    serve
    deploy
    first=$v
    guest v2
    deploy --no-traffic
    split "$first" 5000 "$v" 5000
    for _ in {1..60}; do page; echo; done >answers
    grep -q v1 answers
    grep -q v2 answers
    mine=$(page -c jar)
    for _ in {1..20}; do
        [ "$(page -b jar)" = "$mine" ]
    done
    keyed=$(page -H 'edgectl-client: someone')
    for _ in {1..20}; do
        [ "$(page -H 'edgectl-client: someone')" = "$keyed" ]
    done
    # A deploy does not walk over what somebody else is doing.
    guest v3
    edgectl deploy
    expect_status 5
    expect_in "$stderr" "a rollout is under way"
    edgectl deploy --no-traffic
    expect_status 0
}

@test "each version's requests, errors and traps are counted, but not those that are forced" {
    serve
    deploy
    good=$v
    guest bad 500
    deploy --no-traffic --no-probe
    bad=$v
    split "$good" 5000 "$bad" 5000
    for _ in {1..40}; do page -o /dev/null; done
    for _ in {1..10}; do page -o /dev/null -H "edgectl-version: $bad"; done
    admin GET "/v1/apps/shop/metrics?version=$good" >good
    admin GET "/v1/apps/shop/metrics?version=$bad" >bad
    python3 - <<'END'
import json
good, bad = json.load(open("good")), json.load(open("bad"))
assert good["requests"] + bad["requests"] == 40, (good, bad)
assert good["errors"] == 0 and bad["errors"] == bad["requests"] > 0, (good, bad)
assert sum(good["latency"]) == good["requests"]
END
}

@test "a split that was changed meanwhile is refused" {
    serve
    deploy
    first=$v
    run admin PUT /v1/apps/shop/split -d \
        "{\"arms\":[{\"version\":\"$first\",\"bp\":10000}],\"expect\":\"99\"}"
    expect_in "$output" '"DRIFT"'
    run admin PUT /v1/apps/shop/split -d '{"arms":[{"version":"nosuch","bp":10000}]}'
    expect_in "$output" 'has no version'
    run split "$first" 5000 "$first" 5000
    expect_in "$output" 'twice'
    [ "$(page)" = "v1 beta=off token=one" ]
}

@test "several apps, each with its hosts, KV and cache" {
    cat >>edge.yaml <<'END'
targets:
  other: {provider: local, name: other, domains: [other.test]}
END
    serve
    deploy
    guest v2
    deploy --target other
    [ "$(page -H 'host: shop.localhost')" = "v1 beta=off token=one" ]
    [ "$(page -H 'host: other.localhost')" = "v2 beta=off token=one" ]
    [ "$(page -H 'host: other.test:80')" = "v2 beta=off token=one" ]
    [ "$(page -o /dev/null -w '%{http_code}' -H 'host: nobody.test')" = 503 ]
    "$EDGECTL" kv put sessions k --value mine --target local
    edgectl kv get sessions k --target other
    expect_status 1
    sed -i 's/name: shop/name: thief/; s/name: other/name: thief2/' edge.yaml
    edgectl deploy --target other
    expect_status 5
    expect_in "$stderr" "host 'other.test' belongs to app 'other'"
}

@test "only this user with the token is listened to" {
    serve
    state=$HOME/.local/state/edgectl
    [ "$(stat -c %a "$state/admin.sock")" = 600 ]
    [ "$(stat -c %a "$state/admin.token")" = 600 ]
    run curl -s -m 20 --unix-socket "$state/admin.sock" http://localhost/v1
    expect_in "$output" CREDENTIALS
    run curl -s -m 20 --unix-socket "$state/admin.sock" -H 'authorization: Bearer x' \
        http://localhost/v1
    expect_in "$output" CREDENTIALS
    run admin GET /v1
    expect_in "$output" '"kind":"serve"'
    for path in /v2 /v1/ /v1/apps/.. /v1/apps/a/blobs/x /v1/apps/%00/split /v1/apps/a/b/c/d/e/f/g/h/i; do
        run admin PUT "$path" -d '{'
        expect_in "$output" '"error"'
    done
}

@test "a running dev takes versions too, at a host of their own" {
    "$EDGECTL" dev --addr 127.0.0.1:0 --ready-file ../url --no-watch >>../serve.log 2>&1 3>&- &
    server=$!
    pids+=("$server")
    wait_for 60 ready_or_gone
    url=$(cat ../url)
    [ "$(page)" = "v1 beta=off token=one" ]
    guest v2
    deploy
    [ "$(page)" = "v1 beta=off token=one" ]
    [ "$(page -H 'host: shop.localhost')" = "v2 beta=off token=one" ]
    edgectl versions
    expect_status 0
}

@test "static files, seeds and files of the manifest go with a version" {
    mkdir assets
    echo one >assets/a.txt
    printf '{"from-file": {"data": "x"}}' >seed.json
    cat >>edge.yaml <<'END'
static: {/assets: assets}
acls: {block: acl.json}
END
    echo '{"entries": [{"prefix": "192.0.2.0/24", "action": "BLOCK"}]}' >acl.json
    sed -i 's/^kv: .*/kv: {sessions: {seed: seed.json}}/' edge.yaml
    serve
    deploy
    first=$v
    [ "$(curl -s "$url/assets/a.txt")" = one ]
    edgectl kv get sessions from-file --target local
    [ "$output" = x ]
    echo two >assets/a.txt
    deploy
    [ "$v" != "$first" ]
    [ "$(curl -s "$url/assets/a.txt")" = two ]
    [ "$(curl -s -H "edgectl-version: $first" "$url/assets/a.txt")" = one ]
    # What the app has written stays, whatever is loaded again.
    "$EDGECTL" kv put sessions from-file --value changed --target local
    stop_server KILL
    serve
    edgectl kv get sessions from-file --target local
    [ "$output" = changed ]
}

@test "with a rollout in the manifest only the first version gets traffic by itself" {
    echo 'rollout: {steps: [10%, 100%]}' >>edge.yaml
    serve
    deploy
    [ "$(page)" = "v1 beta=off token=one" ]
    guest v2
    edgectl deploy
    expect_status 0
    expect_in "$stderr" "edgectl rollout run"
    [ "$(page)" = "v1 beta=off token=one" ]
}

@test "a preview has an address of its own and no traffic" {
    serve
    deploy
    guest v2
    deploy --preview
    preview=$(json preview_url)
    host=${preview#http://}
    [ "$(page -H "host: $host")" = "v2 beta=off token=one" ]
    [ "$(page)" = "v1 beta=off token=one" ]
}

@test "every target of the manifest, and the first failure is the result" {
    cat >>edge.yaml <<'END'
targets:
  one: {provider: local, name: one, domains: [same.test]}
  two: {provider: local, name: two, domains: [same.test]}
  three: {provider: local, name: three}
END
    serve
    edgectl deploy --all-targets
    expect_status 5
    expect_in "$stderr" "host 'same.test' belongs to app 'one'"
    [ "$(page -H 'host: one.localhost')" = "v1 beta=off token=one" ]
    [ "$(page -H 'host: three.localhost')" = "v1 beta=off token=one" ]
}
