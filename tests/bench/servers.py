# SPDX-License-Identifier: Apache-2.0
"""The servers that are measured: edgectl and its peers, each started, timed and stopped alike."""
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "edgectl")
PEERS = os.path.join(CACHE, "peers")
VICEROY, WRANGLER = "0.22.0", "4"


class Missing(Exception):
    """A peer or a tool that cannot be had here; its figures are left out and that is said."""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(port, path="/", timeout=30):
    """One request on a connection of its own: (status, body), or None if nobody answers yet."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout) as s:
            head = f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n"
            s.sendall(head.encode())
            data = b""
            while chunk := s.recv(65536):
                data += chunk
    except OSError:
        return None
    head, _, body = data.partition(b"\r\n\r\n")
    return (int(head.split(b" ")[1]), body) if head.startswith(b"HTTP/1.") else None


def tree(pid):
    """A process and all below it."""
    pids = [pid]
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as f:
                for child in f.read().split():
                    pids += tree(int(child))
    except OSError:
        pass
    return pids


class Server:
    """A server process on a free port. `name` is that of the figures."""

    name = ""

    def __init__(self, command, port, cwd=None, env=None):
        self.port = port
        self.log = open(os.path.join(BUILD, "bench", f"{self.name}.log"), "wb")
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            command, cwd=cwd, env={**os.environ, **(env or {})}, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def wait(self, path="/", seconds=120):
        """Until the first 200; returns the seconds since the start."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            answer = get(self.port, path)
            if answer and answer[0] == 200:
                return time.monotonic() - self.began
            if self.process.poll() is not None:
                break
            time.sleep(0.001)
        with open(self.log.name, "rb") as f:
            said = f.read()[-2000:].decode("utf-8", "replace")
        self.stop()
        raise Missing(f"{self.name} gave no answer; it said: {said}")

    def memory(self, field="VmRSS"):
        """MiB, of the process and its children."""
        total = 0
        for pid in tree(self.process.pid):
            try:
                with open(f"/proc/{pid}/status") as f:
                    total += next(int(l.split()[1]) for l in f if l.startswith(field + ":"))
            except (OSError, StopIteration):
                pass
        return total / 1024

    def stop(self):
        try:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(5)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Edgectl(Server):
    name = "edgectl"

    def __init__(self, module, manifest=None, cwd=None, options=()):
        port = free_port()
        state = os.path.join(BUILD, "bench", "state")
        shutil.rmtree(state, ignore_errors=True)
        # No line per request, as the peers write none (nginx: access_log off).
        command = [os.path.join(BUILD, "edgectl"), "dev", "--quiet", "--addr", f"127.0.0.1:{port}",
                   "--state", state, *options]
        command += [module] if module else []
        command += ["--manifest", manifest] if manifest else []
        super().__init__(command, port, cwd)


class Serving(Server):
    """`edgectl serve`, with nothing deployed yet: use it once its socket is there."""
    name = "edgectl"

    def __init__(self, state):
        self.state = os.path.abspath(state)
        port = free_port()
        super().__init__([os.path.join(BUILD, "edgectl"), "serve", "--quiet", "--addr",
                          f"127.0.0.1:{port}", "--state", self.state], port, None)
        end = time.monotonic() + 30
        while not os.path.exists(os.path.join(self.state, "admin.sock")):
            if time.monotonic() > end:
                raise Missing("edgectl serve does not start")
            time.sleep(0.01)


class Viceroy(Server):
    name = "viceroy"

    def __init__(self, module, manifest=None):
        port = free_port()
        command = [self.binary(), "serve", "--addr", f"127.0.0.1:{port}", module]
        command += ["-C", manifest] if manifest else []
        super().__init__(command, port)

    @staticmethod
    def binary():
        path = os.path.join(PEERS, "bin", "viceroy")
        if not os.path.exists(path):
            if not shutil.which("cargo"):
                raise Missing("cargo, to build Viceroy")
            print(f"building Viceroy {VICEROY} (once, 10 minutes) ...", file=sys.stderr)
            run(["cargo", "install", "--quiet", "--locked", "--root", PEERS,
                 f"viceroy@{VICEROY}"], "Viceroy")
        return path


class Nginx(Server):
    """Two workers, `return 200`."""

    name = "nginx"

    def __init__(self):
        port = free_port()
        binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
        if not binary:
            raise Missing("nginx")
        home = os.path.join(BUILD, "bench", "nginx")
        os.makedirs(home, exist_ok=True)
        config = os.path.join(home, "nginx.conf")
        temps = "".join(f"{t}_temp_path {home};" for t in
                        ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(config, "w") as f:
            f.write(f"daemon off; worker_processes 2; pid {home}/pid; error_log stderr;\n"
                    "events { worker_connections 4096; }\n"
                    f"http {{ access_log off; {temps} keepalive_requests 100000000;\n"
                    f"server {{ listen 127.0.0.1:{port} reuseport;\n"
                    "location / { return 200 'Hello'; } } }\n")
        super().__init__([binary, "-p", home, "-c", config], port)


class Wrangler(Server):
    """`wrangler dev` with a plain JavaScript hello: what a Cloudflare user waits for."""

    name = "wrangler"

    def __init__(self):
        home = self.folder()
        port = free_port()
        super().__init__(
            [os.path.join(home, "node_modules/.bin/wrangler"), "dev", "hello.js", "--ip",
             "127.0.0.1", "--port", str(port), "--inspector-port", str(free_port()),
             "--compatibility-date", "2025-01-01", "--name", "hello"],
            port, cwd=home, env={"CI": "1", "WRANGLER_SEND_METRICS": "false"})

    @staticmethod
    def folder():
        home = os.path.join(PEERS, f"wrangler-{WRANGLER}")
        if not os.path.exists(os.path.join(home, "complete")):
            if not shutil.which("npm"):
                raise Missing("npm, to install wrangler")
            os.makedirs(home, exist_ok=True)
            with open(os.path.join(home, "package.json"), "w") as f:
                f.write('{"private": true}\n')
            with open(os.path.join(home, "hello.js"), "w") as f:
                f.write('export default { fetch() { return new Response("Hello"); } };\n')
            run(["npm", "install", "--prefix", home, "--loglevel=error", "--no-audit", "--no-fund",
                 f"wrangler@{WRANGLER}"], "wrangler")
            open(os.path.join(home, "complete"), "w").close()
        return home


class Workerd(Server):
    """Cloudflare's runtime, with a plain JavaScript hello."""

    name = "workerd"
    PLAIN = """using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (modules = [(name = "hello.js", esModule = embed "hello.js")],
    compatibilityDate = "2026-01-01"))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")]);
"""

    def __init__(self):
        home = os.path.join(BUILD, "bench", "plain-worker")
        os.makedirs(home, exist_ok=True)
        with open(os.path.join(home, "hello.js"), "w") as f:
            f.write('export default { fetch() { return new Response("Hello"); } };\n')
        with open(os.path.join(home, "config.capnp"), "w") as f:
            f.write(self.PLAIN)
        self.serve(home)

    def serve(self, home):
        port = free_port()
        super().__init__([self.binary(), "serve", f"--socket-addr=http=127.0.0.1:{port}",
                          os.path.join(home, "config.capnp")], port)

    @staticmethod
    def binary():
        r = subprocess.run([os.path.join(ROOT, "tests/hosts/peers/install"), "workerd"],
                           stdout=subprocess.PIPE, text=True, check=False)
        if r.returncode != 0:
            raise Missing("workerd: it cannot be installed here")
        return r.stdout.strip()


class Worker(Workerd):
    """The same runtime with a guest, as `edgectl bundle` ships it."""

    name = "edgectl"

    def __init__(self, module):
        self.serve(self.bundle(module))

    @staticmethod
    def bundle(module):
        """The folder of the bundle, with workerd's config in it."""
        home = os.path.join(BUILD, "bench", "worker")
        shutil.rmtree(home, ignore_errors=True)
        os.makedirs(home)
        shutil.copy(module, os.path.join(home, "app.wasm"))
        with open(os.path.join(home, "edge.yaml"), "w") as f:
            f.write("name: bench\ntargets: { worker: { provider: cloudflare } }\n"
                    "build: { artifact: app.wasm }\n")
        folder = os.path.join(home, "bundle")
        run([os.path.join(BUILD, "edgectl"), "bundle", "-C", home, "--target", "worker", "--quiet",
             "--out", folder], "the bundle")
        run([sys.executable, os.path.join(ROOT, "tests/hosts/workerd_config.py"), folder], "workerd's config")
        return folder


def run(command, what):
    if subprocess.run(command, stdout=sys.stderr, check=False).returncode != 0:
        raise Missing(f"{what}: it could not be installed")


def guest(name):
    """The module of a test guest, built if it has to be."""
    r = subprocess.run([os.path.join(ROOT, "tests/guests/build"), name], stdout=subprocess.PIPE,
                       text=True, check=False)
    if r.returncode != 0 or not r.stdout.strip():
        raise Missing(f"guest {name}: it cannot be built here")
    return r.stdout.strip().splitlines()[-1]


def fastly_cli():
    r = subprocess.run([os.path.join(ROOT, "tests/bundle/peers/install"), "fastly"],
                       stdout=subprocess.PIPE, text=True, check=False)
    if r.returncode != 0:
        raise Missing("Fastly's CLI")
    return r.stdout.strip()


def tool(name):
    return os.path.join(BUILD, "tests/tools", name)


def wrk(port, path, seconds, connections=32):
    """(requests per second, answers that were no 2xx, requests in all)"""
    if not shutil.which("wrk"):
        raise Missing("wrk")
    r = subprocess.run(
        ["wrk", "-t2", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s",
         f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=False)
    if r.returncode != 0:
        raise Missing(f"wrk could not load port {port}: {r.stderr.strip() or r.stdout.strip()}")
    rate, bad, total = 0.0, 0, 0
    for line in r.stdout.splitlines():
        words = line.split()
        if line.startswith("Requests/sec:"):
            rate = float(words[1])
        elif "Non-2xx" in line:
            bad += int(words[-1])
        elif "Socket errors" in line:
            bad += sum(int(w.strip(",")) for w in words if w.strip(",").isdigit())
        elif "requests in" in line:
            total = int(words[0])
    return rate, bad, total
