# SPDX-License-Identifier: Apache-2.0
"""Compares what two clients asked of the same fake for the same job.

    compare.py THEIRS OURS DIFFERENCES

The first two are what the fake kept (JSON). The third lists every difference that is meant, one a
line, with its reason behind ` # `:

    + METHOD PATH        only edgectl asks that
    - METHOD PATH        only the provider's CLI does
    ~ METHOD PATH WHERE  both do, and differ at WHERE

A difference that is not listed fails, and so does a line that nothing matches: the list is what it
says. Ids, uploads' boundaries and what every client has of its own (User-Agent, tracing) are no
difference; how often a read is repeated is none either."""
import json
import re
import sys

IDS = [(re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "UUID"),
       (re.compile(r"\b[0-9a-f]{64}\b"), "RELEASE"), (re.compile(r"\b[0-9a-f]{32}\b"), "ID"),
       (re.compile(r"\b(SU|kv|co|se|ln)[0-9a-f]{18}\b"), r"\1-ID"),
       (re.compile(r"-[0-9a-f]{12}\b"), "-DIGEST"), (re.compile(r"/version/\d+"), "/version/N")]


def plain(text):
    for pattern, name in IDS:
        text = pattern.sub(name, text)
    return text


def key(r):
    query = "&".join(f"{k}={v}" for k, v in sorted(map(tuple, r["query"])))
    return plain(f"{r['method']} {r['path']}" + (f"?{query}" if query else ""))


def flat(value, where=""):
    """{place: text} of a body. What a list holds is told by names, where its items have some."""
    if isinstance(value, dict):
        found = {}
        for k, v in value.items():
            found.update(flat(v, f"{where}.{k}"))
        return found
    if isinstance(value, list):
        found = {}
        for i, v in enumerate(value):
            name = v.get("name", v.get("key")) if isinstance(v, dict) else None
            found.update(flat(v, f"{where}[{i if name is None else name}]"))
        return found or {where: "[]"}
    return {where: plain(json.dumps(value))}


def shape(r):
    found = {f"body{k}": v for k, v in flat(r["body"]).items()} if r["body"] is not None else {}
    kind = r["headers"].get("content-type", "").split(";")[0]
    return {**found, "content-type": kind} if kind and r["body"] is not None else found


def table(path):
    found = {}
    for r in json.load(open(path)):
        found.setdefault(key(r), []).append(shape(r))
    return found


def differences(theirs, ours):
    for k in sorted(set(theirs) | set(ours)):
        if k not in theirs:
            yield f"+ {k}"
        elif k not in ours:
            yield f"- {k}"
        else:
            for a, b in zip(theirs[k], ours[k]):
                for where in sorted(set(a) | set(b)):
                    if a.get(where) != b.get(where):
                        yield f"~ {k} {where}"


def main():
    theirs, ours = table(sys.argv[1]), table(sys.argv[2])
    meant = {}
    for line in open(sys.argv[3]):
        line = line.strip()
        if line and not line.startswith("#"):
            what, _, why = line.partition(" # ")
            if not why:
                sys.exit(f"no reason: {line}")
            # `*` stands for any text: names of modules, say.
            meant[re.compile(re.escape(what.strip()).replace(r"\*", ".*") + "$")] = what
    used, bad = set(), 0
    for d in dict.fromkeys(differences(theirs, ours)):
        match = next((m for m in meant if m.match(d)), None)
        used.add(match)
        if not match:
            print("not listed:", d)
            bad = 1
    for pattern, what in meant.items():
        if pattern not in used:
            print("listed, but no difference:", what)
            bad = 1
    same = sum(1 for k in theirs if k in ours and k.split()[0] != "GET")
    print(f"{same} kinds of changes are asked for alike")
    sys.exit(bad or (0 if same >= 4 else 1))


if __name__ == "__main__":
    main()
