# SPDX-License-Identifier: Apache-2.0
"""Holds what was asked of a fake against Fastly's published model of its API: the client that they
generate from it (npm: fastly), read as text.

    api_model.py CLIENT REQUESTS [EXCEPTIONS]

Each request has to be one of the model's operations: its method and path, no query key, form key or
body key that the operation does not have, a content type that it takes, a body where there has to be
one.
EXCEPTIONS lists what the model lacks, `METHOD PATH [what] # why`, a line each, `*` for any text; one
that nothing needs fails, as does a request that is neither. Prints how many operations were used."""
import json
import os
import re
import sys

CALL = re.compile(r"callApi\('([^']+)', '([A-Z]+)'")
FUNCTION = re.compile(r"value: function (\w+)WithHttpInfo\(")
OBJECT = r"var {} = \{{(.*?)\}};"
KEYS = re.compile(r"^\s*'([^']+)':", re.M)
PARAMETER = re.compile(r"@param \{([^}]+)\} (\[)?options\.(\w+)")
FIELD = re.compile(r"data\.hasOwnProperty\('([^']+)'\)\) \{\s*obj\['[^']+'\] = (.*?);", re.S)


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


class Model:
    """An object of the API: its fields, and which of them are objects too."""

    known = {}

    def __init__(self, folder, name):
        self.fields = {}
        path = os.path.join(folder, "model", name + ".js")
        if os.path.exists(path):
            text = read(path)
            for field, how in FIELD.findall(text):
                nested = re.search(r"_(\w+)\[\"default\"\]", how.replace("_ApiClient[", ""))
                self.fields[field] = nested[1] if nested and nested[1] != "ApiClient" else None

    @classmethod
    def get(cls, folder, name):
        if name not in cls.known:
            cls.known[name] = Model(folder, name)
        return cls.known[name]


class Operation:
    def __init__(self, folder, file, path, method, body, doc):
        self.folder, self.path, self.method = folder, path, method
        self.name = f"{method} {path}"
        self.parameters = {n: (t, not optional) for t, optional, n in PARAMETER.findall(doc)}
        self.query = self.keys(body, "queryParams")
        self.form = self.keys(body, "formParams")
        self.types = re.findall(r"'([^']+)'", re.search(r"var contentTypes = \[(.*?)\]", body)[1])
        post = re.search(r"var postBody = options\['(\w+)'\]", body)
        self.body, self.needs_body = self.parameters.get(post[1], ("Object", False)) if post \
            else (None, False)
        # "/a/{b}": a segment is percent-encoded as a whole.
        self.regex = re.compile("/".join("[^/]+" if s.startswith("{") else re.escape(s)
                                         for s in path.split("/")) + "$")

    @staticmethod
    def keys(body, name):
        found = re.search(OBJECT.format(name), body, re.S)
        return set(KEYS.findall(found[1])) if found else set()

    def literal(self):
        return sum(not s.startswith("{") for s in self.path.split("/"))

    def unknown_fields(self, type, value, where=""):
        name = type.split("/")[-1].strip("<>[]")
        model = Model.get(self.folder, name)
        if isinstance(value, list):
            for v in value:
                yield from self.unknown_fields(type, v, where + "[]")
        elif isinstance(value, dict) and model.fields:
            for k, v in value.items():
                if k not in model.fields:
                    yield f"{where}.{k}"
                elif model.fields[k]:
                    yield from self.unknown_fields(model.fields[k], v, f"{where}.{k}")

    def complaints(self, r):
        for k in sorted({k for k, _ in r["query"]} - self.query):
            yield f"query {k}"
        kind = r["headers"].get("content-type", "").split(";")[0]
        body = r["body"]
        if body is None:
            if self.needs_body:
                yield "no body"
            return
        if self.types and kind not in self.types:
            yield f"type {kind}"
        if kind == "application/x-www-form-urlencoded":
            for k in sorted(set(body) - self.form):
                yield f"form {k}"
        elif kind == "multipart/form-data":
            for k in sorted({p["name"] for p in body} - self.form):
                yield f"part {k}"
        elif kind == "application/json":
            if not self.body:
                yield "a body"
            else:
                for where in self.unknown_fields(self.body, body):
                    yield f"body {where}"
        elif not self.body:
            yield "a body"


def operations(folder):
    for file in sorted(os.listdir(os.path.join(folder, "api"))):
        text = read(os.path.join(folder, "api", file))
        starts = [m.start() for m in FUNCTION.finditer(text)]
        for at, end in zip(starts, starts[1:] + [len(text)]):
            call = CALL.search(text, at, end)
            doc = text.rfind("/**", 0, at)
            if call:
                yield Operation(folder, file, call[1], call[2], text[at:call.end()], text[doc:at])


def main():
    folder = os.path.join(sys.argv[1], "dist")
    known = list(operations(folder))
    if len(known) < 300:
        sys.exit(f"only {len(known)} operations were found in {folder}: is it another client?")
    excused = {}
    for line in read(sys.argv[3]).splitlines() if len(sys.argv) > 3 else []:
        what, _, why = line.partition(" # ")
        if line.strip() and not line.startswith("#"):
            if not why:
                sys.exit(f"no reason: {line}")
            excused[re.compile(re.escape(what.strip()).replace(r"\*", ".*") + "$")] = what
    used, seen, bad = set(), set(), 0
    for r in json.load(open(sys.argv[2])):
        found = [o for o in known if o.method == r["method"] and o.regex.match(r["path"])]
        best = max(found, key=Operation.literal, default=None)
        told = [f"{r['method']} {r['path']} is no operation"] if not best else \
            [f"{best.name} {c}" for c in best.complaints(r)]
        if best:
            seen.add(best.name)
        for complaint in told:
            match = next((m for m in excused if m.match(complaint)), None)
            used.add(match)
            if not match:
                print("not in the model:", complaint)
                bad = 1
    for pattern, what in excused.items():
        if pattern not in used:
            print("excused, but not needed:", what)
            bad = 1
    print(f"{len(seen)} operations of {len(known)} were used")
    return bad


if __name__ == "__main__":
    sys.exit(main())
