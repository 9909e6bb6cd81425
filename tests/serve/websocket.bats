#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Clients that a guest hands over to a WebSocket backend.
load ../lib
load dev

# The python of the distribution, as its package is.
tool=$BATS_TEST_DIRNAME/../tools/websocket.py

asking=(-H 'connection: upgrade' -H 'upgrade: websocket' -H 'sec-websocket-version: 13'
    -H 'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==')

# Start the WebSocket server, and serve the guest with it as a backend of $1://127.0.0.1.
# Further arguments are for dev; lines for the backend come from ./more.
hand_over() {
    local scheme=$1
    shift
    /usr/bin/python3 -c "import websockets" 2>/dev/null || skip "no python3-websockets"
    /usr/bin/python3 "$tool" "${backend:-serve}" ${tls:+cert.pem key.pem} >backend.out 2>backend.err 3>&- &
    pids+=($!)
    wait_for 20 test -s backend.out
    {
        echo 'name: handover'
        echo 'backends:'
        echo '  refused: http://127.0.0.1:9'
        echo '  ws:'
        echo "    url: $scheme://127.0.0.1:$(head -1 backend.out)/base"
        cat more 2>/dev/null || :
    } >edge.yaml
    guest c/handover
    dev_module "$@"
}

client() {
    timeout 60 /usr/bin/python3 "$tool" "$@"
}

@test "a conversation, 16 MB each way" {
    hand_over http
    run client talk "$url/chat?room=1"
    expect_status 0
    expect_in "$output" '"path": "/base/chat?room=1"'
    expect_in "$output" '"host": "127.0.0.1:'"$(head -1 backend.out)"
}

@test "the request that the guest made goes out, with the client's key" {
    hand_over http
    run client talk "$url/made"
    expect_status 0
    expect_in "$output" '"path": "/base/made?by=guest"'
    expect_in "$output" '"x-made": "yes"'
    expect_in "$(cat log)" "made 0 1 3 1"
}

@test "TLS on both sides" {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem \
        -out cert.pem -days 2 -subj /CN=backend -addext subjectAltName=IP:127.0.0.1 2>/dev/null
    echo '    ca: cert.pem' >more
    tls=1
    hand_over https --tls
    run client talk "$url/chat" "$HOME/.local/share/edgectl/ca/ca.pem"
    expect_status 0
    expect_in "$output" '"path": "/base/chat"'
    client die "$url/chat" "$HOME/.local/share/edgectl/ca/ca.pem"
    wait_for 10 gone_twice
}

# Once as `talk` had it break, once as `die` left.
gone_twice() {
    [ "$(grep -c '^gone 1006' backend.out)" = 2 ]
}

@test "a client that vanishes is gone for the backend too" {
    hand_over http
    client die "$url/chat"
    wait_for 10 grep -q 'gone 1006' backend.out
}

@test "a client that leaves before the backend has answered" {
    backend=silent
    hand_over http
    curl -s -m 60 "${asking[@]}" "$url/chat" 3>&- &
    local client=$!
    wait_for 10 grep -q asked backend.out
    kill "$client"
    wait_for 10 grep -q left backend.out
}

@test "answers other than 101, and what the guest hears" {
    hand_over http
    [ "$(get /no "${asking[@]}")" = 403 ]
    [ "$(cat answer)" = no ]
    [ "$(get /refused "${asking[@]}")" = 502 ]
    [ "$(get /unknown)" = 500 ]
    expect_in "$(cat answer)" "nobody"
    [ "$(get /late)" = 200 ]
    [ "$(cat answer)" = answered ]
    wait_for 5 grep -q 'late 1' log
    get /grip
    wait_for 5 grep -q 'grip 5' log
}

@test "requests that ask for no upgrade are forwarded" {
    echo '    override-host: over.example' >more
    hand_over http
    [ "$(get /plain)" = 200 ]
    [ "$(cat answer)" = "plain over.example" ]
    wait_for 5 grep -q 'closed 0' log
}

@test "open conversations do not hold up the end" {
    hand_over http
    /usr/bin/python3 - "$url" <<'END' 3>&- &
import asyncio, sys, websockets
async def stay():
    async with websockets.connect(sys.argv[1].replace("http", "ws") + "/chat") as ws:
        await ws.recv()
        open("open", "w").close()
        await ws.wait_closed()
asyncio.run(stay())
END
    pids+=($!)
    wait_for 20 test -e open
    SECONDS=0
    kill "$dev"
    wait "$dev"
    [ "$SECONDS" -le 2 ]
}
