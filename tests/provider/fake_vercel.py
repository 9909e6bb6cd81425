#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Vercel's API, as far as prebuilt deployments need it: projects, files, deployments, promotion,
rolling releases, environment variables, Edge Config, domains, observability, runtime logs. Token:
vctoken, of the team team_acme."""
import hashlib
import json
import re
import time

from fake import Answer, Fake, Instead, Refused, main, route

TOKEN, TEAM, USER = "vctoken", "team_acme", "user_me"
SLOW = 2    # reads until something is done
MODES = (0o100644, 0o100755, 0o120777)


def no(status, code, message, **more):
    return Answer(status, json={"error": {"code": code, "message": message, **more}})


def ms():
    return int(time.time() * 1000)


class Vercel(Fake):
    __doc__ = __doc__
    edge_names = ("*.vercel.app", "app.example.com")

    def __init__(self, options):
        super().__init__(options)
        self.projects, self.files, self.deployments, self.configs = {}, {}, {}, {}
        self.plan, self.slow, self.ids, self.forget = "pro", SLOW, 0, 0
        self.rows, self.log_rows, self.dimensions = [], [], ["deployment_id", "http_status"]
        self.protected, self.purged, self.narrow = None, [], False

    def next_id(self, prefix):
        self.ids += 1
        return f"{prefix}{self.ids:08d}"

    # --- common ---
    def failure(self, status, text):
        return no(status, "rate_limited" if status == 429 else "internal_server_error", text)

    def authenticate(self, req):
        if req.headers.get("authorization") != f"Bearer {TOKEN}":
            return no(403, "forbidden", "Not authorized", invalidToken=True)
        if "teamId" in req.query and req.query["teamId"] != TEAM:
            return no(403, "forbidden", "Not authorized: Trying to access resource under scope "
                      f"\"{req.query['teamId']}\".")
        return None

    def check_scope(self, req):
        if req.query.get("teamId") != TEAM:
            raise Refused("a call for the team without teamId")

    def state(self):
        return {
            "projects": {p["name"]: {k: v for k, v in p.items() if k != "env"} |
                         {"env": [{k: v for k, v in e.items() if k != "id"} for e in p["env"]]}
                         for p in self.projects.values()},
            "deployments": {i: {k: d[k] for k in ("readyState", "target", "meta", "project")} |
                            {"files": [f["file"] for f in d["files"]], "env": d["baked"]}
                            for i, d in self.deployments.items()},
            "files": len(self.files), "configs": self.configs, "purged": self.purged,
        }

    def project(self, key):
        for p in self.projects.values():
            if key in (p["id"], p["name"]):
                return p
        raise Instead(no(404, "not_found", f"Project not found: {key}"))

    def deployment(self, id):
        d = self.deployments.get(id)
        if not d:
            raise Instead(no(404, "not_found", f"The deployment {id} can not be found"))
        return d

    # --- who ---
    @route("GET", "/v2/user")
    def user(self, req):
        return Answer(json={"user": {"id": USER, "username": "me", "defaultTeamId": TEAM}})

    @route("GET", "/v2/teams/{id}")
    def team(self, req, id):
        return self.old_team(req, id)

    @route("GET", "/teams/{id}", query=["teamId"])
    def old_team(self, req, id):
        """As the CLI has it."""
        return Answer(json={"id": TEAM, "slug": "acme", "billing": {"plan": self.plan}})

    @route("GET", "/v1/teams", query=["teamId", "limit"])
    def teams(self, req):
        return Answer(json={"teams": [{"id": TEAM, "slug": "acme", "name": "Acme"}], "pagination": {}})

    # --- projects ---
    def show(self, p):
        production = self.deployments.get(p["production"])
        job = p["job"]
        if job and job["jobStatus"] != "succeeded":
            p["left"] -= 1
            if p["left"] <= 0:
                job["jobStatus"] = "succeeded"
                p["production"] = job["toDeploymentId"]
                production = self.deployments.get(p["production"])
        shown = {"id": p["id"], "name": p["name"], "accountId": TEAM,
                 "targets": {"production": {"id": production["id"], "url": production["url"]}}
                 if production else {}}
        if job:
            shown["lastAliasRequest"] = dict(job)
        return shown

    @route("GET", "/v9/projects/{id}", query=["teamId"])
    def get_project(self, req, id):
        self.check_scope(req)
        return Answer(json=self.show(self.project(id)))

    def add_project(self, name):
        id = self.next_id("prj_")
        self.projects[id] = {"id": id, "name": name, "env": [], "domains": [], "production": None,
                             "job": None, "left": 0, "rolling": None, "config": None}
        return self.projects[id]

    @route("POST", "/v11/projects", query=["teamId"], body="json")
    def create_project(self, req):
        self.check_scope(req)
        b = req.json()
        if set(b) - {"name", "framework", "skipGitConnectDuringLink"}:
            raise Refused(f"a project is {b}")
        if not re.fullmatch(r"[a-z0-9._-]{1,100}", b["name"]):
            return no(400, "invalid_name", "The name is invalid")
        if any(p["name"] == b["name"] for p in self.projects.values()):
            return no(409, "conflict", "A project with that name exists")
        return Answer(json=self.show(self.add_project(b["name"])))

    @route("DELETE", "/v9/projects/{id}", query=["teamId"])
    def delete_project(self, req, id):
        p = self.project(id)
        del self.projects[p["id"]]
        self.deployments = {i: d for i, d in self.deployments.items() if d["project"] != p["id"]}
        return Answer(204)

    @route("GET", "/v9/projects/{id}/domains", query=["teamId", "limit", "until"])
    def domains(self, req, id):
        """Newest first; each was added a ms after the one before."""
        limit, until = int(req.query.get("limit", 20)), int(req.query.get("until", 1 << 60))
        if not 1 <= limit <= 100:
            return no(400, "bad_request", "limit")
        found = [(i + 1, n) for i, n in enumerate(self.project(id)["domains"]) if i + 1 < until][::-1]
        page = found[:limit]
        return Answer(json={"domains": [{"name": n, "verified": True} for _, n in page],
                            "pagination": {"count": len(page), "prev": None, "next":
                                           page[-1][0] if len(found) > limit else None}})

    @route("GET", "/v9/projects/{id}/domains/{name}", query=["teamId"])
    def get_domain(self, req, id, name):
        if name not in self.project(id)["domains"]:
            return no(404, "not_found", "Domain not found")
        return Answer(json={"name": name, "verified": True})

    @route("POST", "/v10/projects/{id}/domains", query=["teamId"], body="json")
    def add_domain(self, req, id):
        name = req.json()["name"]
        if any(name in p["domains"] for p in self.projects.values()):
            return no(409, "domain_already_in_use", f"Cannot add {name} since it's already in use by "
                      "one of your projects.")
        self.project(id)["domains"].append(name)
        if name.startswith("new."):
            return Answer(json={"name": name, "verified": False, "verification": [
                {"type": "TXT", "domain": f"_vercel.{name}", "value": "vc-domain-verify=1",
                 "reason": "pending_domain_verification"}]})
        return Answer(json={"name": name, "verified": True})

    # --- files and deployments ---
    @route("POST", "/v2/files", query=["teamId"], body="raw", type="application/octet-stream")
    def upload(self, req):
        self.check_scope(req)
        if len(req.body) < int(req.headers.get("content-length", 0)):
            return no(400, "bad_request", "the client went away")
        sha = hashlib.sha1(req.body).hexdigest()
        # The CLI sends the older name only, the OpenAPI description has the newer one.
        if req.headers.get("x-vercel-digest", sha) != sha or req.headers.get("x-now-digest") != sha:
            raise Refused("the digest is not that of the body")
        if req.headers.get("x-now-size") != str(len(req.body)):
            raise Refused("the size is not that of the body")
        if self.forget > 0:     # it is taken, and not kept
            self.forget -= 1
        else:
            self.files[sha] = req.body
        return Answer(json={"urls": []})

    def check_files(self, files):
        seen = set()
        for f in files:
            if set(f) != {"file", "sha", "size", "mode"} or f["mode"] not in MODES:
                raise Refused(f"a file is {f}")
            if f["file"] in seen or not f["file"].startswith(".vercel/output/") or ".." in f["file"]:
                raise Refused(f"a file is called {f['file']}")
            seen.add(f["file"])
        missing = [f["sha"] for f in files if f["sha"] not in self.files]
        if missing:
            raise Instead(no(400, "missing_files", "Missing files", missing=missing))
        for f in files:
            if len(self.files[f["sha"]]) != f["size"]:
                raise Refused(f"size of {f['file']}")
        if ".vercel/output/config.json" not in seen:
            raise Refused("no config.json")
        config = next(f for f in files if f["file"] == ".vercel/output/config.json")
        if json.loads(self.files[config["sha"]])["version"] != 3:
            raise Refused("not the Build Output of version 3")

    @route("POST", "/v13/deployments", query=["teamId"],
           needs=[("skipAutoDetectionConfirmation", "1"), ("prebuilt", "1")], body="json")
    def create_deployment(self, req):
        self.check_scope(req)
        b = req.json()
        known = {"name", "project", "target", "version", "source", "env", "build", "meta",
                 "projectSettings", "autoAssignCustomDomains", "files"}
        if set(b) - known or b["version"] != 2 or b.get("target") not in (None, "production"):
            raise Refused(f"a deployment has no {set(b) - known}")
        if any(not isinstance(v, str) for v in b["meta"].values()):
            raise Refused("meta is text")
        p = self.project(b["project"])
        self.check_files(b["files"])
        return Answer(json=self.shown(self.add_deployment(
            p, b.get("target"), b["meta"], b["files"], b.get("autoAssignCustomDomains", True))))

    def add_deployment(self, p, target, meta, files, assign):
        id = self.next_id("dpl_")
        d = {"id": id, "project": p["id"], "name": p["name"], "target": target, "meta": meta,
             "files": files, "url": f"{p['name']}-{id[-6:]}.vercel.app", "created": ms() + self.ids,
             "readyState": "QUEUED", "left": self.slow, "assign": assign,
             "baked": {e["key"]: e["value"] for e in p["env"] if (target or "preview") in e["target"]}}
        self.deployments[id] = d
        return d

    def shown(self, d):
        return {"id": d["id"], "url": d["url"], "readyState": d["readyState"], "target": d["target"],
                "meta": d["meta"], "name": d["name"], "projectId": d["project"], "ownerId": TEAM,
                "team": {"id": TEAM, "slug": "acme"}, "readySubstate": "STAGED",
                "aliasAssigned": d["readyState"] == "READY", "alias": [],
                "inspectorUrl": f"https://vercel.com/acme/{d['name']}/{d['id']}",
                **({"errorCode": "BUILD_FAILED", "errorMessage": d["why"]} if "why" in d else {})}

    @route("GET", "/v13/deployments/{id}", query=["teamId"])
    def get_deployment(self, req, id):
        d = self.deployment(id)
        if d["readyState"] not in ("READY", "ERROR"):
            d["left"] -= 1
            d["readyState"] = "BUILDING"
            if d["left"] <= 0:
                d["readyState"] = "ERROR" if "why" in d else "READY"
                if d["target"] == "production" and d["assign"]:
                    self.projects[d["project"]]["production"] = d["id"]
        return Answer(json=self.shown(d))

    @route("GET", "/v3/now/deployments/{id}/events",
           query=["teamId", "direction", "follow", "format", "limit", "since", "builds", "delimiter"])
    def events(self, req, id):
        """For the CLI, which waits for them."""
        self.deployment(id)
        return Answer(body=b"", type="application/stream+json")

    @route("GET", "/v6/deployments", query=["teamId", "projectId", "limit", "until", "target"])
    def list_deployments(self, req):
        self.check_scope(req)
        until = int(req.query.get("until", 1 << 60))
        found = sorted((d for d in self.deployments.values()
                        if d["project"] == req.query["projectId"] and d["created"] < until
                        and req.query.get("target") in (None, d["target"])),
                       key=lambda d: -d["created"])
        page = [{"uid": d["id"], "url": d["url"], "created": d["created"], "meta": d["meta"],
                 "state": d["readyState"], "readyState": d["readyState"], "target": d["target"],
                 "name": d["name"], "createdAt": d["created"], "buildingAt": d["created"],
                 "ready": d["created"], "creator": {"uid": USER, "username": "me"}}
                for d in found[:2]]
        return Answer(json={"deployments": page, "pagination": {
            "count": len(page), "next": page[-1]["created"] if len(found) > 2 else None, "prev": None}})

    @route("DELETE", "/v13/deployments/{id}", query=["teamId"])
    def delete_deployment(self, req, id):
        self.deployment(id)
        del self.deployments[id]
        return Answer(json={"uid": id, "state": "DELETED"})

    # --- traffic ---
    def move(self, p, to, kind):
        p["job"] = {"fromDeploymentId": p["production"], "toDeploymentId": to, "jobStatus": "pending",
                    "requestedAt": ms(), "type": kind}
        p["left"] = self.slow

    @route("POST", "/v10/projects/{id}/promote/{dpl}", query=["teamId"], body="json")
    def promote(self, req, id, dpl):
        p, d = self.project(id), self.deployment(dpl)
        if req.json() != {}:
            raise Refused("the body is {}")
        if d["target"] != "production" or d["readyState"] != "READY":
            return no(400, "bad_request", "Only ready production deployments can be promoted")
        if p["rolling"]:
            return Answer(202)
        if p["config"]:
            self.begin(p, dpl)
            return Answer(201)
        self.move(p, dpl, "promote")
        return Answer(201)

    @route("POST", "/v9/projects/{id}/rollback/{dpl}", query=["teamId"], body="json")
    def old_rollback(self, req, id, dpl):
        """As the CLI has it; SDK and documentation have v1."""
        self.rollback(req, id, dpl)
        return Answer(201, json={})

    @route("POST", "/v1/projects/{id}/rollback/{dpl}", query=["teamId", "description"], body="json")
    def rollback(self, req, id, dpl):
        p = self.project(id)
        self.deployment(dpl)
        if p["rolling"]:
            if dpl != p["rolling"]["currentDeployment"]["id"]:
                raise Refused("a rolling release is rolled back to its stable deployment")
            p["rolling"] = None
        self.move(p, dpl, "rollback")
        return Answer(201)

    def need_pro(self):
        """What a Hobby project answers is not known: 402, or 403 as for what a token may not see."""
        if self.plan == "hobby":
            raise Instead(no(402, "payment_required", "Rolling releases need a Pro plan."))
        if self.plan == "hobby-403" or self.narrow:
            raise Instead(no(403, "forbidden", "You don't have permission to the rolling-release."))

    @route("GET", "/v1/projects/{id}/rolling-release/billing", query=["teamId"])
    def billing(self, req, id):
        self.project(id)
        if self.narrow:
            return no(403, "forbidden", "Not authorized")
        return Answer(json={"availableSlots": "unlimited", "reason": "unlimited_slots", "message": ""}
                      if self.plan == "pro" else
                      {"availableSlots": 0, "reason": "plan_not_supported", "message": "Upgrade"})

    @route("GET", "/v1/projects/{id}/rolling-release/config", query=["teamId"])
    def get_config(self, req, id):
        self.need_pro()
        return Answer(json={"rollingRelease": self.project(id)["config"]})

    @route("PATCH", "/v1/projects/{id}/rolling-release/config", query=["teamId"], body="json")
    def set_config(self, req, id):
        self.need_pro()
        b, p = req.json(), self.project(id)
        if not b["enabled"]:
            p["config"] = None
            return Answer(json={"rollingRelease": None})
        if set(b) != {"enabled", "advancementType", "stages"}:
            raise Refused(f"the config is {b}")
        percents = [s["targetPercentage"] for s in b["stages"]]
        if percents != sorted(set(percents)) or percents[-1] != 100 or len(percents) < 2:
            return no(400, "bad_request", "Stages must ascend and end with 100")
        p["config"] = {"target": "production", "stages": b["stages"]}
        return Answer(json={"rollingRelease": p["config"]})

    def begin(self, p, dpl):
        stages = [{"index": i, "isFinalStage": i == len(p["config"]["stages"]) - 1,
                   "requireApproval": True, **s} for i, s in enumerate(p["config"]["stages"])]
        p["rolling"] = {"state": "ACTIVE", "currentDeployment": {"id": p["production"]},
                        "canaryDeployment": {"id": dpl}, "stages": stages, "activeStage": stages[0],
                        "nextStage": stages[1], "startedAt": ms(), "updatedAt": ms()}

    @route("GET", "/v1/projects/{id}/rolling-release", query=["teamId", "state"])
    def get_rolling(self, req, id):
        self.need_pro()
        return Answer(json={"rollingRelease": self.project(id)["rolling"]})

    @route("POST", "/v1/projects/{id}/rolling-release/start", query=["teamId"], body="json")
    def start_rolling(self, req, id):
        self.need_pro()
        p, dpl = self.project(id), req.json()["canaryDeploymentId"]
        if not p["config"] or not p["production"]:
            return no(400, "bad_request", "Rolling releases are not enabled")
        if self.deployment(dpl)["target"] != "production":
            return no(400, "bad_request", "target must be production")
        if not p["rolling"]:
            self.begin(p, dpl)
        elif p["rolling"]["canaryDeployment"]["id"] != dpl:
            return no(409, "conflict", "another rolling release is active")
        return Answer(json={"rollingRelease": p["rolling"]})

    def rolling(self, id, dpl):
        self.need_pro()
        p = self.project(id)
        if not p["rolling"] or p["rolling"]["canaryDeployment"]["id"] != dpl:
            raise Instead(no(400, "bad_request", "No active rolling release"))
        return p

    def finish(self, p):
        dpl = p["rolling"]["canaryDeployment"]["id"]
        p["rolling"] = None
        self.move(p, dpl, "promote")

    @route("POST", "/v1/projects/{id}/rolling-release/approve-stage", query=["teamId"], body="json")
    def approve(self, req, id):
        b = req.json()
        if set(b) != {"activeStageIndex", "nextStageIndex", "canaryDeploymentId"}:
            raise Refused(f"approve-stage: {b}")
        p = self.rolling(id, b["canaryDeploymentId"])
        r = p["rolling"]
        if b["activeStageIndex"] != r["activeStage"]["index"] or \
                b["nextStageIndex"] != b["activeStageIndex"] + 1:
            return no(409, "conflict", "The stage has changed")
        r["activeStage"] = r["stages"][b["nextStageIndex"]]
        r["nextStage"] = next((s for s in r["stages"] if s["index"] == b["nextStageIndex"] + 1), None)
        if r["activeStage"]["isFinalStage"]:
            self.finish(p)
        return Answer(json={"rollingRelease": p["rolling"]})

    @route("POST", "/v1/projects/{id}/rolling-release/complete", query=["teamId"], body="json")
    def complete(self, req, id):
        self.finish(self.rolling(id, req.json()["canaryDeploymentId"]))
        return Answer(json={"rollingRelease": None})

    # --- environment ---
    @route("GET", "/v10/projects/{id}/env", query=["teamId", "source", "target", "decrypt"])
    def get_env(self, req, id):
        """`source` and `target` are the CLI's."""
        if req.query.get("decrypt", "false") != "false":
            raise Refused("values are not asked for")
        return Answer(json={"envs": [{k: v for k, v in e.items() if k != "value"}
                                     for e in self.project(id)["env"]
                                     if req.query.get("target") in (None, *e["target"])]})

    @route("GET", "/projects/{id}/custom-environments", query=["teamId"])
    def custom_environments(self, req, id):
        """For the CLI."""
        return Answer(json={"environments": []})

    @route("POST", "/v10/projects/{id}/env", query=["teamId", "source"], needs=[("upsert", "true")],
           body="json")
    def put_env(self, req, id):
        b, p = req.json(), self.project(id)
        if {"comment", *b} - {"visibility"} != {"key", "value", "type", "target", "comment"} or \
                b["type"] != "sensitive":
            raise Refused(f"a variable is {set(b)}")
        if len(b.get("comment", "")) > 500 or "development" in b["target"]:
            raise Refused("a sensitive variable")
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", b["key"]):
            return Answer(201, json={"created": [], "failed": [{"error": {
                "code": "INVALID_KEY", "message": "The name contains invalid characters."}}]})
        p["env"] = [e for e in p["env"] if e["key"] != b["key"]] + [{"id": self.next_id("env"), **b}]
        return Answer(201, json={"created": {"key": b["key"]}, "failed": []})

    @route("DELETE", "/v10/projects/{id}/env/{env}", query=["teamId"])
    def delete_env_again(self, req, id, env):
        """As the CLI has it; SDK and documentation have v9."""
        return self.delete_env(req, id, env)

    @route("DELETE", "/v9/projects/{id}/env/{env}", query=["teamId"])
    def delete_env(self, req, id, env):
        p = self.project(id)
        if not any(e["id"] == env for e in p["env"]):
            return no(404, "ENV_NOT_FOUND", "Environment Variable was not found")
        p["env"] = [e for e in p["env"] if e["id"] != env]
        return Answer(json={})

    # --- Edge Config ---
    @route("GET", "/v1/edge-config", query=["teamId"])
    def list_configs(self, req):
        return Answer(json=[{"id": i, "slug": c["slug"]} for i, c in self.configs.items()])

    @route("POST", "/v1/edge-config", query=["teamId"], body="json")
    def create_config(self, req):
        b = req.json()
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", b["slug"]):
            return no(400, "bad_request", "slug")
        id = self.next_id("ecfg_")
        self.configs[id] = {"slug": b["slug"], "items": b.get("items", {})}
        return Answer(201, json={"id": id, "slug": b["slug"]})

    def config(self, id):
        if id not in self.configs:
            raise Instead(no(404, "edge_config_not_found", "The Edge Config was not found"))
        return self.configs[id]

    @route("DELETE", "/v1/edge-config/{id}", query=["teamId"])
    def delete_config(self, req, id):
        self.config(id)
        del self.configs[id]
        return Answer(204)

    @route("PATCH", "/v1/edge-config/{id}/items", query=["teamId"], body="json")
    def patch_items(self, req, id):
        items = self.config(id)["items"]
        for i in req.json()["items"]:
            if not re.fullmatch(r"[\w-]{1,256}", i["key"]):
                return no(400, "bad_request", f"key {i['key']}")
            if i["operation"] == "upsert":
                items[i["key"]] = i["value"]
            elif i["operation"] == "delete":
                items.pop(i["key"], None)
            else:
                raise Refused(f"operation {i['operation']}")
        return Answer(json={"status": "ok"})

    @route("GET", "/v1/edge-config/{id}/items", query=["teamId"])
    def get_items(self, req, id):
        return Answer(json=[{"key": k, "value": v} for k, v in self.config(id)["items"].items()])

    @route("GET", "/v1/edge-config/{id}/item/{key}", query=["teamId"])
    def get_item(self, req, id, key):
        items = self.config(id)["items"]
        if key not in items:
            return no(404, "edge_config_item_not_found", "not found")
        return Answer(json={"key": key, "value": items[key]})

    # Its newer name, which the CLI has.
    @route("GET", "/v1/global-config", query=["teamId"])
    def list_globals(self, req):
        return self.list_configs(req)

    @route("POST", "/v1/global-config", query=["teamId"], body="json")
    def create_global(self, req):
        return self.create_config(req)

    @route("GET", "/v1/global-config/{id}", query=["teamId"])
    def get_global(self, req, id):
        return Answer(json={"id": id, "slug": self.config(id)["slug"], "ownerId": TEAM})

    @route("PATCH", "/v1/global-config/{id}/items", query=["teamId"], body="json")
    def patch_globals(self, req, id):
        return self.patch_items(req, id)

    @route("GET", "/v1/global-config/{id}/items", query=["teamId"])
    def get_globals(self, req, id):
        return self.get_items(req, id)

    # --- caches ---
    def purge(self, req, what):
        self.check_scope(req)
        self.purged.append([self.project(req.query["projectIdOrName"])["name"], what])
        return Answer(json={})

    @route("POST", "/v1/edge-cache/invalidate-by-tags", query=["teamId", "projectIdOrName"], body="json")
    def invalidate(self, req):
        if set(req.json()) - {"tags", "target"}:
            raise Refused(f"invalidate what? {req.json()}")
        return self.purge(req, ["stale", req.json()["tags"]])

    @route("POST", "/v1/edge-cache/dangerously-delete-by-tags", query=["teamId", "projectIdOrName"],
           body="json")
    def delete_tags(self, req):
        if set(req.json()) - {"tags", "target", "revalidationDeadlineSeconds"}:
            raise Refused(f"delete what? {req.json()}")
        return self.purge(req, ["gone", req.json()["tags"]])

    @route("POST", "/v1/edge-cache/purge-all", query=["teamId", "projectIdOrName"])
    def purge_edge(self, req):
        return self.purge(req, "edge")

    @route("DELETE", "/v1/data-cache/purge-all", query=["teamId", "projectIdOrName"])
    def purge_data(self, req):
        return self.purge(req, "data")

    # --- numbers and logs ---
    @route("GET", "/v2/observability/schema/{metric}", query=["teamId"])
    def schema(self, req, metric):
        return Answer(json=[{"id": metric, "dimensions": [{"name": d} for d in self.dimensions],
                             "aggregations": ["sum"]}])

    @route("POST", "/v2/observability/query", query=["teamId"], body="json")
    def query(self, req):
        b = req.json()
        dpl = re.fullmatch(r"deployment_id eq '(dpl_\d+)'", b["filter"])
        if b["metric"] != "vercel.request.count" or b["groupBy"] != ["http_status"] or not dpl:
            raise Refused(f"the query is {b}")
        rows = [r for r in self.rows if r["deployment"] == dpl[1]
                and b["startTime"] <= r["timestamp"] < b["endTime"]]
        return Answer(json={"data": [{k: r[k] for k in ("timestamp", "http_status", "value")}
                                     for r in rows], "summary": [], "statistics": {}})

    @route("GET", "/v1/projects/{id}/deployments/{dpl}/runtime-logs", query=["teamId"],
           needs=[("format", "lines")])
    def runtime_logs(self, req, id, dpl):
        self.project(id)
        rows = [r for r in self.log_rows if r["deployment"] == dpl]
        self.log_rows = [r for r in self.log_rows if r["deployment"] != dpl]
        rows.append({"rowId": "0", "source": "delimiter", "message": "limit", "level": "info",
                     "timestampInMs": ms(), "messageTruncated": False, "domain": "",
                     "requestMethod": "", "requestPath": "", "responseStatusCode": 0})
        return Answer(body="".join(json.dumps(r) + "\n" for r in rows).encode(),
                      type="application/stream+json")

    # --- deployed apps ---
    def edge(self, req):
        for d in self.deployments.values():
            if d["url"] == req.host and d["readyState"] == "READY":
                if self.protected and req.headers.get("x-vercel-protection-bypass") != self.protected:
                    return Answer(401, body=b"Authentication Required")
                return Answer(404 if req.path == "/missing" else 200, body=d["id"].encode())
        return Answer(404, body=b"DEPLOYMENT_NOT_FOUND")

    # --- what changes behind the client's back ---
    def drift_project(self, name="shop", deployed=False):
        p = self.add_project(name)
        if deployed:
            d = self.add_deployment(p, "production", {}, [], True)
            d["readyState"] = "READY"
            p["production"] = d["id"]
        return {"id": p["id"], "production": p["production"]}

    def drift_promote(self, project, deployment):
        self.project(project)["production"] = deployment
        return {}

    def drift_env(self, project, key, value, target=("production", "preview")):
        p = self.project(project)
        p["env"] = [e for e in p["env"] if e["key"] != key] + [
            {"id": self.next_id("env"), "key": key, "value": value, "type": "encrypted",
             "target": list(target)}]
        return {}

    def drift_domains(self, project, count):
        self.project(project)["domains"] += [f"d{i}.example.net" for i in range(count)]
        return {}

    def drift_set(self, **what):
        for key, value in what.items():
            setattr(self, key, value)
        return {}

    def drift_fail(self, why):
        """The next deployments end with an error."""
        inner = self.add_deployment

        def failing(*args):
            d = inner(*args)
            d["why"] = why
            return d
        self.add_deployment = failing
        return {}


if __name__ == "__main__":
    main(Vercel)
