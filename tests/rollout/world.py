# SPDX-License-Identifier: Apache-2.0
"""A project and the fakes of its providers, in one process with the test: what rollout tests in Python
are made of. The fakes run here, so that a request can be the moment to kill edgectl, or to change
something behind its back; the whole world can be set back to what it was after its two deploys."""
import argparse
import copy
import fnmatch
import glob
import importlib
import json
import mmap
import os
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import types

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "provider"))
import aws_signature  # noqa: E402
import fake as fakes  # noqa: E402

Fault = fakes.Fault
# (module (memory (export "memory") 1) (func (export "_start")))
WASM = bytes.fromhex("0061736d010000000104016000000302010005030100010713"
                     "02066d656d6f72790200065f737461727400000a040102000b")
TIMEOUT = 60


class Wrong(Exception):
    """The program did what it must not."""


def need(truth, text):
    if not truth:
        raise Wrong(text)


class Provider:
    """One fake: where the client finds it, and what its state means. `traffic` is who gets what now,
    by version, in basis points; `things` are the objects that exist, so that none is left over."""
    name, keys, step = None, "", 10

    def __init__(self, folder):
        os.makedirs(folder)
        module = importlib.import_module(f"fake_{self.name}")
        cls = next(c for c in vars(module).values() if isinstance(c, type) and
                   issubclass(c, fakes.Fake) and c is not fakes.Fake)
        self.fake = cls(argparse.Namespace(dir=folder, latency=0, edge=True))
        self.fake.slow = 1
        self.names = cls.edge_names
        self.server = fakes.Server(("127.0.0.1", 0), type("H", (fakes.Handler,), {"fake": self.fake}))
        self.fake.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.fake.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    kept = {"lock", "routes", "options", "edge_context", "strike", "operate", "edge", "more_logs", "port",
            "authenticate"}

    def save(self):
        self.saved = copy.deepcopy({k: v for k, v in vars(self.fake).items() if k not in self.kept})

    def restore(self):
        with self.fake.lock:
            vars(self.fake).update(copy.deepcopy(self.saved))

    def age(self):
        """What is there was made a while ago."""

    def live(self, clock):
        """By the test's clock."""

    def fill(self, minutes, sampled):
        """The numbers it gives: of each whole minute, requests and errors of each version."""

    def revoke(self, on):
        """The token is no longer taken, or is again."""
        take = type(self.fake).authenticate

        def refuse(req):
            req.headers["authorization"] = req.headers["fastly-key"] = "revoked"
            return take(self.fake, req)
        self.fake.authenticate = refuse if on else take.__get__(self.fake)


class Cloudflare(Provider):
    name = "cloudflare"

    def env(self):
        return {"CLOUDFLARE_API_BASE_URL": f"{self.url}/client/v4", "CLOUDFLARE_API_TOKEN": "cf-token"}

    def traffic(self):
        s = self.fake.scripts.get("shop")
        return {a["version_id"]: round(a["percentage"] * 100) for a in s.active()} if s else {}

    def things(self):
        return [("script", n) for n in self.fake.scripts] + \
            [("version", v["number"]) for s in self.fake.scripts.values() for v in s.versions] + \
            [("namespace", n["title"]) for n in self.fake.namespaces.values()]

    def twice(self):
        """The same split deployed again, by us."""
        ours = [[(a["version_id"], a["percentage"]) for a in d["versions"]]
                for d in self.fake.scripts["shop"].deployments if d["annotations"]]
        return next((a for a, b in zip(ours, ours[1:]) if a == b), None)

    def fill(self, minutes, sampled):
        self.fake.rows = [
            {"dimensions": {"scriptVersion": v, "status": status, "datetimeMinute": iso(at)},
             "sum": {"requests": n, "errors": 0}, "avg": {"sampleInterval": sampled}}
            for at, counts in minutes for v, (all, bad) in counts.items()
            for status, n in (("success", all - bad), ("scriptThrewException", bad)) if n]

    def meddle(self, version):
        self.fake.drift_deploy("shop", version)

    def third(self):
        s = self.fake.scripts["shop"]
        return self.fake.add_version(s, {}, [], {})["id"]


class Fastly(Provider):
    name, keys = "fastly", ", router: true"

    def env(self):
        return {"FASTLY_API_ENDPOINT": self.url, "FASTLY_API_TOKEN": "fs-token",
                "FASTLY_USE_API_SIGNING_KEY": "1"}

    def rollout(self):
        store = next((s for s in self.fake.stores.values() if s["name"] == "shop-edgectl-router"), None)
        return json.loads(store["items"]["rollout"]) if store and "rollout" in store["items"] else None

    def service(self, letter):
        return next((s for s in self.fake.services.values() if s.name == f"shop-{letter}"), None)

    def traffic(self):
        front = next((s for s in self.fake.services.values() if s.name == "shop"), None)
        active = front.active() if front else None
        if not active:
            return {}
        if not active.comment.startswith("edgectl router"):
            return {f"{front.id}.{active.number}": 10000}
        w, found = self.rollout(), {}
        for letter, bp in ((w["stable"], 10000 - w["weight_bp"]), (w["canary"], w["weight_bp"])):
            s = self.service(letter)
            if bp and s and s.active():
                found[f"{s.id}.{s.active().number}"] = bp
        return found

    def things(self):
        return [("service", s.name) for s in self.fake.services.values()] + \
            [("version", f"{s.name}.{n}") for s in self.fake.services.values() for n in s.versions] + \
            [("store", s["name"]) for s in self.fake.stores.values()]

    def age(self):
        for s in self.fake.services.values():
            for v in s.versions.values():
                v.created = "2026-01-01T00:00:00Z"

    def twice(self):
        return None

    def fill(self, minutes, sampled):
        names = {s.id: s.name for s in self.fake.services.values()}
        self.fake.stats = {}
        for at, counts in minutes:
            for v, (all, bad) in counts.items():
                self.fake.stats.setdefault(names[v.rpartition(".")[0]], []).append(
                    {"start_time": at, "compute_requests": all, "compute_resp_status_5xx": bad})

    def meddle(self, version):
        """As someone does who knows the store."""
        w = self.rollout()
        store = next(s for s in self.fake.stores.values() if s["name"] == "shop-edgectl-router")
        for letter in "ab":
            s = self.service(letter)
            if s and version == f"{s.id}.{s.active().number if s.active() else 0}":
                w.update(stable=letter, canary="b" if letter == "a" else "a", weight_bp=0,
                         gen=w["gen"] + 1)
        store["items"]["rollout"] = json.dumps(w)

    def third(self):
        return None


class Vercel(Provider):
    name, keys = "vercel", ", team: team_acme"

    def env(self):
        return {"EDGECTL_VERCEL_API": self.url, "VERCEL_TOKEN": "vctoken"}

    def project(self):
        return next(iter(self.fake.projects.values()), None)

    def traffic(self):
        p = self.project()
        if not p:
            return {}
        if p["rolling"]:
            r = p["rolling"]
            bp = r["activeStage"]["targetPercentage"] * 100
            return {r["currentDeployment"]["id"]: 10000 - bp, r["canaryDeployment"]["id"]: bp}
        job = p["job"]
        now = job["toDeploymentId"] if job and job["jobStatus"] != "succeeded" else p["production"]
        return {now: 10000} if now else {}

    def things(self):
        return [("project", p["name"]) for p in self.fake.projects.values()] + \
            [("deployment", i) for i in self.fake.deployments] + \
            [("rolling", p["name"]) for p in self.fake.projects.values() if p["rolling"]] + \
            [("config", c["slug"]) for c in self.fake.configs.values()]

    def twice(self):
        return None

    def fill(self, minutes, sampled):
        self.fake.rows = [{"deployment": v, "timestamp": iso(at), "http_status": status, "value": n}
                          for at, counts in minutes for v, (all, bad) in counts.items()
                          for status, n in (("200", all - bad), (503, bad)) if n]

    def meddle(self, version):
        p = self.project()
        p["rolling"] = p["job"] = None
        p["production"] = version

    def third(self):
        d = self.fake.add_deployment(self.project(), "production", {}, [], False)
        d["readyState"] = "READY"
        return d["id"]


class Aws(Provider):
    name = "aws"

    def env(self):
        return {"AWS_ENDPOINT_URL": self.url, "AWS_ACCESS_KEY_ID": "AKIDTEST",
                "AWS_SECRET_ACCESS_KEY": "aws-secret-key"}

    def live(self, clock):
        aws_signature.time = types.SimpleNamespace(strptime=time.strptime, time=clock.now)

    def fill(self, minutes, sampled):
        """By distribution: the greater share is the primary's."""
        self.fake.points = {}
        ids = sorted(self.fake.distributions, key=lambda i: self.fake.distributions[i]["staging"])
        for at, counts in minutes:
            for id, (all, bad) in zip(ids, sorted(counts.values(), reverse=True)):
                for metric, value in (("Requests", all), ("5xxErrorRate", 100 * bad / max(1, all))):
                    self.fake.points.setdefault((id, metric), []).append((at, value))

    def revoke(self, on):
        self.fake.keys = {} if on else copy.deepcopy(self.saved["keys"])

    def version(self, d):
        arns = [e.findtext("LambdaFunctionARN") for e in d["config"].iter("LambdaFunctionAssociation")
                if ":shop:" in (e.findtext("LambdaFunctionARN") or "")]
        return arns[0].rpartition(":")[2] if arns else None

    def traffic(self):
        primary = next((d for d in self.fake.distributions.values() if not d["staging"]), None)
        if not primary or not self.version(primary):
            return {}
        policy = self.fake.policies.get(primary["config"].findtext("ContinuousDeploymentPolicyId") or "")
        bp, stable = 0, self.version(primary)
        if policy and policy["config"].findtext("Enabled") == "true":
            weight = policy["config"].findtext("TrafficConfig/SingleWeightConfig/Weight")
            bp = round(float(weight) * 10000) if weight else 0
            names = [e.text for e in policy["config"].iter("DnsName")]
            staging = next(d for d in self.fake.distributions.values() if d["domain"] in names)
            if bp and self.version(staging) != stable:
                return {stable: 10000 - bp, self.version(staging): bp}
        return {stable: 10000}

    def things(self):
        return [("role", r) for r in self.fake.roles] + \
            [("version", f"{n}:{v['Version']}") for n, f in self.fake.functions.items()
             for v in f["versions"]] + \
            [("distribution", d["staging"]) for d in self.fake.distributions.values()] + \
            [("policy", "") for _ in self.fake.policies]

    def twice(self):
        return None

    def meddle(self, version):
        primary = next(d for d in self.fake.distributions.values() if not d["staging"])
        self.fake.associate(primary, f"arn:aws:lambda:us-east-1:123456789012:function:shop:{version}")
        primary["etag"] = self.fake.next_id("TAG")
        policy = self.fake.policies.get(primary["config"].findtext("ContinuousDeploymentPolicyId") or "")
        if policy:
            policy["config"].find("Enabled").text = "false"
            policy["etag"] = self.fake.next_id("TAG")

    def third(self):
        return None


def iso(at):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


PROVIDERS = {c.name: c for c in (Cloudflare, Fastly, Vercel, Aws)}

COUNT = """n=$(($(cat looks) + 1))
echo $n >looks
printf '{"versions": {"%s": {"requests": %d, "errors": %d}, "%s": {"requests": %d, "errors": %d}}}' \\
    "$EDGECTL_ROLLOUT_STABLE" $((n * 9000)) $((n * 45)) \\
    "$EDGECTL_ROLLOUT_CANARY" $((n * 1000)) $((n * $(cat errors)))
"""


class Clock:
    """The file of base/clock_file.h: how far both clocks are ahead of the machine's, in ns."""

    def __init__(self, path):
        self.path = path
        self.zero()

    def zero(self):
        with open(self.path, "wb") as f:
            f.write(bytes(16))
        self.file = open(self.path, "r+b")
        self.map = mmap.mmap(self.file.fileno(), 16)

    def add(self, mono=0, wall=0):
        """Seconds."""
        ahead = struct.unpack("=qq", self.map[:])
        self.map[:] = struct.pack("=qq", ahead[0] + int(mono * 1e9), ahead[1] + int(wall * 1e9))

    def now(self):
        """The time of the day, as edgectl has it."""
        return time.time() + struct.unpack("=qq", self.map[:])[1] / 1e9

    def set(self, now):
        self.add(wall=now - self.now())

    def boot(self):
        """The machine starts: its monotonic clock shows a second."""
        ahead = struct.unpack("=qq", self.map[:])
        self.map[:8] = struct.pack("=q", 10 ** 9 - time.monotonic_ns())
        return ahead


class World:
    """`rollout` is the manifest's section; targets are called like their providers. With a clock of
    its own time passes as the test wants."""

    def __init__(self, names, rollout, clock=False):
        self.binary = os.environ["EDGECTL"]
        self.folder = tempfile.mkdtemp(prefix="edgectl-rollout-")
        self.names, self.proc, self.hook = names, None, None
        self.clock = Clock(self.path("clock")) if clock else None
        self.load, self.since, self.wrong = None, {}, 0
        self.count = self.struck = 0
        self.walk, self.last, self.old, self.new = {}, {}, {}, {}
        self.providers = {n: PROVIDERS[n](self.path(f"fake-{n}")) for n in names}
        for name, p in self.providers.items():
            self.watch(name, p.fake)
            if clock:
                p.live(self.clock)
        self.open_edge()
        self.write("app.wasm", WASM)
        self.write("count", COUNT)
        self.manifest(rollout)
        self.deploy()

    @property
    def provider(self):
        """The only one."""
        return self.providers[self.names[0]]

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content):
        with open(self.path(name), "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())

    def manifest(self, rollout):
        targets = ", ".join(f"{n}: {{provider: {n}{p.keys}}}" for n, p in self.providers.items())
        self.write("edge.yaml", f"""name: shop
build: {{ artifact: app.wasm }}
backends: {{ origin: {{ url: "https://origin.example.com" }} }}
config: {{ flags: {{ rel: "${{REL}}" }} }}
targets: {{ {targets} }}
rollout: {rollout}
""")

    def close(self):
        for p in self.providers.values():
            p.server.shutdown()
            p.server.server_close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- what goes through the fakes ---
    def open_edge(self):
        """One proxy leads to the apps of all providers."""
        names = [n for p in self.providers.values() for n in p.names]
        context = fakes.make_certificates(self.folder, names)
        first = next(iter(self.providers.values())).fake
        edges = [(p.names, p.fake.edge) for p in self.providers.values()]

        def edge(req):
            for hosts, its in edges:
                if any(fnmatch.fnmatch(req.host, h) for h in hosts):
                    return its(req)
            return fakes.Answer(502)
        first.edge, first.edge_context = edge, lambda: context

    def watch(self, name, fake):
        operate, edge = fake.operate, fake.edge

        def new_edge(req):
            fake.counter += 1
            if self.moment(name, "before", f"EDGE {req.host}"):
                return fakes.Answer(502)
            answer = edge(req)
            self.moment(name, "after", f"EDGE {req.host}")
            return answer

        def new_operate(req):
            if self.load:
                self.count_up(name)
            answer = operate(req)
            self.note(name)
            return answer

        def strike(when, what):
            return self.moment(name, when, what)
        fake.operate, fake.edge, fake.strike = new_operate, new_edge, strike

    def note(self, name):
        now = self.providers[name].traffic()
        if now != self.last.get(name):
            self.last[name] = now
            self.walk.setdefault(name, []).append(now)
            if self.clock:
                self.since.setdefault(name, []).append((self.now(), now))

    def now(self):
        """What time it really is: that of the providers. Ours is wrong by so many seconds."""
        return self.clock.now() - self.wrong

    def set_wrong(self, seconds):
        self.wrong += seconds
        self.clock.add(wall=seconds)

    def count_up(self, name):
        """What has been counted until now of `load`: rate per second; errors of each version, as a
        share; lag in seconds; frozen: nothing is counted after that time; silent: a version that is
        not counted."""
        load, minutes = self.load, []
        until = min(self.now() - load.get("lag", 0), load.get("frozen", 1e18))
        for at in range(int(load["from"]) // 60 * 60 + 60, int(until) // 60 * 60, 60):
            now = [t for since, t in self.since[name] if since <= at][-1:] or [self.since[name][0][1]]
            counts = {}
            for version, bp in now[0].items():
                all = round(load["rate"] * 60 * bp / 10000)
                if all and version != load.get("silent"):
                    counts[version] = (all, round(all * load["errors"].get(version, 0)))
            minutes.append((at, counts))
        self.providers[name].fill(minutes, load.get("sampled", 1))

    def moment(self, name, when, what):
        """True: the client is no more, and the request must not be answered."""
        if when == "before":
            self.count += 1
        return bool(self.hook and self.hook(self, name, when, what))

    def kill(self):
        self.proc.send_signal(signal.SIGKILL)
        self.struck += 1
        return True

    # --- running ---
    def env(self, **more):
        env = {"PATH": os.environ["PATH"], "HOME": self.path("home"), "LC_ALL": "C.UTF-8", "REL": "2",
               "HTTPS_PROXY": next(iter(self.providers.values())).url, "SSL_CERT_FILE": self.path("ca.pem"),
               "NO_PROXY": "127.0.0.1", "USER": "tester"}
        if self.clock:
            env["EDGECTL_TEST_CLOCK"] = self.clock.path
        for p in self.providers.values():
            env.update(p.env())
        return {**env, **more}

    def start(self, *args, hook=None, env=None, state="state", most=None):
        """`most`: so many bytes fit into a file."""
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

        self.hook, self.count = hook, 0
        target = [] if len(self.names) > 1 else ["--target", self.names[0]]
        # The first request comes after it is known whom to kill.
        with self.lock():
            self.proc = subprocess.Popen(
                [self.binary, *args, *target, "--state", self.path(state)], cwd=self.folder,
                preexec_fn=limit if most is not None else None,
                env=env or self.env(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True)
        return self.proc

    def lock(self):
        return next(iter(self.providers.values())).fake.lock

    def run(self, *args, timeout=TIMEOUT, **more):
        proc = self.start(*args, **more)
        try:
            self.out, self.err = proc.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            proc.kill()
            self.out, self.err = proc.communicate()
            raise Wrong(f"{' '.join(args)} did not end: {self.err}") from None
        finally:
            self.hook = None
        self.status = proc.returncode
        return self.status

    def rollout(self, *args, **more):
        return self.run("rollout", *args, **more)

    def deploy(self):
        os.makedirs(self.path("home"))
        for rel, to in (("1", self.old), ("2", self.new)):
            for name in self.names:
                env = self.env(REL=rel)
                self.providers[name].age()
                proc = subprocess.run([self.binary, "deploy", "--json", "--target", name, "--state",
                                       self.path("state")], cwd=self.folder, env=env,
                                      capture_output=True, text=True, timeout=TIMEOUT)
                need(proc.returncode == 0, f"deploy {rel} to {name}: {proc.stderr}")
                to[name] = json.loads(proc.stdout)["version"]
        for p in self.providers.values():
            p.save()
        self.things = {n: p.things() for n, p in self.providers.items()}
        shutil.copytree(self.path("state"), self.path("state.saved"))

    def restore(self, errors):
        """As after the deploys; errors of the new version per 1,000 requests."""
        for name, p in self.providers.items():
            p.restore()
            self.last[name] = p.traffic()
            self.walk[name] = [self.last[name]]
            if self.clock:
                self.since[name] = [(self.now(), self.last[name])]
        for state in glob.glob(self.path("state*")):
            if not state.endswith(".saved"):
                shutil.rmtree(state)
        shutil.copytree(self.path("state.saved"), self.path("state"))
        self.write("looks", "0\n")
        self.write("errors", f"{errors}\n")
        self.struck, self.load = 0, None
        if self.clock:
            self.set_wrong(-self.wrong)

    # --- what must be so ---
    def whole(self, which):
        for name, p in self.providers.items():
            now = p.traffic()
            need(now == {which[name]: 10000}, f"{name}: {now}, not all on {which[name]}")

    def journals(self, state="state"):
        """The events of each rollout, oldest first."""
        found = []
        for path in sorted(glob.glob(self.path(f"{state}/rollouts/*/*.jsonl"))):
            with open(path) as f:
                text = f.read()
            found.append([json.loads(line[9:]) for line in text.split("\n")[:-1]])
        return [j for j in found if j]

    def check(self):
        """What holds after everything that ends: no violation, no step twice, nothing left over."""
        for name, p in self.providers.items():
            need(not p.fake.violations, f"{name}: {p.fake.violations}")
            need(not p.twice(), f"{name}: deployed twice: {p.twice()}")
            extra = [t for t in p.things() if p.things().count(t) > max(1, self.things[name].count(t))]
            need(not extra, f"{name}: left over: {extra}")
            need(("rolling", "shop") not in p.things(), f"{name}: a rolling release is active")
            self.check_walk(name, [t.get(self.new[name], 0) for t in self.walk[name]])
        for events in self.journals():
            check_events(events)

    def check_walk(self, name, shares):
        """Up step by step, then perhaps down, once."""
        shares = [s for i, s in enumerate(shares) if i == 0 or s != shares[i - 1]]
        down = next((i for i in range(1, len(shares)) if shares[i] < shares[i - 1]), len(shares))
        need(shares[:down] == sorted(set(shares[:down])) and shares[down:] in ([], [0]),
             f"{name}: the new version's share went {shares}")


def check_events(events):
    """Of one rollout: each step is taken once, what was begun is ended."""
    forward, back, ended = {}, {}, False
    for e in events:
        need(not ended or e["e"] in ("end", "stop", "proven"), f"{e} after the end")
        if e["e"] == "outcome":
            side = back if e["back"] else forward
            bps = side.setdefault(e["target"], [])
            need(e["bp"] not in bps, f"{e} twice")
            bps.append(e["bp"])
            need(e["back"] or bps == sorted(bps), f"steps out of order: {bps}")
        ended = ended or e["e"] == "end"
