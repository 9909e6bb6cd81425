# SPDX-License-Identifier: Apache-2.0
"""Parity with Vercel's CLI: python3 parity_vercel.py OURS THEIRS; exit status 1 when requests differ.

What may differ, and is not looked at:
  - headers that a client sends for itself (User-Agent, x-vercel-cli-*), and the token's;
  - the charset that the CLI adds to application/json, which has none;
  - `meta` of a deployment: ours names the release, the CLI's what git says;
  - the order of a deployment's files: ours is that of their names;
  - x-vercel-digest beside x-now-digest: one is the name in the API's description, the other the
    CLI's; we send both;
  - rollback is /v1/ in the SDK and the documentation, and for us; the CLI has /v9/. Deleting a variable
    is /v9/ there, /v10/ in the CLI;
  - /v1/global-config is the CLI's newer name of /v1/edge-config;
  - `source` and `target` of the CLI's look at the variables, and `decrypt` of ours, which is the default;
  - `visibility` of a variable, which follows from its type; `comment`, which tells which value it has;
  - `limit` of a list; an Edge Config for notes begins with no items, as it does without saying so;
  - the type of a body that is not there.
"""
import json
import re
import sys

OPERATIONS = [
    "POST /v13/deployments", "POST /v2/files", "PATCH /v1/projects/{id}/rolling-release/config",
    "POST /v1/projects/{id}/rolling-release/start",
    "POST /v1/projects/{id}/rolling-release/approve-stage",
    "POST /v1/projects/{id}/rolling-release/complete", "POST /v10/projects/{id}/promote/{id}",
    "POST /v1/projects/{id}/rollback/{id}", "GET /v9/projects/{name}", "GET /v13/deployments/{id}",
    "GET /v10/projects/{id}/env", "POST /v10/projects/{id}/env", "DELETE /v9/projects/{id}/env/{id}",
    "GET /v6/deployments", "POST /v1/edge-config", "PATCH /v1/edge-config/{id}/items",
    "GET /v1/edge-config/{id}/items", "POST /v1/edge-cache/invalidate-by-tags",
    "POST /v1/edge-cache/dangerously-delete-by-tags", "POST /v1/edge-cache/purge-all",
    "DELETE /v1/data-cache/purge-all", "GET /v1/projects/{id}/deployments/{id}/runtime-logs",
]
# Query keys and members of a body that may differ, see above.
LOOSE_QUERY = {"GET /v10/projects/{id}/env": {"source", "target", "decrypt"},
               "GET /v6/deployments": {"limit"}}
LOOSE_BODY = {"POST /v10/projects/{id}/env": {"visibility", "comment"},
              "POST /v1/edge-config": {"items"}}
RENAMED = [("/v1/global-config", "/v1/edge-config"),
           ("/v9/projects/{id}/rollback", "/v1/projects/{id}/rollback"),
           ("DELETE /v10/projects/{id}/env", "DELETE /v9/projects/{id}/env")]
HEADERS = ("content-type", "x-now-digest", "x-now-size")


def operation(r):
    path = re.sub(r"/((prj|dpl|ecfg)_|env)\d+", "/{id}", r["path"])
    path = re.sub(r"^/v9/projects/(shop|\{id\})$", "/v9/projects/{name}", path)
    name = f"{r['method']} {path}"
    for theirs, ours in RENAMED:
        name = name.replace(theirs, ours)
    return name


def normal(r):
    body, name = r["body"], operation(r)
    query = [q for q in r["query"] if q[0] not in LOOSE_QUERY.get(name, ())]
    if name in LOOSE_BODY:
        body = {k: v for k, v in body.items() if k not in LOOSE_BODY[name]}
    if isinstance(body, dict) and "files" in body:
        body = {**body, "meta": None, "files": sorted(body["files"], key=lambda f: f["file"])}
    headers = {h: r["headers"].get(h, "").replace("; charset=utf-8", "") for h in HEADERS}
    if body is None:
        headers["content-type"] = ""
    return {"query": query, "headers": headers, "body": body}


def of(requests, name):
    """Each different request of an operation, in the order of its text."""
    found = {json.dumps(normal(r), sort_keys=True) for r in requests if operation(r) == name}
    return sorted(re.sub(r"(prj|dpl)_\d+", r"\1", f) for f in found)


def main():
    ours, theirs = (json.load(open(f, encoding="utf-8")) for f in sys.argv[1:])
    bad = 0
    for name in OPERATIONS:
        a, b = of(ours, name), of(theirs, name)
        # We do more of some (two rollouts); what the CLI sent must be among it.
        missing = [x for x in b if x not in a]
        if not b or missing:
            bad = 1
            print(f"{name}: theirs, not ours:", *missing, "ours:", *a, sep="\n  ")
    return bad


sys.exit(main())
