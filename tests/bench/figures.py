# SPDX-License-Identifier: Apache-2.0
"""Each figure: how it is measured. A figure takes `quick` and returns a list of rows; rates are the
median of interleaved rounds, so that what else goes on hits all sides alike."""
import gzip
import json
import os
import random
import shutil
import socket
import statistics
import string
import subprocess
import time

import deploys
from servers import (BUILD, Edgectl, Missing, Nginx, Serving, Viceroy, Worker, Workerd, Wrangler,
                     fastly_cli, get, guest, tool, wrk)

MANIFEST = """manifest_version = 3
name = "bench"
[local_server.kv_stores]
bench = []
[local_server.backends.slow]
url = "http://127.0.0.1:{port}/"
"""


def row(name, what, unit, ours, peer=None, theirs=None, must=None, aim=None, of="value"):
    """`must` and `aim` bound our value from above; with of="ratio", ours / theirs from below, with
    of="cost" from above."""
    ratio = ours / theirs if theirs else None
    met = must is None or {"ratio": (ratio or 0) >= must, "cost": (ratio or 99) <= must,
                           "value": ours <= must}[of]
    return {"name": name, "what": what, "unit": unit, "edgectl": round(ours, 3), "peer": peer,
            "theirs": theirs and round(theirs, 3), "ratio": ratio and round(ratio, 2),
            "must": must, "aim": aim, "of": of, "met": met}


def manifest(port=1):
    path = os.path.join(BUILD, "bench", "fastly.toml")
    with open(path, "w") as f:
        f.write(MANIFEST.format(port=port))
    return path


def start(make, path="/"):
    """Start a server and wait for it; None, with the reason told, if it cannot be had."""
    try:
        server = make()
        server.wait(path)
        return server
    except Missing as missing:
        print(f"# left out: {missing}", flush=True)
        return None


def rates(makers, path, quick):
    """{name: requests per second} of servers that run side by side and are loaded in turn."""
    servers = [s for s in (start(m, path) for m in makers) if s]
    seconds, rounds = (2, 1) if quick else (5, 3)
    found = {s.name: [] for s in servers}
    try:
        for s in servers:
            wrk(s.port, path, 1)
        for _ in range(rounds):
            for s in servers:
                rate, bad, _ = wrk(s.port, path, seconds)
                if bad:
                    print(f"# {s.name}: {bad} bad answers at {path}", flush=True)
                found[s.name].append(rate)
    finally:
        for s in servers:
            s.stop()
    return {name: statistics.median(r) for name, r in found.items()}


def compare(name, what, makers, path, quick, wanted):
    """Rows of edgectl against each peer. `wanted`: {peer: (must, aim)}."""
    found = rates(makers, path, quick)
    ours = found.pop("edgectl", 0)
    return [row(name, what, "requests/s", ours, peer, theirs, *wanted.get(peer, (None, None)),
                of="ratio")
            for peer, theirs in found.items()] or [row(name, what, "requests/s", ours)]


def hello(quick):
    """The least guest (C, 6 hostcalls), which shows the host; and one built by an SDK (Rust, 13
    hostcalls and the start of its runtime), which shows what users get."""
    rows = []
    for what, name in ("C hello", "c/hello"), ("Rust hello", "rust/hello"):
        module = guest(name)
        makers = [lambda m=module: Edgectl(m), lambda m=module: Viceroy(m), Nginx]
        rows += compare("hello", what, makers, "/", quick,
                        {"viceroy": (8, 12), "nginx": (0.5, 0.75)})
    return rows


def js_hello(quick):
    module = guest("js/hello")
    return compare("js-hello", "JavaScript hello",
                   [lambda: Edgectl(module), lambda: Viceroy(module)], "/", quick,
                   {"viceroy": (2, 3)})


def with_kv(module):
    path = manifest()
    return [lambda: Edgectl(module, path), lambda: Viceroy(module, path)]


def js_kv(quick):
    return compare("js-kv", "JavaScript KV get+put", with_kv(guest("js/bench")), "/kv", quick,
                   {"viceroy": (2, 3)})


def kv(quick):
    return compare("kv", "Rust KV get+put, durable here", with_kv(guest("rust/bench")), "/kv",
                   quick, {"viceroy": (3, 8)})


def start_times(make, times):
    found = []
    for _ in range(times):
        with make() as server:
            found.append(server.wait() * 1000)
    return statistics.median(found)


def starts(name, what, module, quick, must, aim):
    times = 3 if quick else 9
    start_times(lambda: Edgectl(module), 1)     # compiled before
    ours = start_times(lambda: Edgectl(module), times)
    rows = []
    for make in (lambda: Viceroy(module), Wrangler):
        try:
            make_times = 1 if quick else 3
            theirs = start_times(make, make_times)
            peer = "wrangler" if make is Wrangler else "viceroy"
            rows.append(row(name, what, "ms", ours, peer, theirs, must, aim))
        except Missing as missing:
            print(f"# left out: {missing}", flush=True)
    return rows or [row(name, what, "ms", ours, must=must, aim=aim)]


def start_hello(quick):
    return starts("start-hello", "start to first 200, Rust hello", guest("rust/hello"), quick, 60, 30)


def start_js(quick):
    return starts("start-js", "start to first 200, JavaScript app", guest("js/bench"), quick, 90, 40)


def edited(original, path):
    """Write a bundle that nobody has seen before, as an edit of its text makes it; returns the new
    text and when the file was closed."""
    text = "".join(random.choices(string.ascii_letters, k=5)).encode()
    bundle = original.replace(b"Hello", text)
    with open(path, "wb") as f:
        f.write(bundle)
    return text, time.monotonic()


def edit(quick):
    """An edited JavaScript app: from the bundle's last byte to the first answer made by it."""
    home = os.path.join(BUILD, "bench", "app")
    shutil.rmtree(home, ignore_errors=True)
    os.makedirs(os.path.join(home, "bin"))
    artifact = os.path.join(home, "bin", "main.wasm")
    with open(os.path.join(home, "fastly.toml"), "w") as f:
        f.write('manifest_version = 3\nname = "edit"\nlanguage = "javascript"\n')
    with open(guest("js/hello"), "rb") as f:
        original = f.read()
    edited(original, artifact)
    found = []
    with Edgectl(None, cwd=home) as server:
        server.wait()
        for _ in range(3 if quick else 7):
            time.sleep(1)
            text, closed = edited(original, artifact)
            while not (answer := get(server.port)) or answer[1].find(text) < 0:
                if time.monotonic() > closed + 60:
                    raise Missing("edgectl does not take up an edited bundle")
                time.sleep(0.001)
            found.append((time.monotonic() - closed) * 1000)
    ours, theirs = statistics.median(found), None
    try:
        edited(original, artifact)
        theirs = start_times(lambda: Viceroy(artifact), 1 if quick else 3)
    except Missing as missing:
        print(f"# left out: {missing}", flush=True)
    return [row("edit", "edited JavaScript bundle to first answer", "ms", ours,
                theirs and "viceroy", theirs, 400, 200)]


def waiting(quick):
    """Many requests at once, all waiting for a backend that takes three seconds."""
    count = 1000 if quick else 5000
    backend = subprocess.Popen([tool("slow_backend"), "3000"], stdout=subprocess.PIPE, text=True)
    try:
        path = manifest(int(backend.stdout.readline()))
        module = guest("rust/bench")
        rows = []
        for make in (lambda: Edgectl(module, path, options=["--max-requests", str(count)]),
                     lambda: Viceroy(module, path)):
            server = start(make)
            if not server:
                continue
            with server:
                said = subprocess.run([tool("burst"), str(server.port), "/slow", str(count), "90"],
                                      capture_output=True, text=True, check=True).stdout
                rows.append((server.name, json.loads(said), server.memory("VmHWM")))
    finally:
        backend.kill()
    found = {name: (said, memory) for name, said, memory in rows}
    if "edgectl" not in found:
        raise Missing("edgectl")
    ours, memory = found["edgectl"]
    theirs, their_memory = found.get("viceroy", ({}, None))
    peer = theirs and "viceroy" or None
    what = f"{count} requests waiting"
    return [row("waiting", f"{what}: left without a 200", "", count - ours["ok"], peer,
                count - theirs["ok"] if theirs else None, 0),
            row("waiting", f"{what}: until the last answer", "s", ours["seconds"], peer,
                theirs.get("seconds")),
            row("waiting", f"{what}: most memory", "MiB", memory, peer, their_memory, 1536)]


def idle(quick):
    module = guest("js/bench")
    rows, found = [], {}
    for make in (lambda: Edgectl(module), lambda: Viceroy(module), Wrangler):
        server = start(make)
        if server:
            with server:
                time.sleep(1 if quick else 5)
                found[server.name] = server.memory()
    ours = found.pop("edgectl", 0)
    for peer, theirs in found.items():
        rows.append(row("idle", "memory idle, JavaScript app", "MiB", ours, peer, theirs, 100, 60))
    return rows or [row("idle", "memory idle, JavaScript app", "MiB", ours, must=100, aim=60)]


def million(quick):
    """Memory after many requests against memory after the first tenth of them."""
    wanted, total, early = (100_000 if quick else 1_000_000), 0, None
    with Edgectl(guest("rust/hello")) as server:
        server.wait()
        while total < wanted:
            total += wrk(server.port, "/", 1 if quick else 3)[2]
            if early is None and total >= wanted / 10:
                early = server.memory()
        late = server.memory()
    return [row("million", f"memory after {total} requests / after a tenth", "x", late / early,
                must=1.1, aim=1.02),
            row("million", f"memory after {total} requests", "MiB", late)]


def bundle(quick):
    """A JavaScript app's package, made by us and by Fastly's own CLI."""
    module = guest("js/app")
    fastly = fastly_cli()
    home = os.path.join(BUILD, "bench", "bundle")
    os.makedirs(home, exist_ok=True)
    with open(os.path.join(home, "edge.yaml"), "w") as f:
        f.write(f"name: app\nbuild: {{ artifact: {module} }}\n")
    with open(os.path.join(home, "fastly.toml"), "w") as f:
        f.write('manifest_version = 3\nname = "app"\nauthors = []\nlanguage = "javascript"\n')
    env = {**os.environ, "FASTLY_API_TOKEN": "none"}
    sides = {
        "edgectl": [os.path.abspath(os.path.join(BUILD, "edgectl")), "bundle", "--target",
                    "fastly", "--out", "ours.tar.gz"],
        "fastly": [fastly, "compute", "pack", "--wasm-binary", module, "--non-interactive"],
    }
    times = {name: [] for name in sides}
    for _ in range(5 if quick else 15):
        for name, command in sides.items():
            begin = time.monotonic()
            subprocess.run(command, cwd=home, env=env, check=True, capture_output=True)
            times[name].append((time.monotonic() - begin) * 1000)
    ours, theirs = (statistics.median(times[name]) for name in ("edgectl", "fastly"))
    sizes = [os.path.getsize(os.path.join(home, f)) / 1e6
             for f in ("ours.tar.gz", "pkg/app.tar.gz")]
    return [row("bundle", "package of a JavaScript app, median", "ms", ours, "fastly", theirs,
                1.5, 1, of="cost"),
            row("bundle", "its size", "MB", sizes[0], "fastly", sizes[1], 1, of="cost")]


def worker(quick):
    """A guest in Cloudflare's runtime, through the host, against plain JavaScript there."""
    rows = []
    for what, name, wanted in ("C hello in workerd", "c/hello", (None, None)), \
            ("Rust hello in workerd", "rust/hello", (0.35, 0.5)):
        module = guest(name)
        rows += compare("worker", what, [lambda m=module: Worker(m), Workerd], "/", quick,
                        {"workerd": wanted})
    return rows + worker_time(quick) + worker_size()


def times(port, count):
    """Median time of a request on a kept connection, in ms."""
    found = []
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(count):
            began = time.perf_counter()
            s.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            while not s.recv(65536).endswith(b"Hello"):
                pass
            found.append((time.perf_counter() - began) * 1000)
    return statistics.median(found)


def worker_time(quick):
    plain, ours = [], []
    with Workerd() as peer, Worker(guest("rust/hello")) as server:
        peer.wait()
        server.wait()
        for _ in range(3 if quick else 9):
            plain.append(times(peer.port, 300))
            ours.append(times(server.port, 300))
    return [row("worker", "Rust hello in workerd, time added", "ms",
                max(0, statistics.median(ours) - statistics.median(plain)), must=1.5, aim=0.5)]


def worker_size():
    folder, text = Worker.bundle(guest("c/hello")), b""
    for part in "core", "cloudflare":
        for name in sorted(os.listdir(os.path.join(folder, part))):
            with open(os.path.join(folder, part, name), "rb") as f:
                text += f.read()
    return [row("worker", "host for Workers as shipped, gzip", "kB",
                len(gzip.compress(text, 9)) / 1000, must=30, aim=20)]


def worker_js(quick):
    """An SDK's guests there, 16 at once, in the memory that Cloudflare gives: what the process
    takes more than when it only runs plain JavaScript under the same load."""
    with Workerd() as peer:
        peer.wait()
        wrk(peer.port, "/", 2, 16)
        least = peer.memory("VmHWM")
    rows = []
    for what, name, path in ("16 JavaScript guests in workerd", "js/hello", "/"), \
            ("the same, each waiting 0.1 s", "js/app", "/timers"):
        with Worker(guest(name)) as server:
            server.wait(path)
            rate, bad, _ = wrk(server.port, path, 3 if quick else 10, 16)
            most = server.memory("VmHWM")
        rows += [row("worker-js", what, "requests/s", rate),
                 row("worker-js", f"{what}: no 200", "", bad, must=0),
                 row("worker-js", f"{what}: memory", "MiB", most - least, must=128)]
    return rows


def deploy(quick):
    """A release of the hello app, with nothing to build, onto this machine: the whole command, after
    which all traffic is the new version's."""
    home = os.path.join(BUILD, "bench", "deploy")
    shutil.rmtree(home, ignore_errors=True)
    os.makedirs(home)
    module, found = guest("rust/hello"), []
    edgectl = os.path.abspath(os.path.join(BUILD, "edgectl"))
    with Serving(os.path.join(home, "state")) as server:
        env = {**os.environ, "EDGECTL_LOCAL": server.state}
        for n in range(6 if quick else 16):
            with open(os.path.join(home, "edge.yaml"), "w") as f:
                f.write(f"name: hello\nbuild: {{ artifact: {module} }}\n"
                        f"config: {{ flags: {{ n: '{n}' }} }}\n")
            begin = time.monotonic()
            subprocess.run([edgectl, "deploy"], cwd=home, env=env, check=True,
                           capture_output=True)
            found.append((time.monotonic() - begin) * 1000)
    # The first compiles the module.
    return [row("deploy", "hello, nothing to build, to serving here", "ms",
                statistics.median(found[1:]), must=150)]


def deploy_far(quick):
    """A changed app deployed, against the providers' own CLIs."""
    rows = []
    # Fastly: four turns must follow one another (look, clone, comment and package, activate); its
    # CLI makes nine.
    for name, measure, peer in (("Cloudflare", deploys.cloudflare, "wrangler"),
                                ("Fastly", deploys.fastly, "fastly")):
        try:
            ours, theirs = measure(quick)
        except Missing as missing:
            print(f"# deploy to {name} left out: {missing}", flush=True)
            continue
        rows.append(row("deploy-far", f"to {name}, 50 ms away, median", "ms", ours, peer, theirs, 0.5,
                        of="cost"))
    return rows


FIGURES = {"hello": hello, "js-hello": js_hello, "js-kv": js_kv, "kv": kv,
           "start-hello": start_hello, "start-js": start_js, "edit": edit, "waiting": waiting,
           "idle": idle, "million": million, "bundle": bundle, "worker": worker,
           "worker-js": worker_js, "deploy": deploy, "deploy-far": deploy_far}
