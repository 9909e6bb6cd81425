#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What happens to rollouts on the fakes of the providers, as stories with names:

    stories.py --list | NAME [PROVIDER...]

Time is the test's (base/clock_file.h): whoever would wait jumps, so that days pass in moments."""
import argparse
import datetime
import glob
import os
import random
import signal
import sys
import time
import traceback

from world import PROVIDERS, Fault, World, Wrong, need

STORIES = {}
HOUR = 3600
FULL = bool(os.environ.get("TEST_FAULT_FULL"))


def story(*providers, of="cloudflare"):
    """A story of these providers, all if it is true of all."""
    def mark(f):
        STORIES[f.__name__] = (f, providers or tuple(of.split()))
        return f
    return mark


def plan(steps="10%, 100%", **keys):
    keys = {"soak": "0s", "poll": "1s", "history": "0s", "deadline": "24h",
            "gates": "[{errors: {max-ratio: 2}}]", "evidence": '{ command: "sh ./count" }', **keys}
    lines = "".join(f"\n  {k.replace('_', '-')}: {v}" for k, v in keys.items() if v is not None)
    return f"\n  steps: [{steps}]{lines}"


def make(provider, **more):
    return World([provider], plan(), clock=True, **more)


def events(world, kind):
    return [e for e in world.journals()[-1] if e["e"] == kind]


def soaked(world):
    """Hours watched in the first step, by the journal; hours of the day between the two changes."""
    first, second = [e for e in events(world, "outcome") if not e["back"]][:2]
    dt = sum(e["dt"] for e in events(world, "look") if first["t"] != second["t"])
    return dt / 3600e3, (second["t"] - first["t"]) / 3600e3


# --- clocks ---

LONG = plan("{percent: 10%, soak: 72h}, 100%", poll="1h", deadline="100h")


def at_look(n, change):
    """A hook that does something once, at the nth look of a rollout."""
    seen = {"n": 0}

    def hook(world, name, when, what):
        looks = int(open(world.path("looks")).read())
        if looks >= n and not seen["n"]:
            seen["n"] = 1
            change(world)
        return False
    return hook


@story()
def a_soak_of_72_hours(world):
    world.manifest(LONG)
    world.restore(0)
    began = time.monotonic()
    need(world.rollout("run") == 0, world.err)
    watched, day = soaked(world)
    need(72 <= watched < 75 and 72 <= day < 75, f"{watched} h watched, {day} h of the day")
    need(time.monotonic() - began < HOUR, "it was waited for")
    world.whole(world.new)
    world.check()


@story()
def a_clock_set_forward_shortens_no_soak(world):
    world.manifest(LONG)
    world.restore(0)
    world.rollout("run", hook=at_look(20, lambda w: w.clock.add(wall=30 * 24 * HOUR)))
    need(world.status == 0, world.err)
    watched, day = soaked(world)
    need(72 <= watched < 75, f"{watched} h watched")
    need(day > 700, f"the clock was not set: {day} h")
    world.whole(world.new)


@story()
def a_clock_set_back_prolongs_no_soak(world):
    world.manifest(LONG)
    world.restore(0)
    world.rollout("run", hook=at_look(20, lambda w: w.clock.add(wall=-2 * 24 * HOUR)))
    need(world.status == 0, world.err)
    watched, day = soaked(world)
    need(72 <= watched < 75 and day < 30, f"{watched} h watched, {day} h of the day")
    world.whole(world.new)
    need(world.rollout("status") == 0 and world.rollout("history") == 0, world.err)


@story()
def a_machine_that_sleeps_watches_nothing(world):
    world.manifest(LONG)
    world.restore(0)
    world.rollout("run", hook=at_look(20, lambda w: w.clock.add(wall=10 * HOUR)))
    need(world.status == 0, world.err)
    watched, day = soaked(world)
    need(72 <= watched < 75 and 82 <= day < 85, f"{watched} h watched, {day} h of the day")


@story()
def killed_and_resumed_hours_later_after_a_reboot(world):
    """What passes between two runs is watched by who counts: the provider."""
    world.manifest(LONG)
    world.restore(0)
    world.rollout("run", hook=at_look(20, lambda w: w.kill()))
    need(world.status == -9, "it was not killed")
    # A day later the machine is booted: its monotonic clock begins anew.
    world.clock.add(wall=24 * HOUR)
    world.clock.boot()
    need(world.rollout("resume") == 0, world.err)
    watched, day = soaked(world)
    need(72 <= watched < 75 and 72 <= day < 75, f"{watched} h watched, {day} h of the day")
    world.whole(world.new)
    world.check()


@story()
def killed_and_the_clock_set_back_before_it_is_resumed(world):
    world.manifest(LONG)
    world.restore(0)
    world.rollout("run", hook=at_look(20, lambda w: w.kill()))
    world.clock.add(wall=-100 * HOUR)
    need(world.rollout("resume") == 0, world.err)
    watched, _ = soaked(world)
    need(72 <= watched < 75, f"{watched} h watched")
    # The next one is the newest although it began earlier.
    world.whole(world.new)
    need(world.rollout("status", "--json") == 0 and '"done"' in world.out, world.out)


@story()
def killed_and_the_clock_set_forward_before_it_is_resumed(world):
    """As long as the machine is the same, and was not started anew, it knows better."""
    world.manifest(LONG)
    world.restore(0)
    world.rollout("run", hook=at_look(20, lambda w: w.kill()))
    world.clock.add(wall=5 * 24 * HOUR)
    need(world.rollout("resume") == 0, world.err)
    watched, day = soaked(world)
    need(72 <= watched < 75 and day > 120, f"{watched} h watched, {day} h of the day")


@story()
def a_step_waits_for_its_window(world):
    world.manifest(plan(windows='["Mon-Fri 08:00-16:00"]', poll="10m"))
    world.restore(0)
    # 2027-01-02 is a Saturday.
    world.clock.set(datetime.datetime(2027, 1, 2, 12, tzinfo=datetime.timezone.utc).timestamp())
    need(world.rollout("run") == 0, world.err)
    for e in events(world, "intent"):
        at = datetime.datetime.fromtimestamp(e["t"] / 1000, datetime.timezone.utc)
        need(at.weekday() < 5 and 8 <= at.hour < 16, f"a step was taken at {at}")
    need(at.date() == datetime.date(2027, 1, 4), f"taken at {at}")


@story()
def no_evidence_until_the_deadline_is_status_4(world):
    world.manifest(plan(deadline="24h", poll="30m"))
    world.restore(0)
    world.write("count", "echo '{\"versions\": {}}'\n")
    world.rollout("run")
    need(world.status == 4, f"status {world.status}: {world.err}")
    need(world.providers["cloudflare"].traffic()[world.new["cloudflare"]] == 1000, "it has moved")
    need(world.rollout("abort") == 0, world.err)
    world.whole(world.old)


# --- providers that misbehave ---

ALL = tuple(PROVIDERS)
PATIENT = plan("{percent: 10%, approval: true}, 100%")
WRITE = {"cloudflare": "POST .*/deployments", "fastly": "PUT .*/item/rollout",
         "vercel": "POST .*/(start|approve-stage|complete|rollback|promote/)",
         "aws": "PUT .*(/config|continuous-deployment-policy/|promote-staging)"}


def some(world, cases):
    """All providers together have all cases; with TEST_FAULT_FULL each has."""
    mixed = random.Random(1).sample(cases, len(cases))
    return cases if FULL else mixed[ALL.index(world.names[0])::len(ALL)]


def fault(world, call, **more):
    """For requests that read, or that move traffic."""
    match = "^(GET|HEAD)" if call == "READ" else WRITE[world.names[0]]
    world.provider.fake.faults = [Fault(match=match, **more)]


PASSING = (("READ", {"kind": "429"}), ("READ", {"kind": "status", "times": 2}),
           ("READ", {"kind": "reset"}), ("READ", {"kind": "trickle"}), ("READ", {"kind": "type"}),
           ("WRITE", {"kind": "429"}), ("WRITE", {"kind": "status", "times": 2}),
           ("WRITE", {"kind": "status", "done": True}), ("WRITE", {"kind": "reset"}),
           ("WRITE", {"kind": "truncated"}), ("WRITE", {"kind": "trickle"}))


@story(*ALL)
def what_passes_is_not_noticed(world):
    cases = [(call, more, skip, bad) for call, more in PASSING
             for skip in ((5, 9) if call == "READ" else (0, 1)) for bad in (False, True)]
    for call, more, skip, bad in some(world, cases):
        world.manifest(plan())
        world.restore(50 if bad else 0)
        fault(world, call, skip=skip, **more)
        world.rollout("run")
        what = f"{call} {more} after {skip}"
        need(world.status == (3 if bad else 0), f"{what}: status {world.status}: {world.err}")
        need(world.provider.fake.faults[0].times == 0, f"{what}: it was not met")
        world.whole(world.old if bad else world.new)
        world.check()


@story(*ALL)
def what_a_call_does_not_get_over_is_asked_again(world):
    world.manifest(PATIENT)
    cases = [(more, command, end, skip) for skip in range(0, 8, 3)
             for more in ({"kind": "truncated"}, {"kind": "html"}, {"kind": "status", "times": 7})
             for command, end in (("promote --full", world.new), ("abort", world.old))]
    for more, command, end, skip in some(world, cases):
        world.restore(0)
        need(world.rollout("start") == 0, world.err)
        fault(world, "READ", skip=skip, **more)
        world.rollout(*command.split())
        what = f"{command}: {more} after {skip}"
        need(world.status == 0, f"{what}: status {world.status}: {world.err}")
        world.whole(end)
        world.check()


LASTING = (("READ", {"kind": "429", "after": 300}, 6, "429"), ("READ", {"kind": "status"}, 6, "503"),
           ("READ", {"kind": "status", "status": 500, "text": "quite odd"}, 6, "quite odd"),
           ("READ", {"kind": "html"}, 6, "200"), ("READ", {"kind": "truncated"}, 6, ""),
           ("READ", {"kind": "reset"}, 6, ""), ("READ", {"kind": "silence"}, 6, "in time"),
           ("READ", {"kind": "trickle", "endless": True}, 6, "in time"),
           ("WRITE", {"kind": "status"}, 6, "503"), ("WRITE", {"kind": "429", "after": 300}, 6, "429"),
           ("WRITE", {"kind": "status", "status": 400, "text": "no such luck"}, 1, "no such luck"),
           ("WRITE", {"kind": "status", "status": 403, "text": "not allowed"}, 8, "not allowed"))


def hurry(world, name, when, what):
    """Who waits for an answer that does not come finds that much time has passed."""
    fake = world.provider.fake
    if when == "after" and any(f.kind in ("silence", "trickle") for f in fake.faults):
        world.clock.add(mono=300)
    return False


@story(*ALL)
def what_stays_leaves_it_as_it_is_and_it_goes_on_later(world):
    world.manifest(PATIENT)
    cases = [(*case, *ways) for case in LASTING
             for ways in (("promote --full", "resume", world.new), ("abort", "abort", world.old))]
    for call, more, status, words, command, then, end in some(world, cases):
        what = f"{command}: {call} {more}"
        world.restore(0)
        need(world.rollout("start") == 0, world.err)
        before = world.provider.traffic()
        fault(world, call, times=-1, **more)
        world.rollout(*command.split(), hook=hurry)
        need(world.status == status, f"{what}: status {world.status}: {world.err}")
        need(words in world.err and "hint: " in world.err, f"{what}: {world.err}")
        need(world.provider.traffic() == before, f"{what}: traffic was moved")
        world.provider.fake.faults = []
        need(world.rollout(then) == 0, f"{what}, then {then}: status {world.status}: {world.err}")
        world.whole(end)
        world.check()


@story(*ALL)
def a_provider_that_is_down_is_status_6(world):
    world.manifest(PATIENT)
    for command, end in (("promote --full", world.new), ("abort", world.old)):
        world.restore(0)
        need(world.rollout("start") == 0, world.err)
        down = {k: v.replace(world.provider.url, "http://127.0.0.1:1") for k, v in world.env().items()}
        world.rollout(*command.split(), env=down)
        need(world.status == 6, f"{command}: status {world.status}: {world.err}")
        world.rollout("status", env=down)
        need(world.status == 0 and "cannot be read" in world.err and "10 %" in world.out,
             f"status: {world.status}: {world.out} {world.err}")
        need(world.rollout(command.split()[0] if command == "abort" else "resume") == 0, world.err)
        world.whole(end)
        world.check()


@story(*ALL)
def a_token_that_expires_on_the_way_is_status_8(world):
    """Whenever: what has been done stays, and a new token ends it."""
    world.manifest(plan())
    world.restore(0)
    need(world.rollout("run") == 0, world.err)
    requests = world.count
    for nth in range(1, requests + 1, max(1, requests // (8 if FULL else 3))):
        for then in ("resume", "abort"):
            world.restore(0)
            p = world.provider

            def expire(w, name, when, what, nth=nth):
                if when == "before" and w.count == nth:
                    p.revoke(True)
                return False
            world.rollout("run", hook=expire)
            p.revoke(False)
            what = f"revoked at request {nth}, then {then}"
            began = bool(world.journals())
            if world.status == 0:
                # Nothing was asked after that but the app itself.
                continue
            need(world.status == 8, f"{what}: status {world.status}: {world.err}")
            world.rollout(then)
            need(world.status == (0 if began else 2), f"{what}: status {world.status}: {world.err}")
            world.whole(world.new if began and then == "resume" else world.old)
            world.check()


@story(*ALL)
def what_somebody_else_does_meanwhile_is_status_5(world):
    """Told with who and what, and left alone; found before each step, and in the middle of one."""
    world.manifest(plan())
    world.restore(0)
    need(world.rollout("run") == 0, world.err)
    requests, name, told = world.count, world.names[0], 0
    for nth in range(2, requests + 1, max(1, requests // (30 if FULL else 8))):
        world.restore(0)
        theirs, amid = {}, {}

        def meddle(w, name, when, what, nth=nth, theirs=theirs, amid=amid):
            if when == "before" and w.count == nth and not theirs:
                now = w.provider.traffic()
                version = w.old[name] if now.get(w.new[name]) else w.new[name]
                w.provider.meddle(version)
                theirs.update(w.provider.traffic())
                journals = w.journals()
                kinds = [e["e"] for e in journals[-1] if e["e"] in ("intent", "outcome")] if journals else []
                amid["change"] = kinds[-1:] == ["intent"]
            return False
        world.rollout("run", hook=meddle)
        now = world.provider.traffic()
        if not world.journals() or not theirs:
            continue
        if world.status == 5:
            told += 1
            # Between our last look and the change itself only a provider with a lock can tell.
            need(amid["change"] or now == theirs, f"at {nth}: what somebody else did was changed: {theirs}, now {now}")
            need("hint: " in world.err, world.err)
        else:
            # Too early or too late to be seen; then it is whole all the same.
            need(world.status in (0, 2), f"at {nth}: status {world.status}: {world.err}")
        world.rollout("abort", "--to", world.old[name])
        need(world.status == 0, f"abort --to: {world.err}")
        world.whole(world.old)
    need(told > 1, f"told {told} times of {requests}")


@story(*ALL)
def ctrl_c_while_a_provider_fails_is_status_130(world):
    """Whatever the call that is under way comes to."""
    world.manifest(PATIENT)
    for command in ("resume", "abort"):
        world.restore(0)
        need(world.rollout("start") == 0, world.err)
        before = world.provider.traffic()
        fault(world, "READ", kind="status", times=-1)
        pressed = {}

        def press(w, name, when, what, pressed=pressed):
            if when == "before" and w.count == 2 and not pressed:
                pressed["yes"] = True
                w.proc.send_signal(signal.SIGINT)
            return False
        world.rollout(command, hook=press)
        need(pressed and world.status == 130, f"{command}: status {world.status}: {world.err}")
        need("rollout resume" in world.err and "rollout abort" in world.err, world.err)
        need(world.provider.traffic() == before, "traffic was moved")
        world.provider.fake.faults = []
        need(world.rollout("abort") == 0, world.err)
        world.whole(world.old)


@story("aws")
def an_etag_that_is_no_longer_right_is_read_again(world):
    """Somebody edits the distribution, not what has traffic."""
    world.manifest(plan())
    for nth in range(3, 40, 1 if FULL else 5):
        world.restore(0)

        def touch(w, name, when, what, nth=nth):
            if when == "before" and w.count == nth:
                for d in w.provider.fake.distributions.values():
                    d["etag"] = w.provider.fake.next_id("TAG")
            return False
        world.rollout("run", hook=touch)
        need(world.status == 0, f"touched at {nth}: status {world.status}: {world.err}")
        world.whole(world.new)
        world.check()


# --- each provider's own numbers ---

OWN = plan("{percent: 10%, soak: 5m}, 100%", poll="30s", evidence=None, deadline="1h")


def loaded(world, bad=0.0, **more):
    """10 % of 200 requests a second, an error in a thousand; `bad`: of the new version instead."""
    name = world.names[0]
    world.manifest(OWN)
    world.restore(0)
    world.load = {"from": world.now() - HOUR, "rate": 200, "lag": 90,
                  "errors": {world.old[name]: 0.001, world.new[name]: bad or 0.001}, **more}


def looked(world):
    """Requests and errors of the new version, over all looks."""
    cells = [e["c"][0] for e in events(world, "look") if e["c"] and e["c"][0]]
    return sum(c[0] for c in cells), sum(c[1] for c in cells)


@story(*ALL)
def a_good_version_finishes_on_the_providers_own_numbers(world):
    for history in ("0s", "10m"):
        loaded(world)
        world.manifest(OWN.replace("history: 0s", f"history: {history}"))
        world.rollout("run")
        need(world.status == 0, f"history {history}: status {world.status}: {world.err}")
        world.whole(world.new)
        world.check()
        need(looked(world)[0] > 1000, f"judged on {looked(world)}")
        need(history == "0s" or events(world, "past"), "the past was not read")


@story(*ALL)
def a_bad_version_is_put_back_on_the_providers_own_numbers(world):
    loaded(world, bad=0.02)
    world.rollout("run")
    need(world.status == 3, f"status {world.status}: {world.err}")
    need("errors: worse than the stable version" in world.err, world.err)
    world.whole(world.old)
    world.check()
    requests, errors = looked(world)
    need(abs(errors / requests - 0.02) < 0.002, f"{errors} of {requests} is not the share there was")


@story(*ALL)
def killed_between_looks_what_was_counted_is_not_counted_twice(world):
    loaded(world, bad=0.001)
    for _ in range(3):
        seen = {"n": 0}

        def kill(w, name, when, what, seen=seen):
            seen["n"] += 1
            return seen["n"] == 40 and w.kill()
        world.rollout("resume" if world.journals() else "run", hook=kill)
    if world.status == -9:
        world.rollout("resume")
    need(world.status == 0, f"status {world.status}: {world.err}")
    world.whole(world.new)
    first, second = [e for e in events(world, "outcome") if not e["back"]][:2]
    most = 20 * (second["t"] - first["t"]) / 1000
    need(1000 < looked(world)[0] <= most, f"{looked(world)} looked at, of {most} there were")


@story(*ALL)
def no_numbers_of_the_new_version_are_no_good_numbers(world):
    """Missing is not zero errors, nor zero requests: it is not decided."""
    name = world.names[0]
    loaded(world, silent=world.new[name])
    world.rollout("run")
    need(world.status == 4, f"status {world.status}: {world.err}")
    need(world.provider.traffic()[world.new[name]] == 1000, "traffic has moved")
    world.load = None
    need(world.rollout("abort") == 0, world.err)
    world.whole(world.old)


@story(*ALL)
def numbers_that_stand_still_decide_nothing(world):
    """Nothing is counted any more from before the change on."""
    loaded(world)
    world.load["frozen"] = world.now() - 600
    world.rollout("run")
    need(world.status == 4, f"status {world.status}: {world.err}")
    need(world.provider.traffic()[world.new[world.names[0]]] == 1000, "traffic has moved")


@story(*ALL)
def numbers_that_come_late_are_waited_for(world):
    loaded(world, lag=20 * 60)
    began = world.clock.now()
    world.rollout("run")
    taken = world.clock.now() - began
    if world.status == 4:
        need(taken > HOUR, "it has not waited")
    else:
        need(world.status == 0 and taken > 20 * 60, f"status {world.status} after {taken} s: {world.err}")


@story("cloudflare", "fastly", "vercel")
def a_clock_that_is_set_meanwhile_confuses_no_numbers(world):
    """Numbers are asked for by the time of the day, which is another at the provider now. (AWS takes no
    signature from such a clock.)"""
    for bad, hours in ((0.02, -2), (0.0, -2), (0.02, 6), (0.0, 6)):
        loaded(world, bad=bad, lag=240)
        done = {}

        def change(w, name, when, what, done=done, hours=hours):
            if not done and when == "after" and len(w.walk[name]) > 1 and w.count > 45:
                done["yes"] = True
                w.set_wrong(hours * HOUR)
            return False
        world.rollout("run", hook=change)
        what = f"{'bad' if bad else 'good'}, clock set by {hours} h"
        need(done, f"{what}: it was not set")
        # Where numbers seem too old to be believed nothing is decided.
        need(world.status in (3, 4) if bad else world.status in (0, 4),
             f"{what}: status {world.status}: {world.err}")
        if world.status == 4:
            need(world.rollout("abort") == 0, world.err)
        world.whole(world.old if bad or world.status == 4 or over(world) == "undone" else world.new)


def over(world):
    return "undone" if any(e["e"] == "back" for e in world.journals()[-1]) else "done"


METRICS = {"cloudflare": "POST .*/graphql", "fastly": "GET /stats/", "vercel": "/v2/observability/",
           "aws": "POST /$"}


@story(*ALL)
def numbers_that_cannot_be_had_decide_nothing_either(world):
    loaded(world)
    need(world.rollout("start") == 0, world.err)
    world.provider.fake.faults = [Fault(match=METRICS[world.names[0]], kind="status", times=-1)]
    world.rollout("resume")
    need(world.status in (4, 6), f"status {world.status}: {world.err}")
    need(world.provider.traffic()[world.new[world.names[0]]] == 1000, "traffic has moved")
    world.provider.fake.faults = []
    need(world.rollout("resume") == 0, f"status {world.status}: {world.err}")
    world.whole(world.new)


@story("cloudflare")
def sampled_numbers_are_not_scaled_up(world):
    """One request in a hundred is counted: so many are evidence."""
    loaded(world, sampled=100)
    world.rollout("run")
    need(world.status == 0, f"status {world.status}: {world.err}")
    first, second = [e for e in events(world, "outcome") if not e["back"]][:2]
    most = 20 * (second["t"] - first["t"]) / 1000 / 100
    need(0 < looked(world)[0] <= most, f"{looked(world)} looked at, {most} counted")


# --- disks ---

@story(*ALL)
def a_disk_that_is_full_anywhere_loses_nothing(world):
    """So many bytes of the journals can be written, and no more: it says so, and goes on later."""
    for bad in (False, True):
        world.manifest(plan())
        world.restore(50 if bad else 0)
        need(world.rollout("run") in (0, 3), world.err)
        size = max(os.path.getsize(p) for p in glob.glob(world.path("state/rollouts/*/*.jsonl")))
        failed = 0
        mixed = random.Random(2).sample(range(40, size), 80 if FULL else 5)
        for i, most in enumerate(mixed):
            then = "abort" if i % 2 else "resume"
            world.restore(50 if bad else 0)
            world.rollout("run", most=most)
            what = f"{most} of {size} bytes, then {then}"
            if world.status == 1:
                failed += 1
                need("cannot write" in world.err or "cannot open" in world.err, f"{what}: {world.err}")
                need("hint: " in world.err, f"{what}: {world.err}")
            else:
                need(world.status in (0, 3), f"{what}: status {world.status}: {world.err}")
            began = bool(world.journals())
            ended = began and any(e["e"] == "end" for e in world.journals()[-1])
            if most < 4000:
                # Nor can it be put back while nothing can be written, and it says that, too.
                need(world.rollout("abort", most=most) in (0, 1, 2), f"{what}: {world.err}")
                ended = ended or any(e["e"] == "end" for e in (world.journals() or [[]])[-1])
            world.rollout(then)
            aborted = any(e["e"] == "back" and not e.get("asked") for e in (world.journals() or [[]])[-1])
            need(world.status in (0, 1, 2, 3), f"{what}: status {world.status}: {world.err}")
            undone = bad or then == "abort" or aborted or not began
            if not ended:
                world.whole(world.old if undone else world.new)
            need(world.provider.traffic() in ({world.old[world.names[0]]: 10000},
                                              {world.new[world.names[0]]: 10000}), "it is not whole")
            world.check()
        need(failed > 1, f"only {failed} met a full disk")


@story(*ALL)
def a_journal_without_its_end_or_damaged_is_put_back(world):
    """The disk has lost what was written last, or has turned a bit."""
    world.manifest(PATIENT)
    world.restore(0)
    need(world.rollout("start") == 0, world.err)
    size = os.path.getsize(glob.glob(world.path("state/rollouts/*/*.jsonl"))[0])
    damaged = drifted = 0
    for i, at in enumerate(random.Random(3).sample(range(1, size), 100 if FULL else 6)):
        world.restore(0)
        need(world.rollout("start") == 0, world.err)
        path = glob.glob(world.path("state/rollouts/*/*.jsonl"))[0]
        what = f"{'cut' if i % 2 else 'turned'} at {at} of {size}"
        with open(path, "r+b") as f:
            if i % 2:
                f.truncate(at)
            else:
                f.seek(at)
                old = f.read(1)
                f.seek(at)
                f.write(bytes([old[0] ^ 1]))
        world.rollout("resume", "--once")
        if world.status == 1:
            damaged += 1
            need(".jsonl:" in world.err and "abort --to" in world.err, f"{what}: {world.err}")
        elif world.status == 5:
            drifted += 1
            need("abort --to" in world.err, f"{what}: {world.err}")
        else:
            need(world.status == 0, f"{what}: status {world.status}: {world.err}")
        if world.rollout("abort") == 0:
            world.whole(world.old)
        else:
            need(world.status == 1, f"{what}: abort: status {world.status}: {world.err}")
        need(world.rollout("abort", "--to", world.old[world.names[0]]) == 0, f"{what}: {world.err}")
        world.whole(world.old)
    need(damaged and (drifted or not FULL), f"{damaged} damaged, {drifted} drifted")


@story(*ALL)
def what_was_noted_of_a_target_is_damaged_and_moved_away(world):
    """Then it is looked up at the provider."""
    world.manifest(PATIENT)
    for command, end in (("abort", world.old), ("promote --full", world.new)):
        world.restore(0)
        need(world.rollout("start") == 0, world.err)
        path = glob.glob(world.path("state/targets/*/journal.jsonl"))[0]
        with open(path, "r+b") as f:
            f.write(b"#")
        world.rollout(*command.split())
        need(world.status == 1 and "journal.jsonl:1:" in world.err and "move the file away" in world.err,
             f"status {world.status}: {world.err}")
        os.remove(path)
        need(world.rollout(*command.split()) == 0, f"status {world.status}: {world.err}")
        world.whole(end)
        world.check()


# --- two machines, and one that has lost its state ---

@story(*ALL)
def another_machine_tells_goes_on_and_aborts(world):
    world.manifest(PATIENT)
    for command, end in (("promote --full", world.new), ("abort", world.old)):
        world.restore(0)
        need(world.rollout("start") == 0, world.err)
        world.rollout("status", state="state-b")
        need(world.status == 0 and "another machine" in world.err, f"{world.status}: {world.err}")
        world.rollout(*command.split(), state="state-b")
        need(world.status == 0 and "taken over from" in world.err, f"{command}: {world.err}")
        world.whole(end)
        world.check()
        # Nobody has told the first one: what it finds is not what it did.
        world.rollout("resume")
        need(world.status in (0, 5), f"resume: {world.status}: {world.err}")
        world.whole(end)


@story(*ALL)
def who_was_taken_over_takes_no_step_any_more(world):
    """Two machines run it: the one that took it over goes on, and either can take it back."""
    world.manifest(PATIENT)
    world.clock = None
    world.restore(0)
    before = world.provider.traffic()
    runner = world.start("rollout", "run")
    try:
        end = time.monotonic() + 30
        while "waiting for approval" not in runner.stderr.readline():
            need(time.monotonic() < end and runner.poll() is None, "it did not come to its approval")
        at_ten = world.provider.traffic()
        need(at_ten != before, "nothing was begun")
        need(world.rollout("pause", state="state-b") == 0, world.err)
        need("taken over from" in world.err, world.err)
        need(world.rollout("promote") == 0, world.err)
        said = runner.communicate(timeout=30)[1]
    finally:
        runner.kill()
    need(runner.returncode == 5 and "taken over on" in said, f"{runner.returncode}: {said}")
    need(world.provider.traffic() == at_ten, "a step was taken all the same")
    # It is asked for here: then it goes on here, and not there.
    need(world.rollout("promote", "--full") == 0, world.err)
    world.whole(world.new)
    need(world.rollout("resume", state="state-b") in (2, 5), f"{world.status}: {world.err}")
    world.whole(world.new)


@story(*ALL)
def two_machines_that_go_on_at_the_same_time_end_on_one_side(world):
    """One of them gives up or finds it done; nobody takes a step that the other has taken."""
    world.clock = None
    world.manifest(plan("10%, 50%, 100%" if world.names[0] != "aws" else "5%, 10%, 100%"))
    for turn in range(12 if FULL else 3):
        world.restore(0)
        need(world.rollout("start") == 0, world.err)
        both = [world.start("rollout", "resume", state=s) for s in ("state", "state-b")]
        said = [p.communicate(timeout=60)[1] for p in both]
        codes = [p.returncode for p in both]
        what = f"turn {turn}: {codes}: {said}"
        need(all(c in (0, 2, 5) for c in codes), what)
        if 0 in codes:
            world.whole(world.new)
        else:
            # Both have given up: whoever is told to goes on.
            need(world.rollout("abort") in (0, 2, 5), world.err)
            need(world.rollout("abort", "--to", world.old[world.names[0]]) == 0, world.err)
            world.whole(world.old)
        need(not world.provider.twice(), f"{what}: {world.provider.twice()}")
        name = world.names[0]
        world.check_walk(name, [t.get(world.new[name], 0) for t in world.walk[name]])


@story(*ALL)
def killed_here_and_ended_elsewhere(world):
    """What is run on the other machine is killed, too. Where nothing was noted yet it says so."""
    world.manifest(plan())
    world.restore(0)
    need(world.rollout("run") == 0, world.err)
    requests, name, chance, taken = world.count, world.names[0], random.Random(4), 0

    def killer(nth, at):
        def hook(w, name, when, what):
            return when == at and w.count == nth and w.kill()
        return hook
    for _ in range(60 if FULL else 6):
        first = killer(chance.randint(requests // 3, requests), chance.choice(("before", "after")))
        second = killer(chance.randint(1, 20), chance.choice(("before", "after")))
        end = chance.choice(("resume", "abort"))
        world.restore(0)
        world.rollout("run", hook=first)
        was = world.provider.traffic()
        world.rollout("resume", hook=second, state="state-b")
        world.rollout(end, state="state-b")
        what = f"{was}, then {end}: status {world.status}: {world.err}"
        need(world.status in (0, 2), what)
        if world.status == 2:
            need("no rollout is under way" in world.err, what)
            need(world.rollout("abort", "--to", world.old[name], state="state-b") == 0, world.err)
            world.whole(world.old)
        else:
            taken += 1
            world.whole(world.old if end == "abort" else world.new)
            world.check()
    need(taken > 0, "it was never taken over")


@story(*ALL)
def jobs_of_ci_that_keep_no_state_take_a_step_each(world):
    """Each on a machine of its own, which knows what the provider keeps."""
    for bad in (0.0, 0.02):
        loaded(world, bad=bad)
        need(world.rollout("start", state="state-0") == 0, world.err)
        for job in range(1, 30):
            world.clock.add(mono=180, wall=180)
            status = world.rollout("resume", "--once", state=f"state-{job}")
            now = world.provider.traffic()
            if status != 0 or now == {world.new[world.names[0]]: 10000}:
                break
        need(status == (3 if bad else 0), f"job {job}: status {status}: {world.err}")
        need(2 <= job <= 15, f"it took {job} jobs")
        world.whole(world.old if bad else world.new)


@story(*ALL)
def without_any_journal_abort_to_a_version_puts_it_there(world):
    name = world.names[0]
    world.manifest(PATIENT)
    for to in (world.old[name], world.new[name]):
        world.restore(0)
        need(world.rollout("start") == 0, world.err)
        world.rollout("abort", "--to", to, state="state-b")
        need(world.status == 0, f"abort --to {to}: {world.status}: {world.err}")
        world.whole({name: to})
        # It is over for everybody who has no journal of it.
        world.rollout("resume", state="state-c")
        need(world.status == 2, f"resume: {world.status}: {world.err}")
        world.rollout("status", state="state-c")
        need("another machine" not in world.err, world.err)
        need(world.rollout("abort", "--to", "nonsense", state="state-c") == 2, world.err)
        world.whole({name: to})


# --- beside a rollout ---

@story(*ALL)
def logs_for_a_time_end_though_no_line_comes(world):
    world.clock = None
    world.restore(0)
    began = time.monotonic()
    need(world.run("logs", "--for", "500ms") == 0, f"status {world.status}: {world.err}")
    need(0.4 < time.monotonic() - began < 30, "not after that time")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--list", action="store_true")
    parser.add_argument("name", nargs="?")
    parser.add_argument("provider", nargs="*")
    o = parser.parse_args()
    if o.list or not o.name:
        print("\n".join(STORIES))
        return
    failed = 0
    names = [n for n in STORIES if n == o.name or o.name == "all"]
    for name in names:
        tell, providers = STORIES[name]
        for provider in o.provider or providers:
            began = time.monotonic()
            world = make(provider)
            try:
                tell(world)
            except Wrong as wrong:
                failed += 1
                print(f"{name}, {provider}: {wrong}")
            except Exception:
                failed += 1
                print(f"{name}, {provider}: {traceback.format_exc(-4)}")
            finally:
                world.close()
            print(f"{name}, {provider}: {time.monotonic() - began:.1f} s", flush=True)
    sys.exit(1 if failed or not names else 0)


if __name__ == "__main__":
    main()
