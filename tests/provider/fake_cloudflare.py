#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Cloudflare's API v4, as far as Workers need it: scripts, versions, deployments, KV, secrets,
domains, routes, metrics and tails. Token: cf-token; account: acc; zones: example.com, example.org."""
import base64
import hashlib
import json
import re
import struct
import threading
import time
import uuid

from fake import Answer, Fake, Instead, Refused, main, route

TOKEN, ACCOUNT, SUBDOMAIN = "cf-token", "acc", "acme"
A = "/client/v4/accounts/{account}"
S = A + "/workers/scripts/{script}"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
MODULE_TYPES = {"application/javascript+module", "application/javascript", "application/wasm",
                "application/octet-stream", "text/plain", "application/source-map"}
BINDINGS = {  # type: fields besides name and type
    "plain_text": {"text": str}, "json": {"json": object}, "secret_text": {"text": str},
    "kv_namespace": {"namespace_id": str}, "version_metadata": {}, "inherit": {},
}


def now():
    t = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(t)) + f".{int(t * 1e6) % 1000000:06d}Z"


def ok(result=None, info=None, status=200):
    envelope = {"success": True, "errors": [], "messages": [], "result": result}
    if info is not None:
        envelope["result_info"] = info
    return Answer(status, json=envelope)


def no(status, code, message):
    return Answer(status, json={"success": False, "errors": [{"code": code, "message": message}],
                                "messages": [], "result": None})


class Script:
    def __init__(self, name):
        self.name, self.versions, self.deployments = name, [], []
        self.subdomain = {"enabled": False, "previews_enabled": False}
        self.settings, self.routes = {}, []

    def version(self, id):
        return next((v for v in self.versions if v["id"] == id), None)

    def active(self):
        return self.deployments[0]["versions"] if self.deployments else []


class Cloudflare(Fake):
    __doc__ = __doc__
    edge_names = (f"*.{SUBDOMAIN}.workers.dev", "example.com", "*.example.com", "example.org")

    def __init__(self, options):
        super().__init__(options)
        self.scripts, self.namespaces, self.domains, self.tails = {}, {}, {}, {}
        self.zones = {"example.com": "zone1", "example.org": "zone2"}
        self.zone_routes = {"zone1": [], "zone2": []}
        self.rows, self.purged, self.broken, self.records = [], [], set(), []
        self.max_deployable, self.has_subdomain, self.token_status = 10, True, "active"
        self.others, self.max_scripts = 0, 100  # accounts, and Workers of ours
        self.sampled, self.tails_ever, self.quicker = True, 0, None

    # --- common ---
    def failure(self, status, text):
        return no(status, 10000 + status, text)

    def authenticate(self, req):
        wanted = f"Bearer {TOKEN}"
        if req.path.startswith("/_tail/"):
            return None
        if req.headers.get("x-auth-key") == "cf-key" and \
                req.headers.get("x-auth-email") == "me@example.com":
            return None
        if req.headers.get("authorization") != wanted:
            return no(403, 9109, "Invalid access token")
        if f"/accounts/{ACCOUNT}" not in req.path and "/accounts/" in req.path:
            return no(403, 10000, "Authentication error")
        return None

    def state(self):
        return {
            "scripts": {n: {"versions": [{k: v[k] for k in ("id", "number", "annotations",
                                                            "bindings", "modules", "metadata")}
                                         for v in s.versions],
                            "deployments": s.deployments, "subdomain": s.subdomain}
                        for n, s in self.scripts.items()},
            "namespaces": {i: {"title": n["title"],
                               "keys": {k: v["value"].decode("latin1")
                                        for k, v in n["keys"].items()}}
                           for i, n in self.namespaces.items()},
            "domains": self.domains, "routes": self.zone_routes, "tails": list(self.tails), "purged": self.purged,
        }

    def script(self, name, code=10007):
        script = self.scripts.get(name)
        if not script:
            raise Instead(no(404, code, "This Worker does not exist on your account."))
        return script

    # --- account ---
    @route("GET", "/client/v4/user/tokens/verify")
    def verify(self, req):
        return ok({"id": "tok1", "status": self.token_status, "expires_on": "2030-01-01T00:00:00Z"})

    @route("GET", "/client/v4/accounts", query=["per_page", "page"])
    def accounts(self, req):
        per = int(req.query.get("per_page", 20))
        all = [{"id": f"other{i}", "name": f"Other {i}"} for i in range(self.others)] + \
            [{"id": ACCOUNT, "name": "Acme"}]
        return ok(all[:per], {"page": 1, "per_page": per, "count": len(all[:per]),
                              "total_count": len(all)})

    @route("GET", A)
    def account(self, req, account):
        return ok({"id": ACCOUNT, "name": "Acme"})

    @route("GET", "/client/v4/memberships", query=["page", "per_page", "status"])
    def memberships(self, req):
        return ok([{"id": "m1", "account": {"id": ACCOUNT, "name": "Acme"}}])

    @route("GET", A + "/tokens/verify")
    def verify_account(self, req, account):
        return self.verify(req)

    @route("GET", A + "/workers/subdomain")
    def account_subdomain(self, req, account):
        if not self.has_subdomain:
            return no(404, 10007, "workers.api.error.subdomain_not_found")
        return ok({"subdomain": SUBDOMAIN})

    # --- scripts ---
    @route("GET", A + "/workers/services/{script}")
    def service(self, req, account, script):
        s = self.script(script, 10090)
        return ok({"id": script, "default_environment": {
            "environment": "production", "script": {"tag": "t1", "tags": [],
                                                    "last_deployed_from": "api"}}})

    @route("DELETE", A + "/workers/services/{script}", query=["force"])
    def delete(self, req, account, script):
        self.script(script, 10090)
        del self.scripts[script]
        self.domains = {k: d for k, d in self.domains.items() if d["service"] != script}
        return ok(None)

    @route("GET", S + "/settings")
    def settings(self, req, account, script):
        s = self.script(script)
        bindings = s.versions[-1]["bindings"] if s.versions else []
        return ok({"bindings": [{k: v for k, v in b.items()
                                 if b["type"] != "secret_text" or k != "text"} for b in bindings],
                   "compatibility_date": "2026-01-01"})

    @route("PATCH", S + "/script-settings", body="json")
    def script_settings(self, req, account, script):
        self.script(script).settings.update(req.json())
        return ok(self.scripts[script].settings)

    @route("GET", S + "/secrets")
    def secrets(self, req, account, script):
        s = self.script(script)
        bindings = s.versions[-1]["bindings"] if s.versions else []
        return ok([{"name": b["name"], "type": "secret_text"} for b in bindings
                   if b["type"] == "secret_text"])

    @route("PUT", S + "/secrets", body="json")
    def put_secret(self, req, account, script):
        """Deploys at once: no client of ours may use it."""
        s, secret = self.script(script), req.json()
        if s.active() and s.active()[0]["version_id"] != s.versions[-1]["id"]:
            return no(400, 10215, "Secret edit failed. The latest version is not deployed.")
        self.with_secrets(s, {secret["name"]: secret})
        s.deployments.insert(0, self.deployment([(s.versions[-1]["id"], 100)], {}))
        return ok({"name": secret["name"], "type": "secret_text"})

    # --- versions ---
    def upload(self, req, script):
        parts = req.parts()
        first = parts[0]
        if first.name != "metadata" or first.filename is not None or first.type is not None:
            raise Refused("the first part is not `metadata`, without file name and type")
        meta = json.loads(first.data)
        extra = set(meta) - {"main_module", "bindings", "compatibility_date", "annotations", "limits",
                             "compatibility_flags", "keep_bindings", "placement", "observability",
                             "assets", "containers", "tags", "logpush", "keep_assets", "cache_options"}
        if extra:
            raise Refused(f"unknown metadata: {extra}")
        for p in parts[1:]:
            if p.name != p.filename:
                raise Refused(f"part {p.name} has the file name {p.filename}")
            if p.type not in MODULE_TYPES:
                raise Refused(f"part {p.name} has the type {p.type}")
        names = [p.name for p in parts[1:]]
        if len(set(names)) != len(names) or parts[1].name != meta.get("main_module"):
            raise Refused("the main module is not the second part, or a part is there twice")
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", meta.get("compatibility_date", "")):
            raise Refused("no compatibility_date")
        annotations = meta.get("annotations", {})
        if set(annotations) - {"workers/message", "workers/tag", "workers/alias",
                               "workers/triggered_by"}:
            raise Refused(f"unknown annotations: {annotations}")
        if len(annotations.get("workers/tag", "")) > 100:
            raise Refused("workers/tag is longer than 100 bytes")
        if not script and any(b["type"] == "inherit" for b in meta.get("bindings", [])):
            return no(400, 10057, "workers.api.error.inherited_binding_not_found")
        bindings = self.bindings(meta, script)
        if isinstance(bindings, Answer):
            return bindings
        wasm = next((p for p in parts if p.type == "application/wasm"), None)
        if wasm and not wasm.data.startswith(b"\0asm\1\0\0\0"):
            return no(400, 10021, f"Uncaught CompileError: {wasm.name} is no module")
        return meta, bindings, parts[1:]

    def bindings(self, meta, script):
        before = {b["name"]: b for b in script.versions[-1]["bindings"]} \
            if script and script.versions else {}
        found = {}
        for b in meta.get("bindings", []):
            fields = BINDINGS.get(b.get("type"))
            if fields is None or set(b) != {"name", "type"} | set(fields):
                raise Refused(f"a binding that is none: {b}")
            if b["name"] in found:
                raise Refused(f"a binding twice: {b['name']}")
            if b["type"] == "kv_namespace" and b["namespace_id"] not in self.namespaces:
                return no(400, 10041, f"KV namespace {b['namespace_id']} not found.")
            if b["type"] == "inherit" and b["name"] not in before:
                return no(400, 10057, f"nothing to inherit for '{b['name']}'")
            found[b["name"]] = before[b["name"]] if b["type"] == "inherit" else b
        for b in before.values():
            if b["type"] in meta.get("keep_bindings", []):
                found.setdefault(b["name"], b)
        return list(found.values())

    def add_version(self, s, meta, bindings, modules):
        version = {
            "id": str(uuid.uuid4()), "number": s.versions[-1]["number"] + 1 if s.versions else 1,
            "annotations": {**meta.get("annotations", {}), "workers/triggered_by": "upload"},
            "bindings": bindings, "modules": modules,
            "metadata": {"created_on": now(), "modified_on": now(), "source": "api",
                         "author_email": "me@example.com", "author_id": "u1",
                         "has_preview": s.subdomain["previews_enabled"]},
        }
        s.versions.append(version)
        return version

    def show(self, v):
        return {"id": v["id"], "number": v["number"], "metadata": v["metadata"],
                "annotations": v["annotations"], "startup_time_ms": 3,
                "resources": {"script": {"etag": "e", "handlers": ["fetch"]},
                              "script_runtime": {"usage_model": "standard"}, "bindings": []}}

    def modules(self, parts):
        return {p.name: hashlib.sha256(p.data).hexdigest() for p in parts}

    @route("PUT", S, query=["excludeScript"], needs={"bindings_inherit": "strict"}, body="multipart")
    def put_script(self, req, account, script):
        s = self.scripts.get(script)
        got = self.upload(req, s)
        if isinstance(got, Answer):
            return got
        if not s and len(self.scripts) >= self.max_scripts:
            return no(400, 10037, f"You have exceeded the limit of {self.max_scripts} Workers on your account.")
        s = self.scripts.setdefault(script, Script(script))
        v = self.add_version(s, got[0], got[1], self.modules(got[2]))
        s.deployments.insert(0, self.deployment([(v["id"], 100)], {}))
        return ok({"id": script, "etag": "e", "deployment_id": v["id"].replace("-", ""),
                   "startup_time_ms": 3, "has_modules": True})

    @route("POST", S + "/versions", needs={"bindings_inherit": "strict"}, body="multipart")
    def post_version(self, req, account, script):
        s = self.script(script)
        got = self.upload(req, s)
        if isinstance(got, Answer):
            return got
        return ok(self.show(self.add_version(s, got[0], got[1], self.modules(got[2]))))

    @route("GET", S + "/versions", query=["deployable", "page", "per_page"])
    def versions(self, req, account, script):
        s = self.script(script)
        items = [self.show(v) for v in reversed(s.versions)]
        if req.query.get("deployable") == "true":
            return ok({"items": items[:self.max_deployable]})
        page, per = int(req.query.get("page", 1)), int(req.query.get("per_page", 10))
        if not 1 <= per <= 100:
            return no(400, 10021, "per_page must be between 1 and 100")
        some = items[per * (page - 1):per * page]
        return ok({"items": some}, {"page": page, "per_page": per, "count": len(some),
                                    "total_count": len(items)})

    @route("DELETE", A + "/workers/workers/{script}/versions/{version}")
    def delete_version(self, req, account, script, version):
        s = self.script(script)
        v = s.version(version)
        if not v:
            return no(404, 10051, "Version not found")
        if any(a["version_id"] == version for a in s.active()):
            return no(400, 10215, "The version is part of the active deployment")
        s.versions.remove(v)
        return ok(None)

    @route("GET", S + "/versions/{version}")
    def version(self, req, account, script, version):
        v = self.script(script).version(version)
        return ok(self.show(v)) if v else no(404, 10051, "Version not found")

    def with_secrets(self, s, changes):
        last = s.versions[-1]
        bindings = {b["name"]: b for b in last["bindings"]}
        for name, b in changes.items():
            if b is None:
                bindings.pop(name, None)
            else:
                bindings[name] = {"name": name, **{k: v for k, v in b.items() if k != "name"}}
        return self.add_version(s, {}, list(bindings.values()), last["modules"])

    @route("PATCH", A + "/workers/workers/{script}/versions/latest", body="raw",
           type="application/merge-patch+json")
    def patch_latest(self, req, account, script):
        s, patch = self.script(script), req.json()
        if set(patch) - {"env", "annotations"}:
            raise Refused(f"cannot be patched: {set(patch)}")
        for name, b in patch["env"].items():
            if b is not None and (b.get("type") not in BINDINGS or
                                  set(b) != {"type"} | set(BINDINGS[b["type"]])):
                raise Refused(f"a binding that is none: {b}")
        v = self.with_secrets(s, patch["env"])
        v["annotations"].update(patch.get("annotations", {}))
        return ok(self.show(v))

    # --- deployments ---
    def deployment(self, arms, annotations):
        return {"id": str(uuid.uuid4()), "source": "api", "strategy": "percentage",
                "author_email": "me@example.com", "created_on": now(), "annotations": annotations,
                "versions": [{"version_id": v, "percentage": p} for v, p in arms]}

    @route("GET", S + "/deployments")
    def deployments(self, req, account, script):
        answer = ok({"deployments": self.script(script).deployments})
        if self.quicker == script:
            self.quicker = None
            self.drift_deploy(script)
        return answer

    @route("POST", S + "/deployments", query=["force"], body="json")
    def post_deployment(self, req, account, script):
        s, d = self.script(script), req.json()
        if set(d) - {"strategy", "versions", "annotations"} or d.get("strategy") != "percentage":
            raise Refused(f"no deployment: {d}")
        arms = d["versions"]
        if not 1 <= len(arms) <= 2 or abs(sum(a["percentage"] for a in arms) - 100) > 0.001:
            return no(400, 10006, "percentages must add up to 100, over at most 2 versions")
        for a in arms:
            if set(a) != {"version_id", "percentage"} or not UUID.match(a["version_id"]):
                raise Refused(f"no version and percentage: {a}")
            if not s.version(a["version_id"]):
                return no(404, 10051, f"Version {a['version_id']} not found")
        new = s.version(arms[-1]["version_id"])
        if new.get("secrets_changed") and req.query.get("force") != "true":
            return no(400, 10220, "secrets have changed since that version")
        s.deployments.insert(0, self.deployment([(a["version_id"], a["percentage"]) for a in arms],
                                                d.get("annotations", {})))
        return ok(s.deployments[0])

    # --- where it is reached ---
    @route("GET", S + "/subdomain")
    def subdomain(self, req, account, script):
        return ok(self.script(script).subdomain)

    @route("POST", S + "/subdomain", body="json")
    def post_subdomain(self, req, account, script):
        if req.headers.get("cloudflare-workers-script-api-date") != "2025-08-01":
            raise Refused("no Cloudflare-Workers-Script-Api-Date: 2025-08-01")
        s, wish = self.script(script), req.json()
        if set(wish) != {"enabled", "previews_enabled"}:
            raise Refused(f"no subdomain setting: {wish}")
        if not self.has_subdomain:
            return no(404, 10007, "workers.api.error.subdomain_not_found")
        s.subdomain = wish
        return ok(wish)

    @route("GET", "/client/v4/zones", query=["name", "account.id", "per_page"])
    def zones_(self, req):
        found = self.zones.get(req.query["name"])
        return ok([{"id": found, "name": req.query["name"]}] if found else [])

    @route("GET", "/client/v4/zones/{zone}/workers/routes")
    def routes_(self, req, zone):
        return ok(self.known_zone(zone))

    def known_zone(self, zone):
        if zone not in self.zone_routes:
            raise Instead(no(404, 7003, "Could not route to the zone"))
        return self.zone_routes[zone]

    def check_route(self, req, zone):
        r = req.json()
        name = next(n for n, z in self.zones.items() if z == zone)
        if set(r) != {"pattern", "script"}:
            raise Refused(f"no route: {r}")
        if not re.match(r"(\*\.?)?([^*/]+\.)?" + re.escape(name) + r"/[^*?]*\*?$", r["pattern"]):
            raise Refused(f"a pattern that is none of {name}: {r['pattern']}")
        self.script(r["script"])
        return r

    @route("POST", "/client/v4/zones/{zone}/workers/routes", body="json")
    def post_route(self, req, zone):
        routes, r = self.known_zone(zone), self.check_route(req, zone)
        if any(x["pattern"] == r["pattern"] for x in routes):
            return no(409, 10020, "A route with the same pattern already exists.")
        routes.append({"id": uuid.uuid4().hex, **r})
        return ok(routes[-1])

    def one_route(self, zone, id):
        found = next((r for r in self.known_zone(zone) if r["id"] == id), None)
        if not found:
            raise Instead(no(404, 10007, "workers.api.error.route_not_found"))
        return found

    @route("PUT", "/client/v4/zones/{zone}/workers/routes/{id}", body="json")
    def put_route(self, req, zone, id):
        self.one_route(zone, id).update(self.check_route(req, zone))
        return ok(self.one_route(zone, id))

    @route("DELETE", "/client/v4/zones/{zone}/workers/routes/{id}")
    def delete_route(self, req, zone, id):
        self.zone_routes[zone].remove(self.one_route(zone, id))
        return ok({"id": id})

    @route("GET", A + "/workers/domains", query=["hostname", "service", "zone_id"])
    def domains_(self, req, account):
        return ok([d for d in self.domains.values()
                   if all(d[k] == v for k, v in req.query.items())])

    @route("PUT", A + "/workers/domains", body="json")
    def put_domain(self, req, account):
        d = req.json()
        if set(d) != {"hostname", "service", "zone_id"}:
            raise Refused(f"no domain: {d}")
        if d["zone_id"] not in self.zones.values():
            return no(404, 7003, "no such zone")
        self.script(d["service"])
        if d["hostname"] in self.records:
            return no(409, 100117, "Hostname already has externally managed DNS records")
        d["id"] = "dom-" + d["hostname"]
        self.domains[d["id"]] = d
        return ok(d)

    @route("DELETE", A + "/workers/domains/{domain}")
    def delete_domain(self, req, account, domain):
        if not self.domains.pop(domain, None):
            return no(404, 100114, "no such domain")
        return Answer(200, body=b"")

    @route("POST", "/client/v4/zones/{zone}/purge_cache", body="json")
    def purge(self, req, zone):
        what = req.json()
        if set(what) not in ({"purge_everything"}, {"tags"}):
            raise Refused(f"purge what? {what}")
        self.purged.append([zone, what])
        return ok({"id": zone})

    # --- KV ---
    N = A + "/storage/kv/namespaces"

    def namespace(self, id):
        if id not in self.namespaces:
            raise Instead(no(404, 10013, "namespace not found"))
        return self.namespaces[id]

    @route("GET", N, query=["per_page", "page", "order", "direction"])
    def list_namespaces(self, req, account):
        per, page = int(req.query.get("per_page", 20)), int(req.query.get("page", 1))
        everything = [{"id": i, "title": n["title"], "supports_url_encoding": True}
                      for i, n in sorted(self.namespaces.items(), key=lambda x: x[1]["title"])]
        some = everything[per * (page - 1):per * page]
        return ok(some, {"page": page, "per_page": per, "count": len(some),
                         "total_count": len(everything)})

    @route("POST", N, body="json")
    def make_namespace(self, req, account):
        title = req.json()["title"]
        if any(n["title"] == title for n in self.namespaces.values()):
            return no(400, 10014, "a namespace with this account ID and title already exists")
        id = hashlib.md5(title.encode()).hexdigest()
        self.namespaces[id] = {"title": title, "keys": {}}
        return ok({"id": id, "title": title, "supports_url_encoding": True})

    @route("DELETE", N + "/{ns}")
    def delete_namespace(self, req, account, ns):
        self.namespace(ns)
        del self.namespaces[ns]
        return ok(None)

    @route("GET", N + "/{ns}/keys", query=["prefix", "limit", "cursor"])
    def keys(self, req, account, ns):
        names = sorted(k for k in self.namespace(ns)["keys"]
                       if k.startswith(req.query.get("prefix", "")))
        limit, at = int(req.query.get("limit", 1000)), int(req.query.get("cursor") or 0)
        if not 10 <= limit <= 1000:
            return no(400, 10029, "limit must be between 10 and 1000")
        some = names[at:at + limit]
        stored = self.namespace(ns)["keys"]
        result = [{"name": k, **({"metadata": stored[k]["metadata"]} if stored[k]["metadata"] else {}),
                   **({"expiration": stored[k]["expiration"]} if stored[k]["expiration"] else {})}
                  for k in some]
        more = str(at + limit) if at + limit < len(names) else ""
        return ok(result, {"count": len(some), "cursor": more})

    def store(self, ns, key, value, metadata=None, ttl=None, expiration=None):
        if not 1 <= len(key.encode()) <= 512 or len(value) > 25 << 20:
            raise Instead(no(400, 10033, "key or value is too long"))
        if ttl is not None and ttl < 60:
            raise Instead(no(400, 10033, "expiration_ttl must be at least 60"))
        if expiration is not None and expiration < time.time() + 60:
            raise Instead(no(400, 10033, "expiration must be at least 60 seconds from now"))
        self.namespace(ns)["keys"][key] = {"value": value, "metadata": metadata, "expiration":
                                           int(time.time()) + ttl if ttl else expiration}

    @route("PUT", N + "/{ns}/values/{key}", query=["expiration_ttl"], body="raw")
    def put_value(self, req, account, ns, key):
        self.store(ns, key, req.body, ttl=int(req.query["expiration_ttl"])
                   if "expiration_ttl" in req.query else None)
        return ok(None)

    @route("GET", N + "/{ns}/values/{key}")
    def get_value(self, req, account, ns, key):
        found = self.namespace(ns)["keys"].get(key)
        return Answer(200, body=found["value"], type="application/octet-stream") if found \
            else no(404, 10009, "get: 'key not found'")

    @route("GET", N + "/{ns}/metadata/{key}")
    def get_metadata(self, req, account, ns, key):
        found = self.namespace(ns)["keys"].get(key)
        return ok(found["metadata"]) if found else no(404, 10009, "get: 'key not found'")

    @route("DELETE", N + "/{ns}/values/{key}")
    def delete_value(self, req, account, ns, key):
        self.namespace(ns)["keys"].pop(key, None)
        return ok(None)

    @route("PUT", N + "/{ns}/bulk", body="json")
    def bulk_put(self, req, account, ns):
        pairs = req.json()
        if not isinstance(pairs, list) or len(pairs) > 10000:
            return no(400, 10028, "at most 10000 pairs")
        for p in pairs:
            if set(p) - {"key", "value", "base64", "expiration_ttl", "expiration", "metadata"}:
                raise Refused(f"no pair: {p}")
            value = base64.b64decode(p["value"], validate=True) if p.get("base64") \
                else p["value"].encode()
            self.store(ns, p["key"], value, p.get("metadata"), p.get("expiration_ttl"),
                       p.get("expiration"))
        return ok({"successful_key_count": len(pairs), "unsuccessful_keys": []})

    @route("POST", N + "/{ns}/bulk/delete", body="json")
    def bulk_delete(self, req, account, ns):
        for key in req.json():
            self.namespace(ns)["keys"].pop(key, None)
        return ok({"successful_key_count": len(req.json()), "unsuccessful_keys": []})

    @route("POST", N + "/{ns}/bulk/get", body="json")
    def bulk_get(self, req, account, ns):
        b = req.json()
        if set(b) - {"keys", "type", "withMetadata"} or b["type"] != "text" or not b["withMetadata"]:
            raise Refused(f"get what? {b}")
        if not 1 <= len(b["keys"]) <= 100:
            return no(400, 10029, "between 1 and 100 keys")
        stored = self.namespace(ns)["keys"]
        found = {k: stored.get(k) for k in b["keys"]}
        if sum(len(v["value"]) for v in found.values() if v) > 25 << 20:
            return no(413, 10047, "the response is larger than 25 MB")
        return ok({"values": {k: v and {"value": v["value"].decode("utf8", "replace"),
                                        "metadata": v["metadata"],
                                        **({"expiration": v["expiration"]} if v["expiration"] else {})}
                              for k, v in found.items()}})

    @route("DELETE", N + "/{ns}/bulk", body="json")
    def bulk_delete_again(self, req, account, ns):
        """As wrangler has it; the API's description has the one above."""
        return self.bulk_delete(req, account, ns)

    # --- metrics ---
    @route("POST", "/client/v4/graphql", body="json")
    def graphql(self, req):
        q = req.json()
        if set(q) != {"query", "variables"} or "workersInvocationsAdaptive" not in q["query"]:
            raise Refused("no such query")
        v = q["variables"]
        if v.get("a") != ACCOUNT:
            return Answer(json={"data": None, "errors": [{"message": "not authorized for that account",
                                                          "path": None}]})
        if not self.sampled and "sampleInterval" in q["query"]:
            return Answer(json={"data": None, "errors": [
                {"message": "unknown field \"sampleInterval\"", "path": None}]})
        rows = [{k: x for k, x in r.items() if k != "avg" or self.sampled} for r in self.rows
                if v["from"] <= r["dimensions"]["datetimeMinute"] <= v["until"]]
        quantiles = [{"dimensions": {"scriptVersion": i},
                      "quantiles": {"wallTimeP50": 1200.5, "wallTimeP99": 90000}}
                     for i in {r["dimensions"]["scriptVersion"] for r in rows}]
        return Answer(json={"data": {"viewer": {"accounts": [
            {"byStatus": rows, "byVersion": quantiles}]}}, "errors": None})

    # --- tail ---
    @route("POST", S + "/tails", body="raw")
    def make_tail(self, req, account, script):
        """wrangler calls its JSON plain text."""
        if req.type() not in ("application/json", "text/plain"):
            raise Refused(f"Content-Type is '{req.type()}'")
        self.script(script)
        id = uuid.uuid4().hex
        self.tails[id] = {"filters": req.json().get("filters", []), "events": [],
                          "more": threading.Condition(self.lock)}
        return ok({"id": id, "url": f"ws://127.0.0.1:{self.port}/_tail/{id}",
                   "expires_at": "2030-01-01T00:00:00Z"})

    @route("DELETE", S + "/tails/{tail}")
    def delete_tail(self, req, account, script, tail):
        return ok(None) if self.tails.pop(tail, None) else no(404, 10019, "no such tail")

    @route("GET", "/_tail/{tail}")
    def tail(self, req, tail):
        if req.headers.get("sec-websocket-protocol") != "trace-v1":
            raise Refused("the WebSocket's protocol is not trace-v1")
        if "authorization" in req.headers:
            raise Refused("credentials for the tail's host")
        answer = Answer(101)
        key = req.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        answer.headers = {"Upgrade": "websocket", "Connection": "Upgrade",
                          "Sec-WebSocket-Protocol": "trace-v1",
                          "Sec-WebSocket-Accept":
                              base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()}
        state = self.tails[tail]
        answer.stream = lambda handler: self.run_tail(handler, answer, state)
        return answer

    def run_tail(self, handler, answer, state):
        handler.close_connection = True
        handler.wfile.write(handler.head(answer, None))
        head = handler.rfile.read(2)
        # wrangler does not mask, as RFC 6455 wants it of clients.
        masked, ours = head[1] & 0x80, "edgectl" in handler.headers.get("user-agent", "")
        if head[0] != 0x81 or (ours and not masked):
            self.violations.append("the first frame is no masked text")
            return
        mask = handler.rfile.read(4) if masked else bytes(4)
        hello = bytes(b ^ mask[i % 4] for i, b in enumerate(handler.rfile.read(head[1] & 127)))
        if json.loads(hello) != {"debug": False}:
            self.violations.append(f"the first frame says {hello}")
        handler.wfile.write(b"\x89\x02hi")
        with self.lock:
            self.tails_ever += 1
        while True:
            with state["more"]:
                while not state["events"]:
                    if not state["more"].wait(30):
                        return
                event = state["events"].pop(0)
            if event == "drop":
                return
            data = json.dumps(event).encode()
            half = len(data) // 2   # in two frames: messages may be fragmented
            for opcode, piece in ((0x02, data[:half]), (0x80, data[half:])):
                n = len(piece)
                handler.wfile.write((struct.pack("!BB", opcode, n) if n < 126 else
                                     struct.pack("!BBH", opcode, 126, n)) + piece)

    # --- the edge ---
    def edge(self, req):
        host = req.host
        name = host.split(".")[0]
        domain = self.domains.get("dom-" + host)
        pinned = None
        if domain:
            name = domain["service"]
        elif not host.endswith(f".{SUBDOMAIN}.workers.dev"):
            return Answer(522, body=b"no such host\n")
        elif name not in self.scripts and re.match(r"[0-9a-f]{8}-", name):
            pinned, name = name[:8], name[9:]
        s = self.scripts.get(name)
        if not s or not s.deployments:
            return Answer(404, body=b"There is nothing here yet\n")
        if pinned:
            v = next((v for v in s.versions if v["id"].startswith(pinned)), None)
            if not v or not s.subdomain["previews_enabled"]:
                return Answer(404, body=b"no such preview\n")
        else:
            if not domain and not s.subdomain["enabled"]:
                return Answer(404, body=b"workers.dev is off\n")
            wish = re.fullmatch(re.escape(name) + r'="([0-9a-f-]{36})"',
                                req.headers.get("cloudflare-workers-version-overrides", ""))
            arms = [a["version_id"] for a in s.active()]
            v = s.version(wish[1] if wish and wish[1] in arms else
                          max(s.active(), key=lambda a: a["percentage"])["version_id"])
        status = 500 if v["id"] in self.broken else 200
        return Answer(status, body=b"hello\n", headers={"x-edgectl-version": v["id"]})

    # --- behind the client's back ---
    def drift_script(self, script):
        name = script
        s = self.scripts.setdefault(name, Script(name))
        v = self.add_version(s, {}, [{"name": "OLD", "type": "secret_text", "text": "x"}], {})
        s.deployments.insert(0, self.deployment([(v["id"], 100)], {}))
        return v["id"]

    def drift_deploy(self, script, version=None, percentage=100):
        s = self.scripts[script]
        arms = [(version or s.versions[0]["id"], percentage)]
        if percentage < 100:
            arms.append((s.versions[-1]["id"], 100 - percentage))
        s.deployments.insert(0, self.deployment(arms, {}))
        return s.deployments[0]["id"]

    def drift_secrets_changed(self, script):
        for v in self.scripts[script].versions:
            v["secrets_changed"] = True
        return {}

    def drift_previews(self, script, on):
        self.scripts[script].subdomain["previews_enabled"] = on
        return {}

    def drift_route(self, zone, pattern, script):
        self.zone_routes[zone].append({"id": uuid.uuid4().hex, "pattern": pattern, "script": script})
        return {}

    def drift_namespace(self, title):
        self.namespaces[hashlib.md5(title.encode()).hexdigest()] = {"title": title, "keys": {}}
        return {}

    def drift_namespaces(self, count):
        for i in range(count):
            self.drift_namespace(f"another-{i:04}")
        return {}

    def drift_settings(self, script, count):
        """So many versions, as changes of settings by edgectl make them."""
        s = self.scripts[script]
        for _ in range(count):
            v = self.add_version(s, {}, s.versions[-1]["bindings"], {})
            v["annotations"]["workers/message"] = "settings by edgectl"
        return {}

    def drift_tails(self):
        return {"open": len(self.tails), "ever": self.tails_ever}

    def drift_break(self, version):
        self.broken.add(version)
        return {}

    def drift_domain(self, hostname, service):
        self.domains["dom-" + hostname] = {"id": "dom-" + hostname, "hostname": hostname,
                                           "service": service, "environment": "production",
                                           "zone_id": "zone1"}
        return {}

    def drift_rows(self, rows):
        self.rows = rows
        return {}

    def drift_event(self, event):
        for t in self.tails.values():
            t["events"].append(event)
            t["more"].notify_all()
        return {}

    def drift_between(self, script):
        """The next deployment that is asked for comes second: somebody was quicker."""
        self.quicker = script
        return {}

    def drift_set(self, **values):
        for k, v in values.items():
            if not hasattr(self, k):
                raise KeyError(k)
            setattr(self, k, v)
        return {}


if __name__ == "__main__":
    main(Cloudflare)
