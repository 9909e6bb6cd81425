# SPDX-License-Identifier: Apache-2.0
"""Fakes of provider APIs: stateful servers on loopback that take every request at its word.

A fake is a subclass of Fake with one method per operation:

    class Cloudflare(Fake):
        @route("GET", "/v4/kv/{ns}/keys", query=["prefix", "limit"])
        def keys(self, req, ns):
            return Answer(json={...})

What a route does not allow (query keys, a body of another kind, unknown paths, bad credentials) is a
violation: it is answered with 400 and kept, and tests fail on any. Everything that was asked is kept
too, for parity and for counting.

Tests steer a running fake by requests to /_fake/ (`fake` in provider.bash):

    fault   {"match": REGEX of "METHOD /path", "kind": ..., "times": 1, "skip": 0}   see Fault
    kill    {"nth": N, "when": "before"|"after", "pid_file": PATH}    kill -9 around the Nth request,
            or with "match": REGEX instead of "nth" around one that looks so
    call    {"name": METHOD, ...}    change something behind the client's back: drift_METHOD(...)
    requests, violations, state, reset; heal: no fault any more; faults: how many are left

Besides its API a fake answers for the provider's edge: with --edge, requests that come through it as
an HTTPS proxy are for deployed apps, over TLS with certificates from its own authority."""
import argparse
import email.parser
import email.policy
import json
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import traceback
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

sys.dont_write_bytecode = True


class Refused(Exception):
    """A request that the provider would not understand, or that no client should send."""


class Instead(Exception):
    """An answer, from deep inside of an operation."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer


class Answer:
    def __init__(self, status=200, json=None, body=b"", type=None, headers=None):
        self.status = status
        self.body = body
        self.headers = dict(headers or {})
        if json is not None:
            self.body = dumps(json).encode()
            type = type or "application/json"
        if type:
            self.headers["Content-Type"] = type


def dumps(value):
    return json.dumps(value, separators=(",", ":"))


class Part:
    """Of a multipart body."""

    def __init__(self, name, filename, type, data):
        self.name, self.filename, self.type, self.data = name, filename, type, data


class Request:
    def __init__(self, method, target, headers, body, host):
        self.method, self.headers, self.body, self.host = method, headers, body, host
        self.raw_path, _, self.raw_query = target.partition("?")
        self.path = self.raw_path
        pairs = urllib.parse.parse_qsl(self.raw_query, keep_blank_values=True)
        self.query = dict(pairs)
        if len(self.query) != len(pairs):
            raise Refused(f"a query key twice: {self.raw_query}")
        self.kind = None

    def type(self):
        return self.headers.get("content-type", "").split(";")[0].strip().lower()

    def json(self):
        try:
            return json.loads(self.body)
        except ValueError as e:
            raise Refused(f"the body is not JSON: {e}") from e

    def form(self):
        pairs = urllib.parse.parse_qsl(self.body.decode(), keep_blank_values=True,
                                       strict_parsing=bool(self.body))
        if len(dict(pairs)) != len(pairs):
            raise Refused("a form key twice")
        return dict(pairs)

    def parts(self):
        """Of multipart/form-data, strictly by RFC 7578."""
        match = re.fullmatch(r'multipart/form-data; boundary="?([0-9A-Za-z\'()+_,./:=?-]{1,70})"?',
                             self.headers.get("content-type", ""))
        if not match:
            raise Refused("no multipart/form-data with a boundary")
        mark = b"--" + match[1].encode()
        pieces = (b"\r\n" + self.body).split(b"\r\n" + mark)
        if pieces[0] != b"" or pieces[-1].strip() != b"--" or len(pieces) < 3:
            raise Refused("the multipart body is not closed")
        found = []
        for piece in pieces[1:-1]:
            if not piece.startswith(b"\r\n"):
                raise Refused("junk behind a boundary")
            head, gap, data = piece[2:].partition(b"\r\n\r\n")
            if not gap:
                raise Refused("a part without content")
            fields = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + b"\r\n\r\n")
            disposition = fields["content-disposition"]
            if not disposition or disposition.content_disposition != "form-data":
                raise Refused("a part without Content-Disposition: form-data")
            found.append(Part(disposition.params.get("name"), disposition.params.get("filename"),
                              fields.get("content-type"), data))
        return found

    def record(self):
        """As it is kept: enough to compare clients."""
        body = None
        try:
            if self.type() == "multipart/form-data":
                body = [{"name": p.name, "filename": p.filename, "type": p.type,
                         **({"json": json.loads(p.data)} if p.name == "metadata"
                            else {"size": len(p.data)})} for p in self.parts()]
            elif self.type() == "application/x-www-form-urlencoded" and self.body:
                body = self.form()
            elif self.body.lstrip().startswith(b"<"):
                body = {"xml": self.body.decode()}
            elif self.body:
                body = json.loads(self.body)
        except (Refused, ValueError):
            body = {"raw": len(self.body)}
        return {"method": self.method, "host": self.host, "path": self.raw_path,
                "query": sorted(urllib.parse.parse_qsl(self.raw_query, keep_blank_values=True)),
                "headers": self.headers, "body": body}


class Route:
    def __init__(self, method, pattern, query, needs, body, type, continues, handler):
        self.method, self.query, self.needs, self.body = method, set(query), dict(needs), body
        self.type, self.continues, self.handler = type, continues, handler
        # A segment is percent-decoded after it was matched: "a%2Fb" is one.
        self.regex = re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(pattern)) + "$")

    def check(self, req):
        unknown = set(req.query) - self.query - set(self.needs)
        if unknown:
            raise Refused(f"query keys that do not exist there: {', '.join(sorted(unknown))}")
        for key, value in self.needs.items():
            if req.query.get(key) != value:
                raise Refused(f"the query must have {key}={value}")
        wanted = {"json": "application/json", "form": "application/x-www-form-urlencoded",
                  "multipart": "multipart/form-data"}.get(self.body, self.type)
        if self.body is None and req.body:
            raise Refused("there must be no body")
        if wanted and req.type() != wanted:
            raise Refused(f"Content-Type is '{req.type()}', not {wanted}")
        if "expect" in req.headers and not self.continues:
            raise Refused("Expect is for uploads only")


def route(method, pattern, query=(), needs=(), body=None, type=None, continues=False):
    """body: None (there is none), "json", "form", "multipart", or "raw" (with a `type`, if given)."""
    def mark(handler):
        handler.route = Route(method, pattern, query, needs, body, type, continues, handler)
        return handler
    return mark


class Fault:
    """What goes wrong, and how often (times -1: for ever). Kinds:

    429       refused, with Retry-After: `after` seconds (default 1)
    status    answers `status` (default 503) and does nothing, or with `done` true does it all the same
    reset     does it, sends half of the answer, resets the connection
    truncated does it, the JSON ends in its middle
    trickle   does it, answers a few bytes at a time, `ms` between them; never ends with `endless`
    html      does nothing; 200, a page
    type      does it, JSON as text/html
    silence   does it, says nothing until the client goes
    """

    KINDS = ("429", "status", "reset", "truncated", "trickle", "html", "type", "silence")

    def __init__(self, match=".", kind="status", times=1, skip=0, **more):
        if kind not in self.KINDS:
            raise Refused(f"no such fault: {kind}")
        self.regex, self.kind, self.times, self.skip = re.compile(match), kind, times, skip
        self.more = more

    def strikes(self, what):
        if not self.times or not self.regex.search(what):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1 if self.times > 0 else 0
        return True

    def does_nothing(self):
        return self.kind in ("429", "html") or (self.kind == "status" and not self.more.get("done"))


class Fake:
    #: Names that the edge answers for, for its certificate.
    edge_names = ()

    def __init__(self, options):
        self.options = options
        self.lock = threading.RLock()
        self.routes = [getattr(self, n).route for n in dir(type(self))
                       if hasattr(getattr(type(self), n), "route")]
        self.requests, self.violations, self.faults, self.kill = [], [], [], None
        self.counter, self.upset = 0, False

    # --- for subclasses ---
    def entered(self, req):
        """A request has come in, and is not answered yet."""

    def left(self, req):
        """It is about to be."""

    def authenticate(self, req):
        """None, or the answer that refuses."""

    def edge(self, req):
        """A request for a deployed app at req.host."""
        return Answer(404, body=b"nothing is deployed there\n")

    def failure(self, status, text):
        """An error in the provider's form."""
        return Answer(status, json={"error": text})

    def limit_headers(self, seconds):
        """Of a 429."""
        return {"Retry-After": str(seconds)}

    def state(self):
        return {}

    # --- answering ---
    def find(self, req):
        found = None
        for r in self.routes:
            match = r.regex.match(req.path)
            if match and r.method == req.method:
                args = {k: urllib.parse.unquote(v, errors="strict")
                        for k, v in match.groupdict().items()}
                if "." not in r.regex.pattern or not found or len(args) < len(found[1]):
                    found = (r, args)
        if not found:
            raise Refused("no such operation")
        return found

    def operate(self, req):
        try:
            if not req.headers.get("user-agent"):
                raise Refused("no User-Agent")
            found, args = self.find(req)
            found.check(req)
            return self.authenticate(req) or found.handler(self, req, **args)
        except Instead as instead:
            return instead.answer
        except Refused as refused:
            self.violations.append(f"{req.method} {req.path}: {refused}")
            return self.failure(400, f"fake: {refused}")
        except Exception:
            self.violations.append(f"{req.method} {req.path}: {traceback.format_exc()}")
            return self.failure(500, "fake: it broke")

    def strike(self, when, what):
        """kill -9 the client, if this is the request to do it at."""
        k = self.kill
        if not k or k["when"] != when or not (re.search(k["match"], what) if "match" in k
                                              else self.counter == k["nth"]):
            return False
        self.kill = None
        with open(k["pid_file"]) as f:
            os.kill(int(f.read()), signal.SIGKILL)
        return True

    def control(self, req):
        what = req.path[len("/_fake/"):]
        args = json.loads(req.body) if req.body else {}
        if what == "fault":
            self.faults.append(Fault(**args))
            self.upset = True
        elif what == "kill":
            self.kill, self.counter, self.upset = args or None, 0, True
        elif what == "call":
            return Answer(json=getattr(self, "drift_" + args.pop("name"))(**args))
        elif what == "heal":
            self.faults = []
        elif what == "reset":
            self.requests, self.violations, self.faults, self.counter = [], [], [], 0
        elif what == "faults":
            return Answer(json=sum(f.times != 0 for f in self.faults))
        elif what in ("requests", "violations"):
            return Answer(json=getattr(self, what))
        elif what == "state":
            return Answer(json=self.state())
        else:
            return Answer(404, body=b"no such control\n")
        return Answer(json={})


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake = None
    tunnel = None       # host:port of CONNECT
    timeout = 120

    def log_message(self, format, *args):
        pass

    def setup(self):
        super().setup()
        if self.request.family != socket.AF_UNIX:
            self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def body(self):
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            data = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return data
        length = int(self.headers.get("content-length", 0))
        data = self.rfile.read(length)
        if len(data) < length:
            raise ConnectionError("the client went away within its body")
        return data

    def do_CONNECT(self):
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self.wfile.flush()
        context = self.fake.edge_context()
        self.tunnel = self.path
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb", self.rbufsize)
        self.wfile = self.connection.makefile("wb", 0)
        self.close_connection = False

    def serve(self):
        fake = self.fake
        body = self.body()
        headers = {k.lower(): v for k, v in self.headers.items()}
        if self.tunnel:
            host = headers.get("host", "").split(":")[0]
            req = Request(self.command, self.path, headers, body, host)
            req.tunnel = self.tunnel
            with fake.lock:
                answer = fake.edge(req)
            self.send(answer)
            return
        try:
            req = Request(self.command, self.path, headers, body, None)
        except Refused as refused:
            fake.violations.append(f"{self.command} {self.path}: {refused}")
            self.send(fake.failure(400, str(refused)))
            return
        if req.path.startswith("/_fake/"):
            with fake.lock:
                answer = fake.control(req)
            self.send(answer)
            return
        with fake.lock:
            fake.entered(req)
        if fake.options.latency:
            time.sleep(fake.options.latency / 1000)
        self.operate(req)

    def operate(self, req):
        fake = self.fake
        what = f"{req.method} {req.path}" + (f"?{req.raw_query}" if req.raw_query else "")
        with fake.lock:
            fake.counter += 1
            fake.requests.append(req.record())
            fake.left(req)
            if fake.strike("before", what):
                self.close_connection = True
                return
            fault = next((f for f in fake.faults if f.strikes(what)), None)
            answer = None
            if not fault or not fault.does_nothing():
                answer = fake.operate(req)
            if fake.strike("after", what):
                self.close_connection = True
                return
        stream = getattr(answer, "stream", None)
        if fault:
            self.misbehave(fault, answer)
        elif stream:
            stream(self)
        else:
            self.send(answer)

    def head(self, answer, length):
        lines = [f"HTTP/1.1 {answer.status} Fake"]
        lines += [f"{k}: {v}" for k, v in answer.headers.items()]
        if length is not None and answer.status not in (204, 304):
            lines.append(f"Content-Length: {length}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def send(self, answer):
        body = b"" if answer.status in (204, 304) else answer.body
        try:
            self.wfile.write(self.head(answer, len(body)) +
                             (b"" if self.command == "HEAD" else body))
            self.wfile.flush()
        except OSError:
            self.close_connection = True

    def misbehave(self, fault, answer):
        more, kind = fault.more, fault.kind
        if kind == "429":
            answer = self.fake.failure(429, "too many requests")
            answer.headers.update(self.fake.limit_headers(more.get("after", 1)))
        elif kind == "status":
            answer = self.fake.failure(more.get("status", 503), more.get("text", "out of order"))
        elif kind == "truncated":
            answer.body = answer.body[:max(1, len(answer.body) // 2)]
        elif kind == "html":
            answer = Answer(200, body=b"<!DOCTYPE html><html><body>Please log in</body></html>",
                            type="text/html")
        elif kind == "type":
            answer.headers["Content-Type"] = "text/html"
        elif kind == "silence":
            while self.rfile.read(1):
                pass
            self.close_connection = True
            return
        elif kind == "reset":
            self.wfile.write(self.head(answer, len(answer.body) or 10) +
                             answer.body[:len(answer.body) // 2])
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                       struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        elif kind == "trickle":
            self.trickle(answer, more.get("ms", 5), more.get("endless"))
            return
        self.send(answer)

    def trickle(self, answer, ms, endless):
        length = 1 << 30 if endless else len(answer.body)
        try:
            self.wfile.write(self.head(answer, length))
            step = 1 if endless else max(1, len(answer.body) // 40)
            for i in range(0, length, step):
                self.wfile.write(answer.body[i:i + step] or b" ")
                self.wfile.flush()
                time.sleep(ms / 1000)
        except OSError:
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = serve


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def make_certificates(folder, names):
    """An authority, and one certificate from it for all names; made by openssl once per fake."""
    def openssl(*args):
        subprocess.run(["openssl", *args], check=True, capture_output=True)
    ca, ca_key = os.path.join(folder, "ca.pem"), os.path.join(folder, "ca.key")
    cert, key = os.path.join(folder, "edge.pem"), os.path.join(folder, "edge.key")
    csr, ext = os.path.join(folder, "edge.csr"), os.path.join(folder, "edge.ext")
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *curve, "-keyout", ca_key, "-out", ca, "-days", "2",
            "-subj", "/CN=fake authority")
    openssl("req", *curve, "-keyout", key, "-out", csr, "-subj", "/CN=fake edge")
    with open(ext, "w") as f:
        f.write("subjectAltName=" + ",".join(f"DNS:{n}" for n in names) + "\n")
    openssl("x509", "-req", "-in", csr, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial",
            "-days", "2", "-extfile", ext, "-out", cert)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


def main(cls):
    parser = argparse.ArgumentParser(description=cls.__doc__)
    parser.add_argument("--dir", required=True, help="gets `url`, and with --edge `ca.pem`")
    parser.add_argument("--latency", type=float, default=0, help="ms before each answer")
    parser.add_argument("--edge", action="store_true", help="be a proxy to deployed apps")
    options = parser.parse_args()
    fake = cls(options)
    if options.edge:
        context = make_certificates(options.dir, cls.edge_names)
        fake.edge_context = lambda: context
    handler = type("OneHandler", (Handler,), {"fake": fake})
    server = Server(("127.0.0.1", 0), handler)
    fake.port = server.server_address[1]
    url = os.path.join(options.dir, "url")
    with open(url + ".new", "w") as f:
        f.write(f"http://127.0.0.1:{fake.port}")
    os.rename(url + ".new", url)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
