#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What happens to rollouts on the fakes of the providers, as stories with names:

    stories.py --list | NAME [PROVIDER...]

Time is the test's (base/clock_file.h): whoever would wait jumps, so that days pass in moments."""
import argparse
import datetime
import sys
import time
import traceback

from world import PROVIDERS, World, Wrong, need

STORIES = {}
HOUR = 3600


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
    need(time.monotonic() - began < 30, "it was waited for")
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
