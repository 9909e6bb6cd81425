# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For bats files that run bundles in other runtimes: `load ../lib`, `load peers`, `load bundle`.
hosts=$BATS_TEST_DIRNAME/../../templates/hosts

setup() {
    scratch
    pids=()
}

teardown() {
    stop_peers
}

# The path of a test guest's module, in $module.
guest() {
    run --separate-stderr env HOME="${TEST_HOME:-$HOME}" "$BATS_TEST_DIRNAME/../guests/build" "$1"
    [ "$status" -ne 77 ] || skip "${stderr-}"
    [ "$status" -eq 0 ] || {
        echo "${stderr-}"
        return 1
    }
    module=$output
}

# What `edgectl bundle` puts into a folder ($1) for a Node platform, of $module and the members of
# bindings.js ($2).
node_bundle() {
    mkdir -p "$1"
    cp -r "$hosts/core" "$hosts/node" "$hosts/lambda" "$hosts/vercel" "$1"
    cp "$module" "$1/app.wasm"
    echo '{"type":"module"}' >"$1/package.json"
    echo "export default {name: \"app\", $2};" >"$1/bindings.js"
}

# Run a stand-in of dev/ ($1) over a folder and further arguments: $url, ./log.
stand_in() {
    node24
    touch log
    listening=$(grep -c '"event":"listen"' log) || :
    "$node" "$hosts/dev/$1.js" "${@:2}" >>log 2>&1 3>&- &
    local pid=$!
    pids+=("$pid")
    wait_for 60 listens_or_gone "$pid"
    url=http://127.0.0.1:$(sed -n 's/^{"event":"listen".*"port":\([0-9]*\)}$/\1/p' log | tail -n 1)
    kill -0 "$pid" || {
        cat log
        return 1
    }
}

listens_or_gone() {
    [ "$(grep -c '"event":"listen"' log)" -gt "$listening" ] || ! kill -0 "$1" 2>/dev/null
}

# The Build Output of a bundle at ./out, of $module and the members of bindings.js ($1).
vercel_output() {
    node_bundle out/functions/index.func "$1"
    echo '{"version":3,"routes":[{"handle":"filesystem"},{"src":"/(.*)","dest":"/index"}]}' >out/config.json
    echo '{"runtime":"nodejs24.x","handler":"vercel/index.js","launcherType":"Nodejs","shouldAddHelpers":false,
        "supportsResponseStreaming":true,"memory":1024}' >out/functions/index.func/.vc-config.json
}

# Head and body of the answer to PATH ($1), with curl's options.
ask() {
    curl -s -m 30 -H expect: -D head -o body "$url$@"
}

# The status of the answer to PATH ($1) is $2.
gives() {
    ask "$1" "${@:3}"
    [ "$(sed -n '1s/^HTTP\/1.1 \([0-9]*\).*/\1/p' head)" = "$2" ] || {
        cat head body log
        return 1
    }
}

# The body of the answer to PATH ($1) holds $2.
says() {
    ask "$1" "${@:3}"
    expect_in "$(cat body)" "$2"
}

# The entries of probe.yaml, in the store at $upstash, as whoever deploys puts them there.
seed_kv() {
    "$node" --input-type=module -e "
        const { upstash } = await import('$hosts/node/upstash.js');
        const kv = upstash('KV_STORE', '$upstash', () => 't0ken');
        await kv.put('seeded', Buffer.from('text'));
        await kv.put('with-meta', Buffer.from('seeded value'), { metadata: 'about it' });"
}

# The guest c/stores finds all as on this machine, but for the place that loopback addresses have here.
stores_but_loopback() {
    ask / -H 'fastly-key: made-up-key' -H 'x-fastly-bot-analyzed: 1' -H 'x-fastly-bot-name: probe-bot'
    grep '^not ok' body | grep -v 'San Francisco' >wrong || :
    [ ! -s wrong ] && grep -q '^1\.\.' body || {
        cat wrong head log
        return 1
    }
}
