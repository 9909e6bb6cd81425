# SPDX-License-Identifier: Apache-2.0
"""Deploys of a changed app to a provider's fake that answers after 50 ms, by us and by the provider's
own CLI: the whole command, from the shell's point of view. Neither asks the new version for a page,
which the fake could not serve them alike."""
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request

from servers import BUILD, ROOT, Missing, fastly_cli

LATENCY = 50
# (module (memory (export "memory") 1) (func (export "_start")))
MODULE = (b"\0asm\1\0\0\0\1\4\1\x60\0\0\3\2\1\0\5\3\1\0\1\7\x13\2\6memory\2\0\6_start\0\0"
          b"\12\4\1\2\0\13")


def module(n):
    """The same module with another custom section: a change for whoever compares."""
    name = b"\4run" + bytes([64 + n])
    return MODULE + bytes([0, len(name)]) + name


class FakeProvider:
    def __init__(self, name, home):
        shutil.rmtree(home, ignore_errors=True)
        os.makedirs(os.path.join(home, "fake"))
        self.home, self.name = home, name
        self.process = subprocess.Popen(
            [sys.executable, "-B", os.path.join(ROOT, f"tests/provider/fake_{name}.py"), "--dir",
             os.path.join(home, "fake"), "--latency", str(LATENCY)])
        url = os.path.join(home, "fake/url")
        while not os.path.exists(url):
            if self.process.poll() is not None:
                raise Missing(f"the fake of {name}")
            time.sleep(0.01)
        with open(url) as f:
            self.url = f.read()

    def state(self):
        with urllib.request.urlopen(self.url + "/_fake/state") as r:
            return json.load(r)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def environment(fake):
    return {**os.environ, "HOME": os.path.join(fake.home, "home"), "CI": "1", "NO_COLOR": "1",
            "CLOUDFLARE_API_BASE_URL": fake.url + "/client/v4", "CLOUDFLARE_API_TOKEN": "cf-token",
            "CLOUDFLARE_ACCOUNT_ID": "acc", "WRANGLER_SEND_METRICS": "false",
            "FASTLY_API_ENDPOINT": fake.url, "FASTLY_ACCOUNT_ENDPOINT": fake.url,
            "FASTLY_API_TOKEN": "fs-token"}


def timed(command, cwd, env):
    begin = time.monotonic()
    r = subprocess.run(command, cwd=cwd, env=env, capture_output=True, stdin=subprocess.DEVNULL)
    if r.returncode:
        raise RuntimeError(f"{command}: {r.stdout.decode()}{r.stderr.decode()}")
    return (time.monotonic() - begin) * 1000


def edgectl():
    return os.path.abspath(os.path.join(BUILD, "edgectl"))


def project(fake, app):
    home = os.path.join(fake.home, app)
    os.makedirs(os.path.join(fake.home, "home"), exist_ok=True)
    os.makedirs(home)
    with open(os.path.join(home, "edge.yaml"), "w") as f:
        f.write(f"name: {app}\nbuild: {{ artifact: app.wasm }}\n"
                f"targets: {{ prod: {{ provider: {fake.name} }} }}\n")
    return home


def put(home, n):
    with open(os.path.join(home, "app.wasm"), "wb") as f:
        f.write(module(n))


def measure(fake, prepare, theirs, runs):
    """Medians (ours, theirs); `prepare(n)` is not timed, the first deploys are not either."""
    env, home = environment(fake), project(fake, "ours")
    times = {"ours": [], "theirs": []}
    for n in range(runs + 1):
        put(home, n)
        command = prepare(n, env)
        a = timed([edgectl(), "deploy", "--target", "prod", "--no-probe"], home, env)
        b = timed(command, theirs, env)
        if n:
            times["ours"].append(a)
            times["theirs"].append(b)
    return statistics.median(times["ours"]), statistics.median(times["theirs"])


def wrangler_cli():
    r = subprocess.run([os.path.join(ROOT, "tests/bundle/peers/install"), "wrangler"],
                       stdout=subprocess.PIPE, text=True)
    if r.returncode:
        raise Missing("wrangler")
    return r.stdout.strip()


def cloudflare(quick):
    wrangler = wrangler_cli()
    fake = FakeProvider("cloudflare", os.path.join(BUILD, "bench", "deploy-cloudflare"))
    try:
        home = project(fake, "theirs")
        files = os.path.join(home, "b")

        def prepare(n, env):
            put(home, n)
            shutil.rmtree(files, ignore_errors=True)
            timed([edgectl(), "bundle", "--target", "prod", "--out", "b"], home, env)
            os.remove(os.path.join(files, "metadata.json"))
            with open(os.path.join(files, "wrangler.json"), "w") as f:
                json.dump({"name": "theirs", "main": "cloudflare/index.js", "no_bundle": True,
                           "compatibility_date": "2026-01-01", "find_additional_modules": True,
                           "base_dir": ".", "workers_dev": True, "preview_urls": True,
                           "rules": [{"type": "ESModule", "globs": ["**/*.js"]},
                                     {"type": "CompiledWasm", "globs": ["**/*.wasm"]}]}, f)
            return [wrangler, "deploy"]

        os.makedirs(files)
        return measure(fake, prepare, files, 3 if quick else 7)
    finally:
        fake.stop()


def fastly(quick):
    cli = fastly_cli()
    fake = FakeProvider("fastly", os.path.join(BUILD, "bench", "deploy-fastly"))
    try:
        home, env = project(fake, "theirs"), environment(fake)
        put(home, 0)
        timed([edgectl(), "deploy", "--target", "prod", "--no-probe"], home, env)
        service = fake.state()["services"]["theirs"]["id"]

        def prepare(n, env):
            put(home, n + 1)
            timed([edgectl(), "bundle", "--target", "prod", "--out", "p.tar.gz"], home, env)
            return [cli, "compute", "deploy", "--package", "p.tar.gz", "--service-id", service,
                    "--non-interactive", "--status-check-off"]

        return measure(fake, prepare, home, 3 if quick else 7)
    finally:
        fake.stop()
