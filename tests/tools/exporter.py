#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""exporter.py STATE APP PORT-FILE: what an `edgectl serve` with that state folder has counted for
each version of APP, for a Prometheus to scrape."""
import http.client
import http.server
import json
import os
import socket
import sys

state, app, port_file = sys.argv[1:]


class Admin(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(next(os.path.join(state, n) for n in os.listdir(state)
                               if n.endswith(".sock")))


def ask(path):
    c = Admin("localhost")
    token = open(os.path.join(state, "admin.token")).read()
    c.request("GET", path, headers={"authorization": "Bearer " + token})
    return json.load(c.getresponse())


# Edges of the server's own buckets: ten a decade from 100 us on; and those of a usual histogram.
STEPS = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
EDGES = [s * 10.0 ** d for d in range(-4, 2) for s in STEPS] + [100.0]
SHOWN = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


def histogram(version, counts):
    name = "edgectl_request_duration_seconds_bucket"
    below = {le: sum(n for n, edge in zip(counts, EDGES) if edge <= le * 1.0001) for le in SHOWN}
    below["+Inf"] = sum(counts)
    return [f'{name}{{version="{version}",le="{le}"}} {n}\n' for le, n in below.items()]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        out = []
        for v in ask(f"/v1/apps/{app}")["versions"]:
            m = ask(f"/v1/apps/{app}/metrics?version={v['id']}&since=0")
            if m["requests"] == 0:
                continue
            for name in ("requests", "errors", "traps"):
                # As client libraries do: a counter exists from its first increment on.
                if m[name]:
                    out.append(f'edgectl_{name}_total{{version="{v["id"]}"}} {m[name]}\n')
            out += histogram(v["id"], m["latency"])
        body = "".join(out).encode()
        self.send_response(200)
        self.send_header("content-type", "text/plain; version=0.0.4")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
with open(port_file + ".new", "w") as f:
    f.write(str(server.server_port))
os.rename(port_file + ".new", port_file)
server.serve_forever()
