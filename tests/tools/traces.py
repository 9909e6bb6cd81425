#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Metric traces of traffic of known quality, as `edgectl rollout analyze` reads them. It shares
nothing with gate_sim.c, so that a mistake in one shows beside the other.

  traces.py list [PATTERN]                       the names of the cases
  traces.py make CASE SEED                       one trace, on stdout
  traces.py judge EDGECTL [--runs N] [--seed S] [PATTERN...]
      N seeded traces of each case through the binary; a line a case: decisions (fail, advance,
      none), how many of the failures had been let advance before, canary requests until the
      failure, and how often a z-test that is repeated at each look fails. Exit status 1 if a bound
      does not hold.
"""
import concurrent.futures
import fnmatch
import json
import math
import os
import random
import subprocess
import sys
import tempfile


# --- counts ---

def poisson(r, mean):
    if mean <= 0:
        return 0
    if mean > 200:
        return max(0, round(r.gauss(mean, math.sqrt(mean))))
    n, gap = -1, 0.0
    while gap < mean:
        gap += r.expovariate(1)
        n += 1
    return n


def binomial(r, n, p):
    """How many of n: the gaps between successes are geometric."""
    if n <= 0 or p <= 0:
        return 0
    if p >= 1:
        return n
    if p > 0.5:
        return n - binomial(r, n, 1 - p)
    if n * p > 200:
        return min(n, max(0, round(r.gauss(n * p, math.sqrt(n * p * (1 - p))))))
    count, at, scale = -1, 0, math.log1p(-p)
    while at <= n:
        at += int(math.log(1 - r.random()) / scale) + 1
        count += 1
    return count


# --- traffic ---

class Waves:
    """A first-order autoregressive factor of mean one."""

    def __init__(self, r, sd, keep):
        self.r, self.sd, self.keep = r, sd, keep
        self.x = r.gauss(0, 1)

    def next(self):
        self.x = self.keep * self.x + math.sqrt(1 - self.keep ** 2) * self.r.gauss(0, 1)
        return math.exp(self.sd * self.x - self.sd ** 2 / 2)


class Case:
    """One kind of traffic. All rates are of bad requests; `ratio` is the canary's over the stable
    one's, and may be a function of the share of the trace that has passed."""

    def __init__(self, name, base, ratio=1, polls=300, per_poll=1000, weights=((1, 0.05),),
                 history=0, drift=None, clump=1, clump_law="fixed", shared=None, own=None,
                 own_period=0, own_height=0, incidents=0, incident_factor=20, spread=0,
                 sparse=False, faults=None, latency=None, traps=0, traps_ratio=1, bounds=None,
                 late_weight=0, split="binomial"):
        self.__dict__.update(locals())
        del self.__dict__["self"]

    def healthy(self):
        return self.ratio == 1 and self.traps_ratio == 1 and (not self.latency or
                                                              self.latency[1] == 1)


def weight_at(case, share):
    for until, weight in case.weights:
        if share < until:
            return weight
    return case.weights[-1][1]


def clumped(r, case, n, rate):
    """Bad requests that come some at a time, as retries and dead keep-alive connections make."""
    if case.spread:
        rate *= r.gammavariate(case.spread, 1 / case.spread)
    rate = min(rate, 1)
    if case.clump == 1:
        return binomial(r, n, rate)
    if case.clump_law == "fixed":
        return min(n, case.clump * binomial(r, max(1, round(n / case.clump)) if n else 0, rate))
    count = 0
    for _ in range(poisson(r, n * rate / case.clump)):
        count += 1 + int(math.log(1 - r.random()) / math.log1p(-1 / case.clump)) \
            if case.clump > 1 else 1
    return min(n, count)


def slow_shares(case, arm, factor):
    """Of log-normal answer times of median 40 ms, those above each edge."""
    edges, shift, sigma = case.latency
    median = 40 * factor * (shift if arm else 1)
    return {f"slower-than-{e}ms":
            0.5 * math.erfc(math.log(e / median) / sigma / math.sqrt(2)) for e in edges}


def arm_counts(r, case, arm, n, rate, factor):
    out = {"requests": n, "errors": clumped(r, case, n, rate)}
    if case.traps:
        out["traps"] = binomial(r, n, case.traps * (case.traps_ratio if arm else 1))
    if case.latency:
        left, before = n, 1.0
        for name, share in slow_shares(case, arm, factor).items():
            left = binomial(r, left, share / before if before > 0 else 0)
            out[name], before = left, share
    return out


def looks_of(case, r):
    """(history, looks), before anything goes wrong on their way to us."""
    shared = Waves(r, *case.shared) if case.shared else None
    own = [Waves(r, *case.own) for _ in range(2)] if case.own else None
    phase = [r.random() for _ in range(2)]
    incident, past, looks = 0, [], []
    for poll in range(-case.history, case.polls):
        share = poll / case.polls
        w = 0 if poll < 0 else weight_at(case, share)
        rate, traffic = case.base, 1.0
        if case.drift:
            rate_factor, traffic = case.drift(share, r)
            rate *= rate_factor
        common = shared.next() if shared else 1.0
        if case.incidents:
            incident = incident - 1 if incident > 0 else \
                (r.randint(1, 5) if r.random() < case.incidents else 0)
            if incident:
                rate = min(0.9, rate * case.incident_factor)
        total = poisson(r, case.per_poll * traffic)
        n = [0, 0]
        n[1] = binomial(r, total, w)
        n[0] = total - n[1]
        arms = []
        for arm in range(2):
            p = rate * common
            if own:
                p *= own[arm].next()
            if case.own_period:
                p *= 1 + case.own_height * math.sin(
                    2 * math.pi * (poll / case.own_period + phase[arm]))
            if arm:
                p *= case.ratio(share) if callable(case.ratio) else case.ratio
            arms.append(arm_counts(r, case, arm, n[arm], p, common))
        if poll < 0:
            past.append({"stable": arms[0]})
        else:
            looks.append({"weight": w, "stable": arms[0], "canary": arms[1]})
    return past, looks


# --- what goes wrong on the way ---

def added(a, b):
    return {k: a[k] + b[k] for k in a}


def nothing(a):
    return {k: 0 for k in a}


def missing(looks, r):
    """A tenth of the intervals is not there, a tenth lacks an arm or a count."""
    out = []
    for look in looks:
        x = r.random()
        if x < 0.1:
            continue
        if x < 0.13:
            look = dict(look, canary=None)
        elif x < 0.16:
            look = {k: v for k, v in look.items() if k != "stable"}
        elif x < 0.2:
            look = dict(look, canary={"requests": look["canary"]["requests"]})
        out.append(look)
    return out


def late(looks, r):
    """Counts of an interval come with a later one, of each arm on its own."""
    out, held = [], {}
    for look in looks:
        look = dict(look)
        for arm in ("stable", "canary"):
            now = look[arm]
            if arm in held:
                now = added(now, held.pop(arm))
            if r.random() < 0.3:
                held[arm] = now
                now = nothing(now)
            look[arm] = now
        out.append(look)
    return out


def doubled(looks, r):
    """A source that says the same for two polls, and then both intervals in one."""
    out = []
    for look in looks:
        if out and r.random() < 0.3:
            out[-1], look = (dict(out[-1], stable=nothing(look["stable"]),
                                  canary=nothing(look["canary"])),
                             dict(look, stable=added(out[-1]["stable"], look["stable"]),
                                  canary=added(out[-1]["canary"], look["canary"])))
        out.append(look)
    return out


def restarts(looks, r):
    """Counters begin anew: an interval has only what came after that."""
    out = []
    for look in looks:
        if r.random() < 0.05:
            keep = r.random()
            look = dict(look, **{arm: {k: int(v * keep) for k, v in look[arm].items()}
                                 for arm in ("stable", "canary")})
        out.append(look)
    return out


def trace_of(case, seed):
    r = random.Random(f"{case.name}/{seed}")
    past, looks = looks_of(case, r)
    if case.faults:
        looks = case.faults(looks, r)
    names = ["errors"] + (["traps"] if case.traps else [])
    if case.latency:
        names += [f"slower-than-{e}ms" for e in case.latency[0]]
    return {"gates": names, "history": past, "looks": looks}


# --- cases ---

def line(factor):
    return lambda share, r: (factor ** share, 1)


def day(height, period):
    return lambda share, r: (1 + height * math.sin(2 * math.pi * share / period),
                             1 + 0.9 * height * math.cos(2 * math.pi * share / period))


def jump(at, factor):
    return lambda share, r: (factor if share >= at else 1, 1)


STEPS = ((0.2, 0.01), (0.4, 0.05), (0.6, 0.25), (1, 0.5))
FALSE = {"false": 0.01}


def build():
    c = []

    def add(name, base, **more):
        c.append(Case(name, base, **more))

    # Healthy.
    for base in (0, 0.0001, 0.001, 0.005, 0.02, 0.1, 0.3):
        for per_poll in (100, 1000, 20000):
            add(f"healthy {base:.4g} {per_poll}/poll", base, per_poll=per_poll, bounds=FALSE)
        add(f"healthy {base:.4g} steps", base, weights=STEPS, bounds=FALSE)
    add("healthy 0.005 weight 0.5", 0.005, weights=((1, 0.5),), bounds=FALSE)
    add("healthy 0.005 weight 0.9", 0.005, weights=((1, 0.9),), bounds=FALSE)
    add("healthy 0.005 history", 0.005, history=100, bounds=FALSE)
    # Drifting, both together.
    for name, drift in (("slow up", line(10)), ("slow down", line(0.1)), ("jump up", jump(0.3, 10)),
                        ("jump down", jump(0.3, 0.1))):
        add(f"drifting {name}", 0.003, drift=drift, weights=STEPS, bounds=FALSE)
        add(f"drifting {name}, constant weight", 0.003, drift=drift, bounds=FALSE)
    for period in (0.1, 0.33, 1, 4):
        add(f"diurnal period {period}", 0.005, drift=day(0.9, period), bounds=FALSE)
        add(f"diurnal period {period} steps", 0.005, drift=day(0.9, period), weights=STEPS,
            bounds=FALSE)
    # Bursty.
    for law in ("fixed", "geometric"):
        for clump in (2, 3, 5, 20):
            for base in (0.001, 0.005, 0.02):
                add(f"bursty {law} {clump} base {base}", base, clump=clump, clump_law=law,
                    bounds=FALSE)
            add(f"bursty {law} {clump} sparse polls", 0.005, clump=clump, clump_law=law,
                per_poll=100, bounds=FALSE)
            add(f"bursty {law} {clump} large polls", 0.005, clump=clump, clump_law=law,
                per_poll=20000, bounds=FALSE)
            add(f"bursty {law} {clump} steps", 0.005, clump=clump, clump_law=law, weights=STEPS,
                bounds=FALSE)
    for shape in (0.3, 1, 4):
        add(f"bursty gamma {shape}", 0.005, spread=shape, bounds=FALSE)
        add(f"bursty gamma {shape} large polls", 0.005, spread=shape, per_poll=20000, bounds=FALSE)
    for factor in (5, 20, 200):
        add(f"incidents x{factor}", 0.002, incidents=0.02, incident_factor=factor, bounds=FALSE)
        add(f"incidents x{factor} steps", 0.002, incidents=0.02, incident_factor=factor,
            weights=STEPS, bounds=FALSE)
    # Correlated.
    for sd in (0.3, 0.7, 1.2):
        for keep in (0.5, 0.9, 0.99):
            add(f"correlated shared {sd} {keep}", 0.005, shared=(sd, keep), bounds=FALSE)
    for sd in (0.2, 0.4, 0.7):
        for keep in (0.5, 0.9, 0.97, 0.995):
            # What each version does on its own, slowly, is known from a history that is long
            # against it; without one it is a canary that is worse for a while.
            for history in (0, 100, 400):
                known = history >= 12 / (1 - keep)
                add(f"own waves {sd} {keep} history {history}", 0.005, own=(sd, keep),
                    history=history, bounds=FALSE if known else {})
    for period in (20, 100, 300, 1000):
        for history in (0, 400):
            known = history >= 4 * period
            add(f"own sine {period} history {history}", 0.005, own_period=period, own_height=0.5,
                history=history, bounds=FALSE if known else {})
            add(f"own sine {period} history {history} large polls", 0.005, own_period=period,
                own_height=0.5, per_poll=20000, history=history, bounds=FALSE if known else {})
    # Sparse.
    for base in (0, 0.01, 0.05):
        add(f"sparse base {base}", base, per_poll=60, bounds=FALSE)
        add(f"sparse both base {base}", base, per_poll=6, weights=((1, 0.4),), bounds=FALSE)
        add(f"sparse clumps base {base}", base, per_poll=60, clump=3, clump_law="geometric",
            bounds=FALSE)
    # On their way.
    for fault in (missing, late, doubled, restarts):
        add(f"faults {fault.__name__}", 0.005, faults=fault, bounds=FALSE)
        add(f"faults {fault.__name__} x5", 0.005, faults=fault, ratio=5, bounds={"caught": 0.99})
    # Latency, traps.
    edges = (50, 100, 200)
    add("latency equal", 0.002, latency=(edges, 1, 0.6), bounds=FALSE)
    add("latency equal, waves over both", 0.002, latency=(edges, 1, 0.6), shared=(0.3, 0.9),
        bounds=FALSE)
    add("latency equal, one edge, waves over both", 0.002, latency=((50,), 1, 0.6),
        shared=(0.3, 0.9), bounds={"false": 0.01, "advanced": 0.9})
    add("latency +10%", 0.002, latency=(edges, 1.1, 0.6), bounds={})
    add("latency +30%", 0.002, latency=(edges, 1.3, 0.6), bounds={"caught": 0.9})
    add("latency x2", 0.002, latency=(edges, 2, 0.6), bounds={"caught": 0.99})
    add("traps equal", 0.002, traps=0.0002, bounds=FALSE)
    add("traps x10", 0.002, traps=0.0002, traps_ratio=10, bounds={"caught": 0.5})
    add("traps x200", 0.002, traps=0.0002, traps_ratio=200, bounds={"caught": 0.99})
    # Worse.
    for base, ratio, least in ((0.0001, 50, 0.99), (0.001, 2, 0), (0.001, 5, 0.9), (0.005, 2, 0.5),
                               (0.005, 5, 0.99), (0.02, 2, 0.9), (0.02, 5, 0.99),
                               (0.1, 2, 0.99), (0.1, 5, 0.99), (0.005, 100, 0.99)):
        add(f"worse {base} x{ratio}", base, ratio=ratio, bounds={"caught": least})
        add(f"worse {base} x{ratio} steps", base, ratio=ratio, weights=STEPS, bounds={})
    add("worse 0 to 0.5", 0.0000001, ratio=5000000, bounds={"caught": 0.99})
    add("worse later x10", 0.005, ratio=lambda s: 10 if s > 0.5 else 1, weights=STEPS,
        bounds={"caught": 0.99})
    add("worse x5 in waves", 0.005, ratio=5, shared=(0.7, 0.9), bounds={"caught": 0.95})
    add("worse x5 in a day", 0.005, ratio=5, drift=day(0.9, 1), bounds={"caught": 0.99})
    add("worse x5 in clumps of 5", 0.005, ratio=5, clump=5, bounds={"caught": 0.5})
    add("worse x5 in own waves", 0.005, ratio=5, own=(0.4, 0.9), bounds={"caught": 0.5})
    add("worse x10, sparse", 0.02, ratio=10, per_poll=60, bounds={"caught": 0.9})
    add("worse x5, 2 polls of many", 0.005, ratio=5, per_poll=100000, polls=10,
        bounds={"caught": 0.99})
    add("healthy, polls of many", 0.005, per_poll=1000000, polls=20, bounds=FALSE)
    return c


# --- judging ---

def naive_fails(looks):
    n_s = x_s = n_c = x_c = 0
    for look in looks:
        s, c = look.get("stable"), look.get("canary")
        if not s or not c or "errors" not in c:
            continue
        n_s, x_s = n_s + s["requests"], x_s + s["errors"]
        n_c, x_c = n_c + c["requests"], x_c + c["errors"]
        if n_s and n_c:
            p = (x_s + x_c) / (n_s + n_c)
            se = math.sqrt(p * (1 - p) * (1 / n_s + 1 / n_c))
            if se > 0 and (x_c / n_c - x_s / n_s) / se > 2.326:
                return True
    return False


def run_one(edgectl, index, seed):
    case = CASES[index]
    trace = trace_of(case, seed)
    with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as f:
        json.dump(trace, f)
    try:
        p = subprocess.run([edgectl, "rollout", "analyze", f.name, "--json", "--looks"],
                           capture_output=True, text=True)
    finally:
        os.unlink(f.name)
    if p.returncode not in (0, 3, 4) or not p.stdout:
        sys.exit(f"{case.name}, seed {seed}: status {p.returncode}: {p.stderr}")
    answer = json.loads(p.stdout)
    assert {"fail": 3, "advance": 0, "inconclusive": 4}[answer["decision"]] == p.returncode
    reasons = {x["reason"] for x in answer["points"]} - {"waiting", "passed", "worse"}
    late = answer["decision"] == "fail" and answer["advanced_at_look"] is not None and \
        answer["advanced_at_look"] < answer["decided_at_look"]
    return answer["decision"], answer["decided_at_requests"], late, naive_fails(trace["looks"]), \
        reasons


def at(sorted_list, q):
    return sorted_list[max(0, math.ceil(q * len(sorted_list)) - 1)] if sorted_list else math.nan


def judge(edgectl, patterns, runs, first):
    wrong = False
    print(f"{'case':44} {'fail':>7} {'advance':>7} {'open':>7} {'late':>7} {'median':>8} {'p99':>8} "
          f"{'naive':>7}")
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count()) as pool:
        for index, case in enumerate(CASES):
            if patterns and not any(fnmatch.fnmatch(case.name, p) for p in patterns):
                continue
            got = list(pool.map(run_one, [edgectl] * runs, [index] * runs,
                                range(first, first + runs), chunksize=8))
            fails = sorted(g[1] for g in got if g[0] == "fail")
            late = sum(g[2] for g in got)
            advances = sum(g[0] == "advance" for g in got)
            b = case.bounds or {}
            # A bound of 1 % over few runs allows for chance: three standard deviations more.
            slack = 3 * math.sqrt(0.01 * 0.99 / runs) if runs < 10000 else 0
            broken = ("false" in b and len(fails) / runs > b["false"] + slack) or \
                ("caught" in b and len(fails) / runs < b["caught"]) or \
                ("advanced" in b and advances / runs < b["advanced"])
            wrong |= broken
            others = {}
            for g in got:
                for x in g[4]:
                    others[x] = others.get(x, 0) + 1
            told = " ".join(f"{k}:{v}" for k, v in sorted(others.items()))
            print(f"{case.name:44} {100 * len(fails) / runs:6.2f}% {100 * advances / runs:6.2f}% "
                  f"{100 * (runs - len(fails) - advances) / runs:6.2f}% {100 * late / runs:6.2f}% "
                  f"{at(fails, 0.5):8.0f} {at(fails, 0.99):8.0f} "
                  f"{100 * sum(g[3] for g in got) / runs:6.2f}% {told}"
                  f"{'  BOUND BROKEN' if broken else ''}", flush=True)
    return 1 if wrong else 0


CASES = build()


def main(argv):
    if argv[:1] == ["list"]:
        for case in CASES:
            if len(argv) < 2 or fnmatch.fnmatch(case.name, argv[1]):
                print(case.name)
        return 0
    if argv[:1] == ["make"] and len(argv) == 3:
        json.dump(trace_of(next(c for c in CASES if c.name == argv[1]), int(argv[2])), sys.stdout)
        return 0
    if argv[:1] == ["judge"] and len(argv) > 1:
        runs, first, patterns, rest = 1000, 1, [], argv[2:]
        while rest:
            word = rest.pop(0)
            if word == "--runs":
                runs = int(rest.pop(0))
            elif word == "--seed":
                first = int(rest.pop(0))
            else:
                patterns.append(word)
        return judge(argv[1], patterns, runs, first)
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
