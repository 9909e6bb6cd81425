#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 around each call of a rollout, on the fake of each provider: whatever is killed when, what
is run next converges to all traffic on one version, no step is taken twice, nothing is left over.

    kills.py PROVIDER[,PROVIDER...] [--sample N | --full] [--seed S] [--only TEXT]

A schedule is a list of commands, each but the last with a moment at which it is killed: a request
("before" or "after" it, in the order the process sends them) or a kill point of the process (see
base/kill_point.h); some have a change behind our back in between. With --full every moment of every
command is struck once, singly; then come random ones, as many as with --sample. Several providers are
targets of one rollout, in waves."""
import argparse
import random
import sys
import time
import traceback

from world import World, Wrong, need

PLAN = """
  steps: [{steps}]
  soak: 0s
  poll: 100ms
  deadline: 20s
  history: 0s
  gates: [{{errors: {{max-ratio: 2}}}}]
  evidence: {{ command: "sh ./count" }}{more}"""


class Kill:
    """At the nth request, before or after it; or at the nth point."""

    def __init__(self, nth, when):
        self.nth, self.when = nth, when

    def __str__(self):
        return f"{self.when} {self.nth}"

    def hook(self, world, name, when, what):
        if when == self.when and world.count == self.nth:
            self.at = f"{name} {what}"
            return world.kill()
        return False

    def run(self, world, command):
        if self.when == "point":
            env = world.env(EDGECTL_TEST_KILL_AT=str(self.nth))
            status = world.rollout(*command.split(), env=env)
            world.struck += status == -9
        else:
            status = world.rollout(*command.split(), hook=self.hook)
        return status == -9


def over(world):
    """Of the newest rollout: "done", "undone", or None while it is under way."""
    journals = world.journals()
    if not journals or not any(e["e"] == "end" for e in journals[-1]):
        return None
    return "undone" if any(e["e"] == "back" for e in journals[-1]) else "done"


def expect(world, command, bad):
    """What the last command must have led to."""
    status, was = world.status, world.err
    if status == 2:
        need("no rollout is under way" in was, f"status 2: {was}")
        now = over(world)
        need(now or not world.journals(), "it is under way all the same")
        world.whole(world.new if now == "done" else world.old)
    elif command == "abort":
        need(status == 0, f"abort: status {status}: {was}")
        world.whole(world.old)
    elif command == "promote --full" and status not in (1, 3):
        need(status == 0, f"promote: status {status}: {was}")
        world.whole(world.new)
    elif status == 1:
        # It was being put back since somebody had asked for that.
        need("aborted by" in was, f"status 1: {was}")
        world.whole(world.old)
    elif status == 3:
        need(bad, f"a good version was put back: {was}")
        world.whole(world.old)
    else:
        need(status == 0, f"{command}: status {status}: {was}")
        world.whole(world.new)


def again(world):
    """Nothing is under way any more, and everything can be read."""
    need(over(world) or not world.journals(), "the journal has no end")
    if len(world.names) == 1:
        status = world.rollout("status", "--json")
        need(status == 0 and ('"done"' in world.out or '"undone"' in world.out or not world.journals()),
             f"status {status}: {world.out} {world.err}")


class Schedule:
    """Commands with their kills, the last without one. `prepare` is run first and whole."""

    def __init__(self, steps, bad=False, prepare=(), approval=False, drift=None):
        self.steps, self.bad, self.prepare, self.approval = steps, bad, prepare, approval
        self.drift = drift

    def __str__(self):
        said = [f"{c} killed {k}" if k else c for c, k in self.steps]
        if self.drift:
            said.insert(-1, f"{self.drift} by somebody else")
        return f"{'bad' if self.bad else 'good'}: {', '.join([*self.prepare, *said])}"

    def play(self, world):
        world.manifest(world.patient if self.approval else world.plan)
        world.restore(50 if self.bad else 0)
        for command in self.prepare:
            world.rollout(*command.split())
            need(world.status == 0, f"{command}: status {world.status}: {world.err}")
        for command, kill in self.steps[:-1]:
            if not kill.run(world, command):
                # It came to an end before that moment.
                break
        if self.drift:
            return self.meddled(world)
        command = self.steps[-1][0]
        # Killed before anybody had said so, it waits for approval still.
        if self.approval and command == "resume" and not over(world) and \
                not any(e["e"] in ("full", "back") for e in world.journals()[-1]):
            command = "promote --full"
        world.rollout(*command.split())
        expect(world, command, self.bad)
        again(world)
        world.check()
        return world.struck > 0

    def meddled(self, world):
        """Somebody has given a version everything meanwhile. It is told, not undone; who is asked to
        put all on the stable version does that."""
        name = world.names[0]
        p = world.providers[name]
        version = {"old": world.old[name], "new": world.new[name]}.get(self.drift) or p.third()
        before = p.traffic()
        if not version or before.get(version) == 10000 or over(world) or not world.journals():
            return False
        with p.fake.lock:
            p.meddle(version)
        theirs = p.traffic()
        if self.steps[-1][0] == "abort":
            world.rollout("abort")
            need(world.status in (0, 5), f"abort after meddling: status {world.status}: {world.err}")
            need(p.traffic() == theirs if world.status else p.traffic() == {world.old[name]: 10000},
                 f"abort after meddling: status {world.status}, {theirs}, now {p.traffic()}")
        world.rollout("resume")
        mine = p.traffic()
        # A change that was under way and is found done, or not to be done any more, is none.
        if world.status != 5:
            need(version in (world.old[name], world.new[name]) and world.status in (0, 1, 2, 3, 4),
                 f"resume after meddling: status {world.status}: {world.err}")
        else:
            need(mine == theirs, f"what somebody else did was changed: {theirs}, now {mine}")
            need("abort --to" in world.err, f"no way out is named: {world.err}")
        world.rollout("abort", "--to", world.old[name])
        need(world.status == 0, f"abort --to: status {world.status}: {world.err}")
        world.whole(world.old)
        again(world)
        need(not p.fake.violations, f"{p.fake.violations}")
        return world.struck > 0


# --- which schedules ---

class Chooser:
    """Knows how many moments each command has."""

    def __init__(self, world, seed):
        self.world, self.random, self.known = world, random.Random(seed), {}

    def moments(self, command, bad=False, prepare=(), approval=False):
        key = (command, bad, tuple(prepare), approval)
        if key in self.known:
            return self.known[key]
        w = self.world
        w.manifest(w.patient if approval else w.plan)
        w.restore(50 if bad else 0)
        for c in prepare:
            w.rollout(*c.split())
        w.write("points", "")
        w.rollout(*command.split(), env=w.env(EDGECTL_TEST_KILL_LOG=w.path("points")))
        need(w.status in (0, 3), f"{command}: status {w.status}: {w.err}")
        with open(w.path("points")) as f:
            points = len(f.readlines())
        self.known[key] = [Kill(n, when) for n in range(1, w.count + 1) for when in ("before", "after")] \
            + [Kill(n, "point") for n in range(1, points + 1)]
        return self.known[key]

    def singles(self):
        """Each moment once."""
        for bad in (False, True):
            for i, kill in enumerate(self.moments("run", bad)):
                yield Schedule([("run", kill), ("resume" if i % 2 else "abort", None)], bad)
                yield Schedule([("run", kill), ("abort" if i % 2 else "resume", None)], bad)
        for command, ends in (("abort", ("abort", "resume")),
                              ("promote --full", ("resume", "abort", "promote --full"))):
            for i, kill in enumerate(self.moments(command, False, ["start"], True)):
                yield Schedule([(command, kill), (ends[i % len(ends)], None)], prepare=["start"],
                               approval=True)

    def random_one(self):
        r = self.random
        bad = r.random() < 0.4
        kind = r.choice(("twice", "twice", "thrice", "abort", "promote", "drift"))
        run = r.choice(self.moments("run", bad))

        def later():
            """Of what comes after a kill less is left to do."""
            return Kill(r.randint(1, 25), r.choice(("before", "after", "point")))
        ends = ("resume", "abort", "promote --full")
        if kind == "twice":
            return Schedule([("run", run), (r.choice(ends), later()), (r.choice(ends), None)], bad)
        if kind == "thrice":
            return Schedule([("run", run), *((r.choice(ends), later()) for _ in range(3)),
                             (r.choice(ends), None)], bad)
        if kind == "drift":
            return Schedule([("run", run), (r.choice(ends[:2]), None)], bad,
                            drift=r.choice(("old", "new", "third")))
        command = "abort" if kind == "abort" else "promote --full"
        return Schedule([(command, r.choice(self.moments(command, False, ["start"], True))),
                         (r.choice(ends), later()), (r.choice(ends), None)], prepare=["start"],
                        approval=True)

    def random_single(self):
        r = self.random
        bad = r.random() < 0.4
        return Schedule([("run", r.choice(self.moments("run", bad))),
                         (r.choice(("resume", "abort")), None)], bad)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("providers")
    parser.add_argument("--sample", type=int, default=12)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="schedules with this in their name")
    o = parser.parse_args()
    world = World(o.providers.split(","), PLAN.format(steps="10%, 100%", more=""))
    world.plan = PLAN.format(steps="10%, 100%", more="")
    world.patient = PLAN.format(steps="{percent: 10%, approval: true}, 100%", more="")
    if len(world.names) > 1:
        more = f"\n  targets: [{', '.join(world.names)}]"
        world.plan, world.patient = world.plan + more, world.patient + more
    failed = struck = played = 0
    began = time.monotonic()
    try:
        chooser = Chooser(world, o.seed)
        schedules = list(chooser.singles()) if o.full else []
        for i in range(o.sample):
            schedules.append(chooser.random_one() if o.full or i % 2 else chooser.random_single())
        for s in schedules:
            if o.only and o.only not in str(s):
                continue
            played += 1
            try:
                struck += s.play(world)
            except Wrong as wrong:
                failed += 1
                print(f"{s}\n    {wrong}")
            except Exception:
                failed += 1
                print(f"{s}\n{traceback.format_exc(-3)}")
            sys.stdout.flush()
    finally:
        world.close()
    print(f"{o.providers}: {played} schedules, {struck} struck, {failed} went wrong, "
          f"{time.monotonic() - began:.0f} s")
    # Too few struck: then nothing was tested.
    sys.exit(1 if failed or (not o.only and struck < played // 2) else 0)


if __name__ == "__main__":
    main()
