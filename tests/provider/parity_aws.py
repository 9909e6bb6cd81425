# SPDX-License-Identifier: Apache-2.0
"""Parity with AWS's CLI. `run AWS OURS`: do with the CLI what the driver did, with its values; `router
AWS OURS`: what it did for the router. `compare OURS THEIRS [router]`: each operation's request, normalised; exit status 1 when they differ.

What may differ, and is not looked at:
  - headers that a client sends for itself (User-Agent, Accept-Encoding, amz-sdk-*, Host), the
    signature and its date, X-Amz-Content-SHA256, which only S3 asks for;
  - Content-Type of XML: the CLI sends none, the model does not say;
  - fields that the CLI adds with the value that is their default, and x-amzn-query-mode, an answer's
    form that we do not need;
  - the order of elements in a TrafficConfig: ours is that of the model, the CLI's that of its input.
"""
import base64
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

HEADERS = ("if-match", "staging", "x-amz-target", "x-amz-invocation-type")


def tree(e):
    name = e.tag.rpartition("}")[2]
    children = [tree(c) for c in e]
    if name == "TrafficConfig":
        children.sort(key=str)
    return [name, dict(sorted(e.attrib.items())), (e.text or "").strip(), children]


def operation(r):
    """A name that is the same for the same work."""
    body, path = r["body"] or {}, r["path"]
    if r["headers"].get("x-amz-target"):
        return r["headers"]["x-amz-target"].split(".")[1]
    if path == "/":
        return body["Action"]
    parts = [p for p in path.split("/") if p]
    return " ".join([r["method"], *("ID" if i == 2 else p for i, p in enumerate(parts))])


def normal(r):
    body = r["body"]
    if isinstance(body, dict) and "xml" in body:
        body = tree(ET.fromstring(body["xml"]))
    kind = r["headers"].get("content-type", "") if not isinstance(body, list) else ""
    return {"method": r["method"], "path": r["path"], "query": [list(q) for q in r["query"]],
            "type": kind.split(";")[0] if r["body"] else "",
            "headers": {h: r["headers"].get(h) for h in HEADERS}, "body": body}


def last(requests, name):
    found = [r for r in requests if operation(r) == name]
    assert found, f"nothing of {name} in {sorted({operation(r) for r in requests})}"
    return found[-1]


def first(requests, name):
    return next(r for r in requests if operation(r) == name)


# --- from what the driver sent to the CLI's input ---

def from_xml(e):
    """As the CLI's JSON has it: lists are those elements whose name is Items."""
    name = e.tag.rpartition("}")[2]
    if name == "Items":
        return [from_xml(c) for c in e]
    if len(e):
        return {c.tag.rpartition("}")[2]: from_xml(c) for c in e}
    text = e.text or ""
    if name in ("Quantity", "HTTPPort", "HTTPSPort", "IdleTTL", "MaximumTTL", "MinTTL", "MaxTTL",
                "DefaultTTL"):
        return int(text)
    if name == "Weight":
        return float(text)
    if name in ("Enabled", "Compress", "IsIPV6Enabled", "Staging", "IncludeBody",
                "EnableAcceptEncodingGzip", "EnableAcceptEncodingBrotli"):
        return text == "true"
    return text


class Cli:
    def __init__(self, program):
        self.program = program

    def __call__(self, *args):
        done = subprocess.run([self.program, *args, "--output", "json"], capture_output=True,
                              text=True, env=os.environ, check=False)
        if done.returncode:
            sys.exit(f"aws {' '.join(args)[:300]}: {done.stderr}")
        return json.loads(done.stdout) if done.stdout.strip() else {}


def run(program, ours):
    aws = Cli(program)

    def sent(name, pick=last):
        return pick(ours, name)["body"]

    def xml_of(name, pick=last):
        return from_xml(ET.fromstring(sent(name, pick)["xml"]))
    aws("sts", "get-caller-identity")
    role = sent("CreateRole")
    aws("iam", "create-role", "--role-name", role["RoleName"], "--assume-role-policy-document",
        role["AssumeRolePolicyDocument"], "--description", role["Description"], "--tags",
        f"Key={role['Tags.member.1.Key']},Value={role['Tags.member.1.Value']}")
    policy = sent("PutRolePolicy")
    aws("iam", "put-role-policy", "--role-name", policy["RoleName"], "--policy-name",
        policy["PolicyName"], "--policy-document", policy["PolicyDocument"])
    f = sent("POST 2015-03-31 functions")
    name = f["FunctionName"]
    aws("lambda", "create-function", "--function-name", name, "--runtime", f["Runtime"], "--role",
        f["Role"], "--handler", f["Handler"], "--zip-file", "fileb://b1.zip", "--timeout",
        str(f["Timeout"]), "--memory-size", str(f["MemorySize"]), "--no-publish",
        "--architectures", *f["Architectures"], "--tags",
        ",".join(f"{k}={v}" for k, v in f["Tags"].items()))
    aws("lambda", "get-function-configuration", "--function-name", name)
    p = sent("PutParameter")
    aws("ssm", "put-parameter", "--name", p["Name"], "--value", p["Value"], "--type", p["Type"],
        "--no-overwrite", "--tier", p["Tier"])
    made = aws("cloudfront", "create-distribution-with-tags", "--distribution-config-with-tags",
               json.dumps(xml_of("POST 2020-05-31 distribution")))
    primary, etag = made["Distribution"]["Id"], made["ETag"]
    v = sent("POST 2015-03-31 functions ID versions", first)
    aws("lambda", "publish-version", "--function-name", name, "--code-sha256", v["CodeSha256"],
        "--description", v["Description"])
    aws("cloudfront", "get-distribution", "--id", primary)
    code = sent("PUT 2015-03-31 functions ID code")
    aws("lambda", "update-function-code", "--function-name", name, "--zip-file", "fileb://b2.zip",
        "--revision-id", code["RevisionId"])
    v = sent("POST 2015-03-31 functions ID versions")
    aws("lambda", "publish-version", "--function-name", name, "--code-sha256", v["CodeSha256"],
        "--description", v["Description"])
    aws("lambda", "list-versions-by-function", "--function-name", name, "--page-size", "50")
    copy = xml_of("POST 2020-05-31 distribution ID copy")
    staging = aws("cloudfront", "copy-distribution", "--primary-distribution-id", primary, "--staging",
                  "--if-match", etag, "--caller-reference", copy["CallerReference"], "--enabled")
    wanted = xml_of("POST 2020-05-31 continuous-deployment-policy")
    domain = staging["Distribution"]["DomainName"]
    wanted["StagingDistributionDnsNames"]["Items"] = [domain]
    made = aws("cloudfront", "create-continuous-deployment-policy",
               "--continuous-deployment-policy-config", json.dumps(wanted))
    aws("cloudfront", "list-continuous-deployment-policies", "--max-items", "100")
    aws("cloudfront", "get-continuous-deployment-policy", "--id",
        made["ContinuousDeploymentPolicy"]["Id"])
    aws("cloudfront", "update-distribution-with-staging-config", "--id", primary,
        "--staging-distribution-id", staging["Distribution"]["Id"], "--if-match",
        f"{etag}, {staging['ETag']}")
    batch = xml_of("POST 2020-05-31 distribution ID invalidation")
    aws("cloudfront", "create-invalidation", "--distribution-id", primary, "--invalidation-batch",
        json.dumps(batch))
    metrics = sent("GetMetricData", first)
    aws("cloudwatch", "get-metric-data", "--no-paginate", "--cli-input-json", json.dumps(metrics))
    logs = sent("FilterLogEvents", first)
    subprocess.run([program, "logs", "filter-log-events", "--no-paginate", "--cli-input-json",
                    json.dumps(logs)], capture_output=True, check=False)
    aws("lambda", "delete-function", "--function-name", name, "--qualifier", "1")


def run_router(program, ours):
    def cloudfront(operation, *args):
        return Cli(program)("cloudfront", operation, *args)

    def xml_of(name, pick=first):
        return from_xml(ET.fromstring(pick(ours, name)["body"]["xml"]))
    store = xml_of("POST 2020-05-31 key-value-store")
    made = cloudfront("create-key-value-store", "--name", store["Name"], "--comment", store["Comment"],
                      "--tags", json.dumps(store["Tags"]))
    cloudfront("describe-key-value-store", "--name", store["Name"])
    f = xml_of("POST 2020-05-31 function")
    with open("code.js", "wb") as code:
        code.write(base64.b64decode(f["FunctionCode"]))
    arn = made["KeyValueStore"]["ARN"]
    f["FunctionConfig"]["KeyValueStoreAssociations"]["Items"][0]["KeyValueStoreARN"] = arn
    config = ("--function-config", json.dumps(f["FunctionConfig"]), "--function-code", "fileb://code.js")
    name = ("--name", f["Name"])
    etag = cloudfront("create-function", *name, *config, "--tags", json.dumps(f["Tags"]))["ETag"]
    etag = cloudfront("update-function", *name, *config, "--if-match", etag)["ETag"]
    cloudfront("publish-function", *name, "--if-match", etag)
    cloudfront("describe-function", *name, "--stage", "LIVE")
    cloudfront("get-function", *name, "--stage", "DEVELOPMENT", "got.js")
    source = first(ours, "GET 2020-05-31 cache-policy ID")["path"].rpartition("/")[2]
    cloudfront("get-cache-policy", "--id", source)
    made = cloudfront("create-cache-policy", "--cache-policy-config",
                      json.dumps(xml_of("POST 2020-05-31 cache-policy")))
    cloudfront("create-origin-request-policy", "--origin-request-policy-config",
               json.dumps(xml_of("POST 2020-05-31 origin-request-policy")))
    cloudfront("delete-cache-policy", "--id", made["CachePolicy"]["Id"], "--if-match", made["ETag"])
    cloudfront("delete-function", *name, "--if-match", etag)
    etag = cloudfront("describe-key-value-store", "--name", store["Name"])["ETag"]
    cloudfront("delete-key-value-store", "--name", store["Name"], "--if-match", etag)


#: Operations that both do, and which of ours is meant.
COMPARED = {
    "GetCallerIdentity": first, "CreateRole": last, "PutRolePolicy": last,
    "POST 2015-03-31 functions": last, "GET 2015-03-31 functions ID configuration": first,
    "GET 2020-05-31 distribution ID": first, "PutParameter": last, "POST 2020-05-31 distribution": last, "POST 2015-03-31 functions ID versions": last,
    "PUT 2015-03-31 functions ID code": last, "GET 2015-03-31 functions ID versions": first,
    "POST 2020-05-31 distribution ID copy": last, "POST 2020-05-31 continuous-deployment-policy": last,
    "GET 2020-05-31 continuous-deployment-policy ID": first,
    "PUT 2020-05-31 distribution ID promote-staging-config": last,
    "POST 2020-05-31 distribution ID invalidation": last, "GetMetricData": first,
    "FilterLogEvents": first, "DELETE 2015-03-31 functions ID": last,
}


COMPARED_ROUTER = {name: first for name in (
    "POST 2020-05-31 key-value-store", "GET 2020-05-31 key-value-store ID", "POST 2020-05-31 function",
    "PUT 2020-05-31 function ID", "POST 2020-05-31 function ID publish",
    "GET 2020-05-31 function ID describe", "GET 2020-05-31 function ID", "GET 2020-05-31 cache-policy ID",
    "POST 2020-05-31 cache-policy", "POST 2020-05-31 origin-request-policy",
    "DELETE 2020-05-31 cache-policy ID", "DELETE 2020-05-31 function ID",
    "DELETE 2020-05-31 key-value-store ID")}


def without_ids(text):
    """Ids and ETags are each run's own; their places are compared."""
    text = re.sub(r"\b(TAG|FN)\d{6}\b", "TAG", text)
    text = re.sub(r"\b[0-9a-f]{8}-0000-4000-8000-[0-9a-f]{12}\b", "UUID", text)
    text = re.sub(r"\bde\d{6}\.", "dID.", text)
    return re.sub(r"\b(E|P|rev)\d{6}\b", r"\1ID", text)


def compare(ours, theirs, compared):
    bad = 0
    for name, pick in compared.items():
        a, b = normal(pick(ours, name)), normal(last(theirs, name) if pick is last else first(theirs, name))
        a, b = (json.loads(without_ids(json.dumps(x))) for x in (a, b))
        for key in a:
            if a[key] != b[key]:
                bad = 1
                print(f"{name}: {key}:\n  ours   {json.dumps(a[key])[:1500]}\n"
                      f"  theirs {json.dumps(b[key])[:1500]}")
    return bad


def main():
    files = [json.load(open(f, encoding="utf-8")) for f in sys.argv[2:] if f.endswith(".json")]
    if sys.argv[1] == "run":
        run(sys.argv[2], files[0])
        return 0
    if sys.argv[1] == "router":
        run_router(sys.argv[2], files[0])
        return 0
    return compare(*files, COMPARED_ROUTER if sys.argv[-1] == "router" else COMPARED)


sys.exit(main())
