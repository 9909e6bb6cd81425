#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fastly's API, as far as Compute needs it: services, versions, packages, stores, links, sealed
secrets, staging, purge, stats and the log stream. Token: fs-token."""
import base64
import hashlib
import io
import json
import re
import tarfile
import threading
import time
import urllib.parse

from fake import Answer, Fake, Instead, Refused, main, route

TOKEN = "fs-token"
V = "/service/{service}/version/{number}"
BACKEND = {"name", "address", "port", "use_ssl", "ssl_cert_hostname", "ssl_sni_hostname", "ssl_ca_cert",
           "ssl_client_cert", "ssl_client_key", "override_host", "connect_timeout",
           "first_byte_timeout", "between_bytes_timeout"}


FROZEN = []


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(*FROZEN))


def no(status, msg, detail=""):
    return Answer(status, json={"msg": msg, "detail": detail})


def not_found(what):
    return Instead(no(404, "Record not found", f"Couldn't find {what}"))


class Version:
    def __init__(self, number, other=None):
        self.number, self.active, self.locked, self.staging = number, False, False, False
        self.comment = other.comment if other else ""
        self.domains = dict(other.domains) if other else {}
        self.backends = {k: dict(v) for k, v in other.backends.items()} if other else {}
        self.links = {k: dict(v) for k, v in other.links.items()} if other else {}
        self.package = other.package if other else None
        self.created = now()

    def show(self, service):
        return {"number": self.number, "active": self.active, "locked": self.locked,
                "staging": self.staging, "deployed": False, "comment": self.comment,
                "service_id": service, "created_at": self.created, "updated_at": self.created,
                "environments": [{"name": "staging", "service_id": service,
                                  "active_version": self.number}] if self.staging else []}


class Service:
    def __init__(self, id, name, comment, type="wasm"):
        self.id, self.name, self.comment, self.type = id, name, comment, type
        self.versions = {1: Version(1)}

    def active(self):
        return next((v for v in self.versions.values() if v.active), None)

    def show(self):
        return {"id": self.id, "name": self.name, "type": self.type, "comment": self.comment,
                "customer_id": "cus1", "version": max(self.versions),
                "versions": [v.show(self.id) for v in self.versions.values()]}


class Fastly(Fake):
    __doc__ = __doc__
    edge_names = ("*.edgecompute.app", "shop.example.com", "www.example.com")

    def __init__(self, options):
        super().__init__(options)
        self.services, self.stores, self.purged, self.logs, self.stats = {}, {}, [], {}, {}
        self.secret_key = None
        self.more_logs = threading.Condition(self.lock)
        self.ids, self.edge_log, self.broken = 0, [], set()
        self.lose = None        # "comment" or "package": the next one is answered, and lost
        self.managed = {}       # domains of no version: service ids
        self.scope = "global purge_all"
        self.terse = False      # what is found by name comes without its versions
        self.lag = False        # what is in stores is not seen at the edge yet
        self.page = 1000        # most stores in one answer
        self.writing = {}       # service -> what changes it right now

    # --- common ---
    def failure(self, status, text):
        return no(status, text)

    def limit_headers(self, seconds):
        return {"Fastly-RateLimit-Remaining": "0",
                "Fastly-RateLimit-Reset": str(int(time.time()) + seconds)}

    def authenticate(self, req):
        if "well-known" in req.path or req.headers.get("fastly-key") == TOKEN:
            return None
        return no(401, "Provided credentials are missing or invalid")

    def entered(self, req):
        """Writes to one service must not overlap; but for one pair, which is looked at again."""
        m = re.match(r"/service/([^/]+)/version/\d+(/package)?", req.path)
        if req.method == "GET" or not m:
            return
        others = self.writing.setdefault(m[1], [])
        what = f"{req.method} {m[2]}" if m.end() == len(req.path) else req.path
        if others and {*others, what} != {"PUT None", "PUT /package"} and not self.upset:
            self.violations.append(f"{req.method} {req.path} while {others} is under way")
        others.append(what)
        req.writes = others, what

    def left(self, req):
        if getattr(req, "writes", None):
            req.writes[0].remove(req.writes[1])

    def loses(self, what):
        if self.lose != what:
            return False
        self.lose = None
        return True

    def new_id(self, prefix):
        self.ids += 1
        return prefix + hashlib.md5(str(self.ids).encode()).hexdigest()[:18]

    def state(self):
        return {
            "services": {s.name: {"id": s.id, "active": s.active().number if s.active() else None,
                                  "versions": {n: {"comment": v.comment, "locked": v.locked,
                                                   "active": v.active, "staging": v.staging,
                                                   "domains": sorted(v.domains),
                                                   "backends": v.backends,
                                                   "links": {x["name"]: self.stores[x["resource_id"]]["name"]
                                                             for x in v.links.values()
                                                             if x["resource_id"] in self.stores},
                                                   "package": v.package["metadata"] if v.package
                                                   else None}
                                               for n, v in s.versions.items()}}
                         for s in self.services.values()},
            "stores": {s["name"]: {"kind": s["kind"], "id": i,
                                   "items": {k: v if isinstance(v, str) else v["value"].decode("latin1")
                                             for k, v in s["items"].items()}}
                       for i, s in self.stores.items()},
            "purged": self.purged,
        }

    def service(self, id):
        if id not in self.services:
            raise not_found(f"Service '{id}'")
        return self.services[id]

    def version(self, service, number, draft=False):
        s = self.service(service)
        v = s.versions.get(int(number))
        if not v:
            raise not_found(f"Version {number}")
        if draft and (v.locked or v.active):
            raise Instead(no(422, "Version locked", f"version {number} is locked"))
        return s, v

    # --- account ---
    @route("GET", "/realms/fastly/.well-known/openid-configuration")
    def openid(self, req):
        return Answer(json={"issuer": "fake", "authorization_endpoint": "x", "token_endpoint": "y"})

    @route("GET", "/tokens/self")
    def token(self, req):
        return Answer(json={"id": "tok", "name": "ci", "scope": self.scope, "services": [],
                            "customer_id": "cus1", "user_id": "usr1",
                            "expires_at": "2030-01-01T00:00:00Z"})

    # --- services ---
    @route("GET", "/service/search", query=["name"])
    def search(self, req):
        for s in self.services.values():
            if s.name == req.query["name"]:
                shown = s.show()
                return Answer(json={k: v for k, v in shown.items() if k != "versions" or not self.terse})
        raise not_found("Service")

    @route("POST", "/service", body="form")
    def create(self, req):
        f = req.form()
        if set(f) - {"name", "type", "comment"} or f.get("type") != "wasm":
            raise Refused(f"no Compute service: {f}")
        if any(s.name == f["name"] for s in self.services.values()):
            return no(409, "Duplicate record", "Name is already taken by another service")
        s = Service(self.new_id("SU"), f["name"], f.get("comment", ""))
        self.services[s.id] = s
        return Answer(json=s.show())

    @route("GET", "/service/{service}")
    def get_service(self, req, service):
        return Answer(json=self.service(service).show())

    @route("GET", "/service/{service}/details", query=["filter[versions.active]"])
    def details(self, req, service):
        s = self.service(service)
        shown = s.show()
        shown["active_version"] = s.active().show(s.id) if s.active() else None
        shown["version"] = s.versions[max(s.versions)].show(s.id)
        if req.query.get("filter[versions.active]") == "true":
            shown["versions"] = [v for v in shown["versions"] if v["active"]]
        return Answer(json=shown)

    @route("DELETE", "/service/{service}")
    def delete_service(self, req, service):
        if self.service(service).active() or any(v.staging
                                                 for v in self.service(service).versions.values()):
            return no(422, "Cannot delete service", "a version is active")
        del self.services[service]
        return Answer(json={"status": "ok"})

    # --- versions ---
    @route("GET", "/service/{service}/version")
    def versions(self, req, service):
        return Answer(json=self.service(service).show()["versions"])

    @route("GET", V)
    def get_version(self, req, service, number):
        return Answer(json=self.version(service, number)[1].show(service))

    @route("PUT", V, body="form")
    def put_version(self, req, service, number):
        _, v = self.version(service, number)
        if set(req.form()) != {"comment"}:
            raise Refused(f"only the comment is to be set: {req.form()}")
        kept, v.comment = v.comment, req.form()["comment"]
        answer = Answer(json=v.show(service))
        if self.loses("comment"):
            v.comment = kept if kept else None
        return answer

    @route("PUT", V + "/clone")
    def clone(self, req, service, number):
        s, v = self.version(service, number)
        new = Version(max(s.versions) + 1, v)
        s.versions[new.number] = new
        return Answer(json=new.show(service))

    def check_ready(self, s, v):
        if not v.domains:
            raise Instead(no(400, "Bad request", "Version has no associated domains"))
        if not v.package:
            raise Instead(no(400, "Bad request", "Version has no package"))

    @route("GET", V + "/validate")
    def validate(self, req, service, number):
        try:
            self.check_ready(*self.version(service, number))
        except Instead as e:
            return Answer(json={"status": "error", "msg": json.loads(e.answer.body)["detail"]})
        return Answer(json={"status": "ok", "msg": None})

    @route("PUT", V + "/activate")
    def activate(self, req, service, number):
        s, v = self.version(service, number)
        self.check_ready(s, v)
        taken = {d: o.name for o in self.services.values() if o is not s and o.active()
                 for d in o.active().domains if d in v.domains}
        if taken:
            return no(422, "Domain already taken", f"{taken}")
        for other in s.versions.values():
            other.active = other is v
        v.locked = True
        return Answer(json=v.show(service))

    @route("PUT", V + "/deactivate")
    def deactivate(self, req, service, number):
        _, v = self.version(service, number)
        v.active = False
        return Answer(json=v.show(service))

    @route("PUT", V + "/activate/staging")
    def stage(self, req, service, number):
        s, v = self.version(service, number)
        if not s.active():
            return no(400, "Bad request", "staging needs an active version")
        self.check_ready(s, v)
        # It stays a draft: what is staged can be changed and staged again.
        for other in s.versions.values():
            other.staging = other is v
        return Answer(json=v.show(service))

    @route("PUT", V + "/deactivate/staging")
    def unstage(self, req, service, number):
        _, v = self.version(service, number)
        if not v.staging:
            return no(400, "Bad request", "the version is not staged")
        v.staging = False
        return Answer(json=v.show(service))

    # --- what is in a version ---
    @route("GET", V + "/domain", query=["include"])
    def domains(self, req, service, number):
        s, v = self.version(service, number)
        staged = req.query.get("include") == "staging_ips"
        return Answer(json=[{"name": d, "comment": "", "service_id": service, "version": v.number,
                             **({"staging_ip": "127.0.0.1"} if staged else {})}
                            for d in sorted(v.domains)])

    @route("POST", V + "/domain", body="form")
    def add_domain(self, req, service, number):
        s, v = self.version(service, number, draft=True)
        f = req.form()
        if set(f) - {"name", "comment"}:
            raise Refused(f"no domain: {f}")
        if f["name"] in self.managed:
            return no(400, "Bad request", f"Domain '{f['name']}' is managed without versions")
        for other in self.services.values():
            if other is not s and any(f["name"] in x.domains for x in other.versions.values()
                                      if x.active or not x.locked):
                return no(400, "Bad request", f"Domain '{f['name']}' is already taken by another customer")
        if f["name"] in v.domains:
            return no(409, "Duplicate record", f"Duplicate domain: '{f['name']}'")
        v.domains[f["name"]] = {}
        return Answer(json={"name": f["name"]})

    @route("GET", "/domain-management/v1/domains", query=["service_id", "fqdn", "limit", "cursor"])
    def managed_domains(self, req):
        found = [{"id": f"dm-{fqdn}", "fqdn": fqdn, "service_id": id}
                 for fqdn, id in self.managed.items()
                 if req.query.get("service_id", id) == id and req.query.get("fqdn", fqdn) == fqdn]
        return Answer(json={"data": found, "meta": {"limit": 100, "total": len(found)}})

    @route("GET", V + "/backend")
    def backends(self, req, service, number):
        _, v = self.version(service, number)
        return Answer(json=[{**b, "port": int(b["port"]), "use_ssl": b["use_ssl"] == "1"}
                            for b in v.backends.values()])

    def backend_form(self, req):
        f = req.form()
        if set(f) - BACKEND or not {"name", "address", "port", "use_ssl"} <= set(f):
            raise Refused(f"no backend: {f}")
        return f

    @route("POST", V + "/backend", body="form")
    def add_backend(self, req, service, number):
        _, v = self.version(service, number, draft=True)
        f = self.backend_form(req)
        if f["name"] in v.backends:
            return no(409, "Duplicate record", "Duplicate backend")
        v.backends[f["name"]] = f
        return Answer(json=f)

    @route("PUT", V + "/backend/{name}", body="form")
    def put_backend(self, req, service, number, name):
        _, v = self.version(service, number, draft=True)
        if name not in v.backends:
            raise not_found("Backend")
        v.backends[name] = self.backend_form(req)
        return Answer(json=v.backends[name])

    @route("DELETE", V + "/backend/{name}")
    def delete_backend(self, req, service, number, name):
        _, v = self.version(service, number, draft=True)
        if not v.backends.pop(name, None):
            raise not_found("Backend")
        return Answer(json={"status": "ok"})

    @route("GET", V + "/resource")
    def links(self, req, service, number):
        return Answer(json=list(self.version(service, number)[1].links.values()))

    @route("POST", V + "/resource", body="form")
    def add_link(self, req, service, number):
        _, v = self.version(service, number, draft=True)
        f = req.form()
        if set(f) != {"name", "resource_id"}:
            raise Refused(f"no link: {f}")
        if f["resource_id"] not in self.stores:
            return no(400, "Bad request", "no such resource")
        if any(x["name"] == f["name"] for x in v.links.values()):
            return no(409, "Duplicate record", "Duplicate link")
        id = self.new_id("ln")
        v.links[id] = {"id": id, **f, "resource_type": self.stores[f["resource_id"]]["kind"],
                       "service_id": service, "version": str(number)}
        return Answer(json=v.links[id])

    @route("DELETE", V + "/resource/{link}")
    def delete_link(self, req, service, number, link):
        _, v = self.version(service, number, draft=True)
        if not v.links.pop(link, None):
            raise not_found("Resource")
        return Answer(json={"status": "ok"})

    @route("GET", V + "/package")
    def get_package(self, req, service, number):
        v = self.version(service, number)[1]
        if not v.package:
            raise not_found("Package")
        return Answer(json=v.package)

    @route("PUT", V + "/package", body="multipart", continues=True)
    def put_package(self, req, service, number):
        _, v = self.version(service, number, draft=True)
        parts = req.parts()
        if len(parts) != 1 or parts[0].name != "package" or not parts[0].filename or \
                parts[0].type != "application/octet-stream":
            raise Refused("the upload is not one part called `package`, with a file name")
        package = {"service_id": service, "version": v.number, "id": self.new_id("pk"),
                   "metadata": self.read_package(parts[0].data)}
        if not self.loses("package"):
            v.package = package
        return Answer(json=package)

    def read_package(self, data):
        bad = Instead(no(400, "Bad request", "Failed to extract metadata from package"))
        files = {}
        try:
            with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as tar:
                for m in tar:
                    if m.isfile():
                        files[m.name] = tar.extractfile(m).read()
        except (tarfile.TarError, OSError, EOFError):
            raise bad from None
        tops = {n.split("/")[0] for n in files}
        top = tops.pop() if len(tops) == 1 else ""
        toml = files.get(f"{top}/fastly.toml", b"").decode()
        wasm = files.get(f"{top}/bin/main.wasm", b"")
        name = re.search(r'^name = "(.*)"$', toml, re.M)
        if not wasm.startswith(b"\0asm") or not name or "manifest_version = 3" not in toml:
            raise bad
        digest = hashlib.sha512()
        for n in sorted(files):
            digest.update(files[n])
        return {"name": name[1], "description": "", "authors": [], "language": "other",
                "size": len(data), "hashsum": hashlib.sha512(data).hexdigest(),
                "files_hash": digest.hexdigest(), "wasm": hashlib.sha256(wasm).hexdigest()}

    # --- stores ---
    def store(self, id, kind):
        if id not in self.stores or self.stores[id]["kind"] != kind:
            raise not_found("store")
        return self.stores[id]

    def make_store(self, kind, name):
        if any(s["name"] == name and s["kind"] == kind for s in self.stores.values()):
            return no(409, "Conflict", "a store with this name exists")
        id = self.new_id(kind[:2])
        self.stores[id] = {"kind": kind, "name": name, "items": {}}
        created = "2025-06-23 19:41:15" if kind == "kv" else now()
        return Answer(201 if kind != "config" else 200,
                      json={"id": id, "name": name, "created_at": created})

    def paged(self, req, found):
        limit, at = int(req.query.get("limit", 100)), int(req.query.get("cursor", 0))
        if not 1 <= limit <= 1000:
            raise Refused(f"no limit: {limit}")
        limit = min(limit, self.page)
        more = {"next_cursor": str(at + limit)} if at + limit < len(found) else {}
        return {"data": found[at:at + limit], "meta": {"limit": limit, **more}}

    def list_stores(self, kind, req):
        found = [{"id": i, "name": s["name"]} for i, s in self.stores.items()
                 if s["kind"] == kind and req.query.get("name", s["name"]) == s["name"]]
        if kind == "config":
            return found
        return self.paged(req, found)

    def drop_store(self, kind, id):
        s = self.store(id, kind)
        if any(x["resource_id"] == id for v in self.services.values() if v.active()
               for x in v.active().links.values()):
            return no(409, "Conflict", "linked by an active version")
        del self.stores[id]
        return Answer(json={"status": "ok"}) if s["kind"] == "config" else Answer(204)

    @route("GET", "/resources/stores/kv", query=["name", "limit", "cursor"])
    def kv_list(self, req):
        return Answer(json=self.list_stores("kv", req))

    @route("POST", "/resources/stores/kv", query=["location"], body="json")
    def kv_make(self, req):
        return self.make_store("kv", req.json()["name"])

    @route("DELETE", "/resources/stores/kv/{id}")
    def kv_drop(self, req, id):
        return self.drop_store("kv", id)

    @route("GET", "/resources/stores/config", query=["name"])
    def config_list(self, req):
        return Answer(json=self.list_stores("config", req))

    @route("POST", "/resources/stores/config", body="form")
    def config_make(self, req):
        return self.make_store("config", req.form()["name"])

    @route("DELETE", "/resources/stores/config/{id}")
    def config_drop(self, req, id):
        return self.drop_store("config", id)

    @route("GET", "/resources/stores/secret", query=["name", "limit", "cursor"])
    def secret_list(self, req):
        return Answer(json=self.list_stores("secret", req))

    @route("POST", "/resources/stores/secret", body="json")
    def secret_make(self, req):
        return self.make_store("secret", req.json()["name"])

    @route("DELETE", "/resources/stores/secret/{id}")
    def secret_drop(self, req, id):
        return self.drop_store("secret", id)

    # --- KV items ---
    @route("PUT", "/resources/stores/kv/{id}/batch", body="raw", type="application/x-ndjson")
    def kv_batch(self, req, id):
        items = self.store(id, "kv")["items"]
        for line in req.body.decode().splitlines():
            e = json.loads(line)
            if set(e) - {"key", "value", "metadata", "time_to_live_sec"}:
                raise Refused(f"no entry: {e}")
            items[e["key"]] = {"value": base64.b64decode(e["value"], validate=True),
                               "metadata": e.get("metadata")}
        return Answer(json={"title": "success", "errors": []})

    @route("PUT", "/resources/stores/kv/{id}/keys/{key}", query=["add", "append"], body="raw")
    def kv_put(self, req, id, key):
        self.store(id, "kv")["items"][key] = {"value": req.body, "metadata": None}
        return Answer(200)

    @route("GET", "/resources/stores/kv/{id}/keys/{key}")
    def kv_get(self, req, id, key):
        found = self.store(id, "kv")["items"].get(key)
        if not found:
            return Answer(404)
        headers = {"generation": "7"}
        if found["metadata"]:
            headers["metadata"] = found["metadata"]
        return Answer(200, body=found["value"], type="application/octet-stream", headers=headers)

    @route("DELETE", "/resources/stores/kv/{id}/keys/{key}", query=["force"])
    def kv_delete(self, req, id, key):
        found = self.store(id, "kv")["items"].pop(key, None)
        return Answer(204) if found or req.query.get("force") == "true" else Answer(404)

    @route("GET", "/resources/stores/kv/{id}/keys", query=["prefix", "limit", "cursor", "consistency"])
    def kv_keys(self, req, id):
        names = sorted(k for k in self.store(id, "kv")["items"]
                       if k.startswith(req.query.get("prefix", "")))
        return Answer(json=self.paged(req, names))

    # --- config items ---
    def show_item(self, id, key, value):
        return {"store_id": id, "item_key": key, "item_value": value, "created_at": now()}

    @route("GET", "/resources/stores/config/{id}/items")
    def config_items(self, req, id):
        return Answer(json=[self.show_item(id, k, v)
                            for k, v in self.store(id, "config")["items"].items()])

    @route("GET", "/resources/stores/config/{id}/item/{key}")
    def config_item(self, req, id, key):
        items = self.store(id, "config")["items"]
        if key not in items:
            raise not_found("item")
        return Answer(json=self.show_item(id, key, items[key]))

    def set_item(self, id, key, value):
        if not 1 <= len(key) <= 256 or len(value) > 8000:
            raise Instead(no(400, "Bad request", "key or value is too long"))
        self.store(id, "config")["items"][key] = value

    @route("PUT", "/resources/stores/config/{id}/item/{key}", body="form")
    def config_put(self, req, id, key):
        self.set_item(id, key, req.form()["item_value"])
        return Answer(json=self.show_item(id, key, req.form()["item_value"]))

    @route("POST", "/resources/stores/config/{id}/item", body="form")
    def config_add(self, req, id):
        self.set_item(id, req.form()["item_key"], req.form()["item_value"])
        return Answer(json=self.show_item(id, req.form()["item_key"], req.form()["item_value"]))

    @route("PATCH", "/resources/stores/config/{id}/items", body="json")
    def config_batch(self, req, id):
        for i in req.json()["items"]:
            if set(i) != {"item_key", "item_value", "op"} or i["op"] != "upsert":
                raise Refused(f"no change: {i}")
            self.set_item(id, i["item_key"], i["item_value"])
        return Answer(json={"status": "ok"})

    @route("DELETE", "/resources/stores/config/{id}/item/{key}")
    def config_delete(self, req, id, key):
        if self.store(id, "config")["items"].pop(key, None) is None:
            raise not_found("item")
        return Answer(json={"status": "ok"})

    # --- secrets ---
    def sodium(self):
        """libsodium, by its C interface: Debian's own, which edgectl is linked with too."""
        import ctypes
        import ctypes.util
        lib = ctypes.CDLL(ctypes.util.find_library("sodium"))
        lib.sodium_init()
        if not self.secret_key:
            make = ctypes.create_string_buffer
            self.sign_pk, self.sign_sk, self.box_pk, self.box_sk = make(32), make(64), make(32), make(32)
            lib.crypto_sign_keypair(self.sign_pk, self.sign_sk)
            lib.crypto_box_keypair(self.box_pk, self.box_sk)
            self.secret_key = True
        return lib

    @route("POST", "/resources/stores/secret/client-key")
    def client_key(self, req):
        import ctypes
        lib = self.sodium()
        signature = ctypes.create_string_buffer(64)
        lib.crypto_sign_detached(signature, None, self.box_pk, ctypes.c_ulonglong(32), self.sign_sk)
        if getattr(self, "forged", False):
            signature = ctypes.create_string_buffer(64)
        return Answer(json={"public_key": base64.b64encode(self.box_pk.raw).decode(),
                            "signature": base64.b64encode(signature.raw).decode(),
                            "expires_at": "2030-11-27T16:04:54.798109645Z"})

    @route("GET", "/resources/stores/secret/signing-key")
    def signing_key(self, req):
        self.sodium()
        return Answer(json={"signing_key": base64.b64encode(self.sign_pk.raw).decode()})

    @route("PUT", "/resources/stores/secret/{id}/secrets", body="json")
    def put_secret(self, req, id):
        return self.write_secret(req, id)

    @route("POST", "/resources/stores/secret/{id}/secrets", body="json")
    def post_secret(self, req, id):
        if req.json()["name"] in self.store(id, "secret")["items"]:
            return no(409, "Conflict", "exists")
        return self.write_secret(req, id)

    def write_secret(self, req, id):
        import ctypes
        s = req.json()
        if set(s) != {"name", "secret", "client_key"}:
            raise Refused(f"no sealed secret: {set(s)}")
        lib, box = self.sodium(), base64.b64decode(s["secret"], validate=True)
        if base64.b64decode(s["client_key"]) != self.box_pk.raw or len(box) < 48:
            return no(400, "Bad request", "Unknown client key")
        plain = ctypes.create_string_buffer(max(1, len(box) - 48))
        if lib.crypto_box_seal_open(plain, box, ctypes.c_ulonglong(len(box)), self.box_pk,
                                    self.box_sk) != 0:
            return no(400, "Bad request", "Cannot open the secret")
        self.store(id, "secret")["items"][s["name"]] = plain.raw[:len(box) - 48].decode()
        return Answer(json={"name": s["name"], "digest": "ZGlnZXN0", "created_at": now()})

    @route("GET", "/resources/stores/secret/{id}/secrets", query=["limit", "cursor"])
    def secrets(self, req, id):
        return Answer(json=self.paged(req, [{"name": n, "digest": "ZGlnZXN0"}
                                            for n in self.store(id, "secret")["items"]]))

    @route("DELETE", "/resources/stores/secret/{id}/secrets/{name}")
    def delete_secret(self, req, id, name):
        if self.store(id, "secret")["items"].pop(name, None) is None:
            raise not_found("secret")
        return Answer(204)

    # --- purge, stats, logs ---
    @route("POST", "/service/{service}/purge_all")
    def purge_all(self, req, service):
        self.purged.append([self.service(service).name, "all"])
        return Answer(json={"status": "ok"})

    @route("POST", "/service/{service}/purge")
    def purge(self, req, service):
        keys = req.headers.get("surrogate-key", "").split()
        if not keys:
            raise Refused("no Surrogate-Key")
        soft = req.headers.get("fastly-soft-purge") == "1"
        self.purged += [[self.service(service).name, key, soft] for key in keys]
        return Answer(json={key: f"{i}-purge" for i, key in enumerate(keys)})

    @route("GET", "/stats/service/{service}", query=["from", "to", "by"])
    def get_stats(self, req, service):
        if req.query.get("by") != "minute" or int(req.query["from"]) % 60 or int(req.query["to"]) % 60:
            raise Refused("not by whole minutes")
        rows = [r for r in self.stats.get(self.service(service).name, [])
                if int(req.query["from"]) <= r["start_time"] < int(req.query["to"])]
        return Answer(json={"status": "success", "meta": {}, "msg": None, "data": rows})

    L = "/service/{service}/log_stream/managed/instance_output"

    @route("POST", L)
    def logs_on(self, req, service):
        if self.service(service).name in self.logs:
            return no(409, "Conflict", "already on")
        self.logs[self.service(service).name] = []
        return Answer(json={"status": "ok"})

    @route("GET", L, query=["from", "batch_id"])
    def logs_get(self, req, service):
        name = self.service(service).name
        answer = Answer(200, headers={"Link": f'<https://x/?from={int(time.time())}>; rel="next"'},
                        type="application/x-ndjson")
        answer.stream = lambda handler: self.stream_logs(handler, answer, name)
        return answer

    def stream_logs(self, handler, answer, name):
        """What is there, then the end: the client comes again."""
        with self.more_logs:
            if not self.logs[name]:
                self.more_logs.wait(0.5)
            lines, self.logs[name] = self.logs[name], []
        answer.body = b"".join(json.dumps(x).encode() + b"\n" for x in lines)
        handler.send(answer)

    # --- the edge: which version of which service answers for a host ---
    def edge(self, req):
        for s in self.services.values():
            for v in s.versions.values():
                on_staging = v.staging and self.staged_call(req)
                known = req.host in v.domains or self.managed.get(req.host) == s.id
                if (on_staging or (v.active and not self.staged_call(req))) and known:
                    return self.run(s, v, req)
        return Answer(500, body=b"no service for this host\n")

    def staged_call(self, req):
        return req.tunnel.startswith("127.0.0.1:")

    def run(self, s, v, req, depth=0):
        if v.package["metadata"]["name"] != "edgectl-router" or depth:
            status = 500 if f"{s.name}.{v.number}" in self.broken else 200
            self.edge_log.append(f"{s.name}.{v.number}")
            return Answer(status, body=f"{s.name}.{v.number}\n".encode())
        link = next(x for x in v.links.values() if x["name"] == "edgectl")
        found = self.stores[link["resource_id"]]["items"].get("rollout")
        share, label = int(req.query.get("share", 0)), "stable"
        if found and not self.lag:
            rollout = json.loads(found)
            label = rollout["canary"] if share < rollout["weight_bp"] else rollout["stable"]
        if label not in v.backends:
            return Answer(502, body=b"The app does not answer.\n")
        host = v.backends[label]["override_host"]
        for s2 in self.services.values():
            if s2.active() and host in s2.active().domains:
                return self.run(s2, s2.active(), req, 1)
        return Answer(503, body=b"the backend is not there\n")

    # --- behind the client's back ---
    def drift_service(self, service, domains=(), type="wasm"):
        s = Service(self.new_id("SU"), service, "", type)
        self.services[s.id] = s
        v = s.versions[1]
        v.active = v.locked = True
        v.domains = {d: {} for d in domains}
        v.backends = {"theirs": {"name": "theirs", "address": "a", "port": "443", "use_ssl": "1"}}
        v.package = {"metadata": {"name": "old", "files_hash": "x"}}
        return {"id": s.id}

    def by_name(self, name):
        return next(s for s in self.services.values() if s.name == name)

    def drift_activate(self, service, number):
        for v in self.by_name(service).versions.values():
            v.active = v.number == number
        return {}

    def drift_lock(self, service, number):
        self.by_name(service).versions[number].locked = True
        return {}

    def drift_clone(self, service, comment):
        s = self.by_name(service)
        new = Version(max(s.versions) + 1, s.active())
        new.comment = comment
        s.versions[new.number] = new
        return {}

    def drift_freeze(self):
        """All that is made from now on is made in one second."""
        FROZEN[:] = [time.time()]
        return {}

    def drift_break(self, version):
        self.broken.add(version)
        return {}

    def drift_ask(self, host, share=0):
        """Who answers there, as a visitor of that share sees it."""
        req = type("R", (), {"host": host, "tunnel": host, "query": {"share": share}})
        return {"says": self.edge(req).body.decode().strip()}

    def drift_stats(self, service, rows):
        self.stats[service] = rows
        return {}

    def drift_logs(self, service, batches):
        with self.more_logs:
            self.logs.setdefault(service, []).extend(batches)
            self.more_logs.notify_all()
        return {"on": service in self.logs}

    def drift_logging(self):
        return sorted(self.logs)

    def drift_store(self, kind, store, service=None, link=None):
        """One that somebody else made; linked by the active version of a service, if asked."""
        id = self.new_id(kind[:2])
        self.stores[id] = {"kind": kind, "name": store, "items": {}}
        if service:
            links = self.by_name(service).active().links
            links[self.new_id("ln")] = {"id": "ln1", "name": link, "resource_id": id,
                                        "resource_type": kind}
        return {"id": id}

    def drift_forget(self, store, key):
        """That key of all stores of a kind."""
        for s in self.stores.values():
            if s["kind"] == store:
                s["items"].pop(key, None)
        return {}

    def drift_set(self, **values):
        for k, v in values.items():
            setattr(self, k, v)
        return {}


if __name__ == "__main__":
    main(Fastly)
