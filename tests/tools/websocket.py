#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The two ends of a WebSocket, by the `websockets` package.

  websocket.py serve [CERT KEY]         prints its port, serves until killed
  websocket.py silent                   the same, but never answers; prints `asked` and `left`
  websocket.py talk URL [CA]            a conversation, checked; prints the server's greeting
  websocket.py die URL [CA]             connect, then vanish without a word (TLS: close_notify)

The server greets with its request (path and headers as JSON), echoes messages, closes with 4001 when
told `close`, breaks the connection at `break`, and prints `gone CODE` when a client has gone. Paths
that end in /no are answered 403, in /plain 200."""
import asyncio
import http
import json
import signal
import ssl
import sys

import websockets

BIG = 1 << 20


async def refuse(path, headers):
    if path.endswith("/no"):
        return http.HTTPStatus.FORBIDDEN, [("x-why", "not you")], b"no\n"
    if path.endswith("/plain"):
        return http.HTTPStatus.OK, [], f"plain {headers.get('host')}\n".encode()
    return None


async def converse(ws):
    headers = {name.lower(): value for name, value in ws.request_headers.raw_items()}
    await ws.send(json.dumps({"path": ws.path, "headers": headers}))
    async for message in ws:
        if message == "close":
            await ws.close(4001, "as told")
        elif message == "break":
            ws.transport.abort()
        else:
            await ws.send(message)


async def greet(ws):
    try:
        await converse(ws)
    except websockets.ConnectionClosed:
        pass
    finally:
        print("gone", ws.close_code, flush=True)


async def serve(cert=None, key=None):
    context = None
    if cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
    stop = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set_result, None)
    async with websockets.serve(greet, "127.0.0.1", 0, ssl=context, process_request=refuse,
                                max_size=4 * BIG, compression=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await stop


async def silent():
    async def wait(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        print("asked", flush=True)
        await reader.read()
        print("left", flush=True)
        writer.close()

    server = await asyncio.start_server(wait, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def connect(url, ca):
    context = ssl.create_default_context(cafile=ca) if ca else None
    return websockets.connect(url.replace("http", "ws", 1), ssl=context, max_size=4 * BIG,
                              compression=None)


async def talk(url, ca=None):
    async with connect(url, ca) as ws:
        print(await ws.recv())
        await ws.send("hello")
        assert await ws.recv() == "hello"
        # The server's echoes fill all buffers between while we go on sending.
        big = bytes(range(256)) * (BIG // 256)
        sender = asyncio.create_task(send_all(ws, [big] * 16))
        for _ in range(16):
            assert await ws.recv() == big
        await sender
        await (await ws.ping())
        await ws.send("close")
        await ws.wait_closed()
        assert ws.close_code == 4001 and ws.close_reason == "as told", ws.close_code
    async with connect(url, ca) as ws:
        await ws.recv()
        await ws.send("break")
        await ws.wait_closed()
        assert ws.close_code == 1006, ws.close_code


async def send_all(ws, messages):
    for message in messages:
        await ws.send(message)


async def die(url, ca=None):
    ws = await connect(url, ca)
    await ws.recv()
    if ca:
        ws.transport.close()
        await ws.wait_closed()
    else:
        ws.transport.abort()


asyncio.run({"serve": serve, "silent": silent, "talk": talk, "die": die}[sys.argv[1]](*sys.argv[2:]))
