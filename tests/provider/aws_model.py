# SPDX-License-Identifier: Apache-2.0
"""Requests against AWS's published models, those that its own CLI is generated from (botocore).

    aws_model.py DATA REQUESTS.json [OPERATION...]

DATA: botocore/data. Each recorded request must be one of the models' operations: method and path,
labels, query keys, headers and body; members known, required ones there, types, enums, lengths,
patterns; elements in the model's order. Prints the operations that were seen; those that are named
must be among them. Exit status 1 when something is wrong."""
import glob
import gzip
import json
import os
import re
import sys
import urllib.parse
import xml.etree.ElementTree as ET
from datetime import datetime

SERVICES = ("lambda", "cloudfront", "cloudfront-keyvaluestore", "monitoring:cloudwatch", "logs", "iam",
            "sts", "ssm")


class Wrong(Exception):
    pass


class Service:
    def __init__(self, folder, name):
        # The newest version; a recent botocore compresses some.
        path = sorted(glob.glob(os.path.join(folder, name, "*", "service-2.json*")))[-1]
        with (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8") as f:
            self.model = json.load(f)
        self.name, self.meta, self.shapes = name, self.model["metadata"], self.model["shapes"]
        protocols = self.meta.get("protocols", []) + [self.meta["protocol"]]
        self.json_prefix, self.query = self.meta.get("targetPrefix"), "query" in protocols
        self.rest = self.meta["protocol"].startswith("rest")
        self.routes = []
        for operation in self.model["operations"].values():
            path, _, query = operation["http"]["requestUri"].partition("?")
            regex = re.sub(r"\\\{(\w+)(\\\+)?\\\}", r"(?P<\1>[^/]+)", re.escape(path))
            fixed = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
            # CloudFront's names end with its version's date.
            operation["name"] = re.sub(r"\d{4}_\d\d_\d\d$", "", operation["name"])
            self.routes.append((operation["http"]["method"], re.compile(regex + "/?$"), fixed, operation))

    # --- values of any dialect ---
    def scalar(self, shape, value, where):
        kind = shape["type"]
        if kind == "string":
            if not isinstance(value, str):
                raise Wrong(f"{where} is no text: {value!r}")
            if "enum" in shape and value not in shape["enum"]:
                raise Wrong(f"{where} is none of {shape['enum']}: {value!r}")
            pattern = shape.get("pattern")
            if pattern and "\\p" not in pattern and not re.search(f"^(?:{pattern})$", value):
                raise Wrong(f"{where} is not like {pattern}: {value!r}")
            self.size(shape, len(value), where)
        elif kind == "blob":
            if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9+/]*={0,2}", value):
                raise Wrong(f"{where} is no base64")
        elif kind in ("integer", "long"):
            if not isinstance(value, int) or isinstance(value, bool):
                raise Wrong(f"{where} is no whole number: {value!r}")
            self.size(shape, value, where)
        elif kind in ("float", "double"):
            if not isinstance(value, (int, float)) or isinstance(value, bool):
                raise Wrong(f"{where} is no number: {value!r}")
            self.size(shape, value, where)
        elif kind == "boolean":
            if not isinstance(value, bool):
                raise Wrong(f"{where} is no boolean: {value!r}")
        elif kind == "timestamp":
            if isinstance(value, str):
                datetime.fromisoformat(value.replace("Z", "+00:00"))
            elif not isinstance(value, (int, float)):
                raise Wrong(f"{where} is no time: {value!r}")
        else:
            raise Wrong(f"{where}: a {kind} here?")

    @staticmethod
    def size(shape, n, where):
        if n < shape.get("min", n) or n > shape.get("max", n):
            raise Wrong(f"{where}: {n} is not from {shape.get('min')} to {shape.get('max')}")

    def text(self, shape, text, where):
        """A scalar that came as text."""
        kind, value = shape["type"], text
        try:
            if kind in ("integer", "long"):
                value = int(text)
            elif kind in ("float", "double"):
                value = float(text)
        except ValueError as e:
            raise Wrong(f"{where}: {e}") from e
        if kind == "boolean":
            value = {"true": True, "false": False}.get(text, text)
        self.scalar(shape, value, where)

    # --- JSON ---
    def json(self, name, value, where, skip=()):
        shape = self.shapes[name]
        if shape["type"] == "structure":
            if not isinstance(value, dict):
                raise Wrong(f"{where} is no object: {value!r}")
            members = {m.get("locationName", n): m["shape"] for n, m in shape["members"].items()
                       if n not in skip}
            self.members(value, members, [shape["members"][n].get("locationName", n)
                                          for n in shape.get("required", []) if n not in skip], where)
            for key, inner in value.items():
                self.json(members[key], inner, f"{where}.{key}")
        elif shape["type"] == "list":
            if not isinstance(value, list):
                raise Wrong(f"{where} is no list: {value!r}")
            self.size(shape, len(value), where)
            for i, inner in enumerate(value):
                self.json(shape["member"]["shape"], inner, f"{where}[{i}]")
        elif shape["type"] == "map":
            if not isinstance(value, dict):
                raise Wrong(f"{where} is no map: {value!r}")
            for key, inner in value.items():
                self.json(shape["key"]["shape"], key, f"{where} key")
                self.json(shape["value"]["shape"], inner, f"{where}.{key}")
        else:
            self.scalar(shape, value, where)

    @staticmethod
    def members(given, known, required, where):
        if set(given) - set(known):
            raise Wrong(f"{where} has no {', '.join(sorted(set(given) - set(known)))}")
        if set(required) - set(given):
            raise Wrong(f"{where} lacks {', '.join(sorted(set(required) - set(given)))}")

    # --- XML ---
    def xml(self, name, e, where, skip=()):
        shape = self.shapes[name]
        if shape["type"] == "structure":
            names = [n for n in shape["members"] if n not in skip]
            tags = [shape["members"][n].get("locationName", n) for n in names]
            members = {t: shape["members"][n]["shape"] for t, n in zip(tags, names)}
            given = [c.tag for c in e]
            self.members(given, members, [shape["members"][n].get("locationName", n)
                                          for n in shape.get("required", []) if n not in skip], where)
            if given != sorted(set(given), key=tags.index):
                raise Wrong(f"{where} is out of order, or has something twice: {given}")
            for c in e:
                self.xml(members[c.tag], c, f"{where}/{c.tag}")
        elif shape["type"] == "list":
            tag = shape["member"].get("locationName", "member")
            for c in e:
                if c.tag != tag:
                    raise Wrong(f"{where} has {tag}, not {c.tag}")
                self.xml(shape["member"]["shape"], c, f"{where}/{tag}")
        else:
            if len(e):
                raise Wrong(f"{where} has elements in it")
            self.text(shape, e.text or "", where)

    # --- forms ---
    def form(self, name, fields, where):
        """`fields`: those below this one, by the rest of their names."""
        shape = self.shapes[name]
        if shape["type"] == "structure":
            groups = {}
            for key, value in fields.items():
                head, _, rest = key.partition(".")
                groups.setdefault(head, {})[rest] = value
            members = {m.get("locationName", n): m["shape"] for n, m in shape["members"].items()}
            self.members(groups, members, shape.get("required", []), where)
            for head, inner in groups.items():
                self.form(members[head], inner, f"{where}.{head}")
        elif shape["type"] == "list":
            items = {}
            for key, value in fields.items():
                member, number, *rest = key.split(".", 2)
                if member != "member":
                    raise Wrong(f"{where}: {key}")
                items.setdefault(int(number), {})[rest[0] if rest else ""] = value
            if sorted(items) != list(range(1, len(items) + 1)):
                raise Wrong(f"{where}: {sorted(items)}")
            for i, inner in items.items():
                self.form(shape["member"]["shape"], inner, f"{where}[{i}]")
        else:
            self.text(shape, fields[""], where)

    # --- a request ---
    def match(self, request):
        for method, regex, fixed, operation in sorted(self.routes, key=lambda r: -len(r[2])):
            found = regex.match(request["path"])
            query = dict(request["query"])
            if found and method == request["method"] and \
                    all(query.get(k) == v for k, v in fixed.items()):
                return operation, found.groupdict(), {k: v for k, v in query.items() if k not in fixed}
        return None

    def check_rest(self, request):
        operation, labels, query = self.match(request)
        where = operation["name"]
        shape = self.shapes[operation["input"]["shape"]] if "input" in operation else {"members": {}}
        known, outside = set(), []
        for name, member in shape["members"].items():
            at, place, inner = member.get("location"), member.get("locationName", name), member["shape"]
            if not at:
                continue
            outside.append(name)
            value = {"uri": lambda: urllib.parse.unquote(labels[place]),    # pylint: disable=W0640
                     "querystring": lambda: query.get(place),               # pylint: disable=W0640
                     "header": lambda: request["headers"].get(place.lower()),    # pylint: disable=W0640
                     }.get(at, lambda: None)()
            known |= {place} if at == "querystring" else set()
            if value is None and name in shape.get("required", []):
                raise Wrong(f"{where} lacks {name} ({at} {place})")
            if value is not None:
                self.text(self.shapes[inner], value, f"{where}.{name}")
        if set(query) - known:
            raise Wrong(f"{where} knows no query of {sorted(set(query) - known)}")
        self.check_body(operation, shape, request, outside)
        return operation["name"]

    def check_body(self, operation, shape, request, outside):
        where, body, payload = operation["name"], request["body"], shape.get("payload")
        inside = [n for n in shape["members"] if n not in outside]
        if not inside:
            if body is not None:
                raise Wrong(f"{where} has no body")
            return
        member = shape["members"][payload] if payload else None
        if member and self.shapes[member["shape"]]["type"] in ("blob", "string"):
            return
        if body is None:
            if set(shape.get("required", [])) & set(inside):
                raise Wrong(f"{where} lacks its body")
            return
        name = member["shape"] if member else operation["input"]["shape"]
        skip = () if member else outside
        if self.meta["protocol"] == "rest-json":
            self.json(name, body, where, skip)
            return
        wanted = member or operation["input"]
        root = ET.fromstring(body["xml"])
        space = wanted.get("xmlNamespace", {}).get("uri", "")
        if root.tag != f"{{{space}}}{wanted['locationName']}":
            raise Wrong(f"{where}: the root is {root.tag}, not {wanted['locationName']} of {space}")
        for e in root.iter():
            if not e.tag.startswith(f"{{{space}}}"):
                raise Wrong(f"{where}: {e.tag} is not of {space}")
            e.tag = e.tag.rpartition("}")[2]
        self.xml(name, root, where, skip)

    def check_target(self, request):
        name = request["headers"]["x-amz-target"].split(".")[1]
        if name not in self.model["operations"]:
            raise Wrong(f"{self.name} has no {name}")
        kind = request["headers"].get("content-type")
        versions = {f"application/x-amz-json-{v}" for v in ("1.0", "1.1")}
        if kind not in versions or (self.meta["protocol"] == "json" and
                                    kind != f"application/x-amz-json-{self.meta['jsonVersion']}"):
            raise Wrong(f"{name}: Content-Type {kind}")
        self.json(self.model["operations"][name]["input"]["shape"], request["body"], name)
        return name

    def check_form(self, request):
        fields = dict(request["body"])
        name, version = fields.pop("Action"), fields.pop("Version")
        operation = self.model["operations"].get(name)
        if not operation or version != self.meta["apiVersion"]:
            raise Wrong(f"{self.name} has no {name} in {version}")
        if "input" in operation:
            self.form(operation["input"]["shape"], fields, name)
        elif fields:
            raise Wrong(f"{name} takes nothing: {fields}")
        return name


def check(services, request):
    headers = request["headers"]
    signed = re.search(r"Credential=([^,]+)/aws4_request, SignedHeaders=([^,]+),", headers.get("authorization", ""))
    if not signed and (request["body"] or {}).get("Action") != "AssumeRoleWithWebIdentity":
        raise Wrong("it is not signed")
    name = signed[1].split("/")[-1] if signed else "sts"
    service = services[name]
    for header in ("host", "x-amz-date", *(h for h in headers if h in ("x-amz-target", "if-match", "content-type"))):
        if signed and header not in signed[2].split(";"):
            raise Wrong(f"{header} is not signed")
    if service.rest:
        return service.check_rest(request) if service.match(request) else "?"
    return service.check_target(request) if headers.get("x-amz-target") else service.check_form(request)


def main():
    services = {}
    for name in SERVICES:
        signing, _, folder = name.partition(":")
        services[signing] = Service(sys.argv[1], folder or name)
    with open(sys.argv[2], encoding="utf-8") as f:
        requests = json.load(f)
    seen, bad = {}, 0
    for request in requests:
        if request["path"].startswith("/code/"):
            continue    # S3, by an address that Lambda gives
        try:
            name = check(services, request)
            if name == "?":
                raise Wrong("no model has such an operation")
            seen[name] = seen.get(name, 0) + 1
        except Wrong as wrong:
            bad = 1
            print(f"{request['method']} {request['path']}: {wrong}")
    print(*sorted(seen))
    missing = set(sys.argv[3:]) - set(seen)
    if missing:
        bad = 1
        print(f"never seen: {sorted(missing)}")
    return bad


sys.exit(main())
