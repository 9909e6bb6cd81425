#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""AWS, as far as Lambda@Edge and CloudFront need it: Lambda, IAM, STS, Systems Manager's parameters,
CloudFront with staging distributions and functions, KeyValueStore, CloudWatch, Logs. One port for all
of them (AWS_ENDPOINT_URL). Access key: AKIDTEST / aws-secret-key; account: 123456789012."""
import base64
import copy
import hashlib
import io
import json
import re
import time
import urllib.parse
import xml.etree.ElementTree as ET
import zipfile

import aws_signature
from fake import Answer, Fake, Instead, Refused, main, route

KEY, SECRET, ACCOUNT = "AKIDTEST", "aws-secret-key", "123456789012"
NS = "http://cloudfront.amazonaws.com/doc/2020-05-31/"
L, C = "/2015-03-31/functions", "/2020-05-31"
SERVICES = {"AmazonSSM": "ssm", "GraniteServiceVersion20100801": "monitoring",
            "Logs_20140328": "logs"}
# Names in the API: of a policy, of its list, of the errors.
POLICIES = {"cache": ("CachePolicy", "CachePolicyList", "NoSuchCachePolicy"),
            "origin-request": ("OriginRequestPolicy", "OriginRequestPolicyList",
                               "NoSuchOriginRequestPolicy")}
SLOW = 2    # reads until something is ready
# The order in which CloudFront's schema has a distribution's elements.
CONFIG = ["CallerReference", "Aliases", "DefaultRootObject", "Origins", "OriginGroups",
          "DefaultCacheBehavior", "CacheBehaviors", "CustomErrorResponses", "Comment", "Logging",
          "PriceClass", "Enabled", "ViewerCertificate", "Restrictions", "WebACLId", "HttpVersion",
          "IsIPV6Enabled", "ContinuousDeploymentPolicyId", "Staging", "FutureThing"]
BEHAVIOUR = ["PathPattern", "TargetOriginId", "TrustedSigners", "TrustedKeyGroups",
             "ViewerProtocolPolicy", "AllowedMethods", "SmoothStreaming", "Compress",
             "LambdaFunctionAssociations", "FunctionAssociations", "FieldLevelEncryptionId",
             "RealtimeLogConfigArn", "CachePolicyId", "OriginRequestPolicyId",
             "ResponseHeadersPolicyId", "GrpcConfig", "FutureSetting", "ForwardedValues", "MinTTL",
             "DefaultTTL", "MaxTTL"]


# --- XML ---

def element(name, *children, **texts):
    e = ET.Element(name)
    for child in children:
        e.append(child)
    for key, value in texts.items():
        ET.SubElement(e, key).text = str(value)
    return e


def header_list(names):
    return element("Headers", element("Items", *[element_text("Name", n) for n in names]), Quantity=len(names))


def element_text(name, text):
    e = ET.Element(name)
    e.text = text
    return e


def cache_policy(name, most):
    config = element("CachePolicyConfig", Comment="", Name=name, DefaultTTL=min(most, 86400), MaxTTL=most,
                     MinTTL=0)
    config.append(element(
        "ParametersInCacheKeyAndForwardedToOrigin",
        *[element_text("EnableAcceptEncodingGzip", "true"), element_text("EnableAcceptEncodingBrotli", "true"),
          element("HeadersConfig", HeaderBehavior="none"), element("CookiesConfig", CookieBehavior="none"),
          element("QueryStringsConfig", QueryStringBehavior="none")]))
    return config


def request_policy(name, how, names=()):
    config = element("OriginRequestPolicyConfig", Comment="", Name=name)
    headers = element("HeadersConfig", HeaderBehavior=how)
    if names:
        headers.append(header_list(names))
        # Quantity stands before Items.
        headers[-1][:] = headers[-1][::-1]
    config.append(headers)
    config.append(element("CookiesConfig", CookieBehavior="all"))
    config.append(element("QueryStringsConfig", QueryStringBehavior="all"))
    return config


def write(root):
    root.set("xmlns", NS)
    text = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    del root.attrib["xmlns"]
    return text


def read(req, name):
    try:
        root = ET.fromstring(req.body)
    except ET.ParseError as e:
        raise Refused(f"the body is not XML: {e}") from e
    if req.type() not in ("application/xml", "text/xml", ""):
        raise Refused(f"Content-Type {req.type()}")
    if root.tag != f"{{{NS}}}{name}":
        raise Refused(f"the root is {root.tag}, not {name}")
    for e in root.iter():
        e.tag = e.tag.rpartition("}")[2]
    return root


def ordered(e, order, where):
    places = []
    for child in e:
        if child.tag not in order:
            raise Refused(f"{where} has no {child.tag}")
        places.append(order.index(child.tag))
    if places != sorted(set(places)):
        raise Refused(f"{where} is out of order: {[c.tag for c in e]}")


def quantities(root):
    """Every list has as many items as it says."""
    for e in root.iter():
        q = e.find("Quantity")
        if q is not None:
            items = e.find("Items")
            n = len(items) if items is not None else 0
            if int(q.text) != n or (items is not None and n == 0):
                raise Instead(xml_error(400, "InconsistentQuantities",
                                        "The value of Quantity and the size of Items don't match."))


def xml(root, status=200, etag=None, location=None):
    headers = {k: v for k, v in (("ETag", etag), ("Location", location)) if v}
    return Answer(status, body=write(root), type="text/xml", headers=headers)


def xml_error(status, code, message):
    return Answer(status, type="text/xml", body=(
        f'<?xml version="1.0"?><ErrorResponse xmlns="{NS}"><Error><Type>Sender</Type><Code>{code}'
        f'</Code><Message>{message}</Message></Error><RequestId>r-1</RequestId></ErrorResponse>'
    ).encode())


def json_error(status, code, message):
    return Answer(status, json={"Type": "User", "Message": message},
                  headers={"x-amzn-ErrorType": f"{code}:http://internal.amazon.com/coral/"})


def target_error(code, message, status=400):
    return Answer(status, json={"__type": f"com.amazonaws#{code}", "message": message},
                  type="application/x-amz-json-1.1")


def query_answer(operation, inner="", ns="https://iam.amazonaws.com/doc/2010-05-08/"):
    return Answer(type="text/xml", body=(
        f'<{operation}Response xmlns="{ns}"><{operation}Result>{inner}</{operation}Result>'
        f'<ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></{operation}Response>'
    ).encode())


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%S.000+0000", time.gmtime())


class Aws(Fake):
    __doc__ = __doc__
    edge_names = ("*.cloudfront.net", "app.example.com")

    def __init__(self, options):
        super().__init__(options)
        self.keys = {KEY: (SECRET, None)}
        self.tags, self.roles, self.functions, self.parameters = {}, {}, {}, {}
        self.distributions, self.policies, self.invalidations = {}, {}, []
        self.cf_functions, self.stores, self.modified = {}, {}, {}
        self.samples, self.region = {}, None
        # AWS's own, which no account can change: id -> (config, ETag or None).
        self.cf_policies = {"cache": {"4135ea2d-6df8-44a3-9df3-4b5a84be39ad": (cache_policy("off", 0), None),
                                      "658327ea-f89d-4fab-a63d-7e88639e58f6":
                                      (cache_policy("Managed-CachingOptimized", 31536000), None)},
                            "origin-request": {"216adef6-5c7f-47e4-b989-5492eafa07d3":
                                               (request_policy("Managed-AllViewer", "allViewer"), None),
                                               "59781a5b-3903-41f3-afcb-af62929ccde1":
                                               (request_policy("Managed-CORS", "whitelist", ["Origin"]), None)}}
        self.points, self.events, self.counter_ids, self.replicated = {}, [], 0, set()
        self.young_role_tries = 1
        self.shy_role_tries = 0
        self.future = True      # answers have what no model knows yet
        self.slow = SLOW

    def next_id(self, prefix):
        self.counter_ids += 1
        return f"{prefix}{self.counter_ids:06d}"

    # --- common ---
    def service_of(self, req):
        if req.path.startswith("/2015-03-31/") or req.path.startswith("/2017-03-31/"):
            return "lambda"
        if req.path.startswith(C + "/"):
            return "cloudfront"
        if req.path.startswith("/key-value-stores/"):
            return "cloudfront-keyvaluestore"
        if req.headers.get("x-amz-target"):
            return SERVICES.get(req.headers["x-amz-target"].split(".")[0])
        return {"2010-05-08": "iam", "2011-06-15": "sts"}.get(req.form().get("Version"))

    def error(self, req, status, code, message):
        service = self.service_of(req)
        if service in ("cloudfront", "iam", "sts"):
            return xml_error(status, code, message)
        if service in ("lambda", "cloudfront-keyvaluestore"):
            return json_error(status, code, message)
        return target_error(code, message, status)

    def failure(self, status, text):
        codes = {409: "ConflictException", 412: "PreconditionFailed", 429: "ThrottlingException", 503: "ServiceUnavailable"}
        last = self.requests[-1]["path"] if self.requests else "/"
        code = codes.get(status, "FakeRefusal")
        return (json_error if last.startswith(("/2015", "/key")) else xml_error)(status, code, text)

    def limit_headers(self, seconds):
        return {"Retry-After": str(seconds)}

    def authenticate(self, req):
        if req.path.startswith("/code/"):
            return None
        if self.service_of(req) == "sts" and \
                req.form().get("Action") == "AssumeRoleWithWebIdentity":
            if "authorization" in req.headers:
                raise Refused("AssumeRoleWithWebIdentity is not signed")
            return None
        try:
            _, (region, service) = aws_signature.check(req.method, req.raw_path, req.raw_query,
                                                       req.headers, req.body, self.keys)
        except aws_signature.Bad as bad:
            if bad.code == "SignatureDoesNotMatch":
                self.violations.append(f"{req.method} {req.path}: {bad}")
            return self.error(req, 403, bad.code, str(bad))
        if service != self.service_of(req):
            raise Refused(f"signed for {service}, which is not {self.service_of(req)}")
        if region not in (None, "us-east-1") and service not in ("logs", "monitoring", "sts"):
            raise Refused(f"signed for {region}")
        self.region = region
        return None

    def state(self):
        return {
            "roles": self.roles, "parameters": self.parameters, "tags": self.tags,
            "functions": {n: {"versions": [{k: v[k] for k in ("Version", "CodeSha256",
                                                              "Description")}
                                           for v in f["versions"]], "tags": f["tags"]}
                          for n, f in self.functions.items()},
            "distributions": {i: {"config": write(d["config"]).decode(), "staging": d["staging"],
                                  "domain": d["domain"]} for i, d in self.distributions.items()},
            "policies": {i: write(p["config"]).decode() for i, p in self.policies.items()},
            "invalidations": self.invalidations,
            "stores": {s["name"]: s["items"] for s in self.stores.values()},
            "cf_functions": {n: sorted(f["stages"]) for n, f in self.cf_functions.items()},
            "cf_policies": {c.findtext("Name"): i for p in self.cf_policies.values()
                            for i, (c, etag) in p.items() if etag},
        }

    # --- dialects with one path ---
    @route("POST", "/", body="raw")
    def post(self, req):
        target = req.headers.get("x-amz-target")
        if target:
            service, operation = target.split(".")
            if not req.type().startswith("application/x-amz-json-1."):
                raise Refused(f"Content-Type {req.type()}")
            return getattr(self, f"{SERVICES[service]}_{operation}")(req.json())
        form = req.form()
        if req.type() != "application/x-www-form-urlencoded":
            raise Refused(f"Content-Type {req.type()}")
        return getattr(self, f"{self.service_of(req)}_{form['Action']}")(form)

    # --- STS ---
    def sts_GetCallerIdentity(self, form):
        return query_answer("GetCallerIdentity", f"<Arn>arn:aws:iam::{ACCOUNT}:user/me</Arn>"
                            f"<UserId>U</UserId><Account>{ACCOUNT}</Account>")

    def give_keys(self, operation, role):
        key = self.next_id("ASIA")
        self.keys[key] = (f"temporary/{key}+", f"token/{key}==")
        until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
        return query_answer(operation, (
            f"<Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>temporary/{key}+"
            f"</SecretAccessKey><SessionToken>token/{key}==</SessionToken><Expiration>{until}"
            f"</Expiration></Credentials><AssumedRoleUser><Arn>{role}</Arn></AssumedRoleUser>"))

    def sts_AssumeRoleWithWebIdentity(self, form):
        if form["WebIdentityToken"] != "oidc-token":
            return xml_error(400, "InvalidIdentityToken", "No OpenIDConnect provider found")
        if not form["RoleSessionName"]:
            raise Refused("no session name")
        return self.give_keys("AssumeRoleWithWebIdentity", form["RoleArn"])

    def sts_AssumeRole(self, form):
        if form.get("ExternalId") == "wrong":
            return xml_error(403, "AccessDenied", "not authorized to perform: sts:AssumeRole")
        return self.give_keys("AssumeRole", form["RoleArn"])

    # --- IAM ---
    def role(self, form):
        role = self.roles.get(form["RoleName"])
        if role and role["shy"] > 0:
            role["shy"] -= 1
            role = None
        if not role:
            raise Instead(xml_error(404, "NoSuchEntity",
                                    f"The role with name {form['RoleName']} cannot be found."))
        return role

    def role_xml(self, name):
        return f"<Role><RoleName>{name}</RoleName><Arn>arn:aws:iam::{ACCOUNT}:role/{name}</Arn></Role>"

    def iam_GetRole(self, form):
        self.role(form)
        return query_answer("GetRole", self.role_xml(form["RoleName"]))

    def iam_CreateRole(self, form):
        name, trust = form["RoleName"], json.loads(form["AssumeRolePolicyDocument"])
        if not re.fullmatch(r"[\w+=,.@-]{1,64}", name):
            raise Refused(f"role name {name}")
        if name in self.roles:
            return xml_error(409, "EntityAlreadyExists", f"Role with name {name} already exists.")
        self.roles[name] = {"trust": trust["Statement"][0]["Principal"]["Service"], "policies": {},
                            "young": self.young_role_tries, "shy": self.shy_role_tries}
        return query_answer("CreateRole", self.role_xml(name))

    def iam_GetRolePolicy(self, form):
        if form["PolicyName"] not in self.role(form)["policies"]:
            return xml_error(404, "NoSuchEntity", "The role policy cannot be found.")
        document = urllib.parse.quote(json.dumps(self.role(form)["policies"][form["PolicyName"]]), safe="")
        return query_answer("GetRolePolicy", f"<RoleName>{form['RoleName']}</RoleName><PolicyName>"
                            f"{form['PolicyName']}</PolicyName><PolicyDocument>{document}"
                            "</PolicyDocument>")

    def iam_PutRolePolicy(self, form):
        self.role(form)["policies"][form["PolicyName"]] = json.loads(form["PolicyDocument"])
        return query_answer("PutRolePolicy")

    def iam_DeleteRolePolicy(self, form):
        if not self.role(form)["policies"].pop(form["PolicyName"], None):
            return xml_error(404, "NoSuchEntity", "The role policy cannot be found.")
        return query_answer("DeleteRolePolicy")

    def iam_DeleteRole(self, form):
        if self.role(form)["policies"]:
            return xml_error(409, "DeleteConflict", "Cannot delete entity, must delete policies first.")
        del self.roles[form["RoleName"]]
        return query_answer("DeleteRole")

    # --- Lambda ---
    def function(self, name):
        f = self.functions.get(name)
        if not f:
            raise Instead(json_error(404, "ResourceNotFoundException",
                                     f"Function not found: {self.function_arn(name)}"))
        return f

    def function_arn(self, name):
        return f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}"

    def unpack(self, text):
        try:
            data = base64.b64decode(text, validate=True)
            with zipfile.ZipFile(io.BytesIO(data)) as z:
                names = z.namelist()
        except (ValueError, zipfile.BadZipFile) as e:
            raise Instead(json_error(400, "InvalidParameterValueException",
                                     "Could not unzip uploaded file.")) from e
        if "lambda/index.js" not in names:
            raise Refused(f"no handler in the zip: {names}")
        return base64.b64encode(hashlib.sha256(data).digest()).decode(), len(data), text

    def look(self, f):
        """Each look brings what is under way nearer to its end."""
        c = dict(f["config"])
        if f["pending"] > 0:
            f["pending"] -= 1
            c.update(f["busy"])
        return c

    @route("POST", L, body="json")
    def create_function(self, req):
        b = req.json()
        name = b["FunctionName"]
        known = {"FunctionName", "Runtime", "Role", "Handler", "Code", "Timeout", "MemorySize",
                 "Publish", "Architectures", "Tags", "Description"}
        if set(b) - known:
            raise Refused(f"CreateFunction has no {set(b) - known}")
        if not 1 <= b["Timeout"] <= 30 or b["Architectures"] != ["x86_64"] or \
                b["Handler"] != "lambda/index.handler" or b["Runtime"] != "nodejs24.x":
            raise Refused("not fit for the edge")
        role = self.roles.get(b["Role"].rpartition("/")[2])
        if not role or set(role["trust"]) != {"lambda.amazonaws.com", "edgelambda.amazonaws.com"}:
            return json_error(400, "InvalidParameterValueException",
                              "The role defined for the function cannot be assumed by Lambda.")
        if role["young"] > 0:
            role["young"] -= 1
            return json_error(400, "InvalidParameterValueException",
                              "The role defined for the function cannot be assumed by Lambda.")
        if name in self.functions:
            return json_error(409, "ResourceConflictException", f"Function already exist: {name}")
        sha, size, code = self.unpack(b["Code"]["ZipFile"])
        config = {"FunctionName": name, "FunctionArn": self.function_arn(name), "Version": "$LATEST",
                  "CodeSha256": sha, "CodeSize": size, "Description": "", "LastModified": now(),
                  "State": "Active", "LastUpdateStatus": "Successful", "RevisionId": self.next_id("rev"),
                  **{k: b[k] for k in ("Runtime", "Role", "Handler", "Timeout", "MemorySize")}}
        self.functions[name] = {"config": config, "versions": [], "tags": b.get("Tags", {}), "code": code,
                                "pending": self.slow,
                                "busy": {"State": "Pending", "StateReason": "The function is being created."}}
        return Answer(201, json={**config, "State": "Pending"})

    @route("GET", L + "/{name}", query=["Qualifier"])
    def get_function(self, req, name):
        f = self.function(name)
        q = req.query.get("Qualifier")
        config = next((v for v in f["versions"] if v["Version"] == q), None) if q else self.look(f)
        if not config:
            return json_error(404, "ResourceNotFoundException", "Function not found")
        location = f"http://127.0.0.1:{self.port}/code/{name}/{q or 'latest'}?X-Amz-Signature=presigned"
        return Answer(json={"Configuration": config, "Tags": f["tags"],
                            "Code": {"RepositoryType": "S3", "Location": location}})

    @route("GET", "/code/{name}/{version}", query=["X-Amz-Signature"])
    def get_code(self, req, name, version):
        """S3, by an address that was signed beforehand."""
        if "authorization" in req.headers or req.query.get("X-Amz-Signature") != "presigned":
            raise Refused("an address with a signature is asked without another")
        f = self.function(name)
        code = f["code"] if version == "latest" else f["codes"][version]
        return Answer(body=base64.b64decode(code), type="application/zip")

    @route("GET", L + "/{name}/configuration", query=["Qualifier"])
    def get_configuration(self, req, name):
        f, q = self.function(name), req.query.get("Qualifier")
        if not q:
            return Answer(json=self.look(f))
        v = next((v for v in f["versions"] if v["Version"] == q), None)
        if not v:
            return json_error(404, "ResourceNotFoundException", "Function not found")
        pending = f["young"].get(q, 0)
        f["young"][q] = max(0, pending - 1)
        return Answer(json={**v, "State": "Pending" if pending else "Active"})

    def busy(self, f):
        if f["pending"] > 0:
            raise Instead(json_error(409, "ResourceConflictException",
                                     "The operation cannot be performed at this time. An update is "
                                     "in progress for resource"))

    def changed(self, f):
        f["config"].update(RevisionId=self.next_id("rev"), LastModified=now())
        f["pending"], f["busy"] = self.slow, {"LastUpdateStatus": "InProgress"}
        return Answer(json={**f["config"], **f["busy"]})

    @route("PUT", L + "/{name}/code", body="json")
    def update_code(self, req, name):
        f, b = self.function(name), req.json()
        self.busy(f)
        if set(b) - {"ZipFile", "RevisionId", "Publish", "DryRun"}:
            raise Refused(f"UpdateFunctionCode has no {set(b)}")
        if b.get("RevisionId", f["config"]["RevisionId"]) != f["config"]["RevisionId"]:
            return json_error(412, "PreconditionFailedException", "The RevisionId provided does not "
                              "match the latest RevisionId.")
        f["config"]["CodeSha256"], f["config"]["CodeSize"], f["code"] = self.unpack(b["ZipFile"])
        return self.changed(f)

    @route("PUT", L + "/{name}/configuration", body="json")
    def update_configuration(self, req, name):
        f, b = self.function(name), req.json()
        self.busy(f)
        if set(b) - {"Handler", "Runtime", "Timeout", "MemorySize", "Role", "Description"}:
            raise Refused(f"not for the edge: {set(b)}")
        f["config"].update(b)
        return self.changed(f)

    @route("POST", L + "/{name}/versions", body="json")
    def publish(self, req, name):
        f, b = self.function(name), req.json()
        self.busy(f)
        if b.get("CodeSha256", f["config"]["CodeSha256"]) != f["config"]["CodeSha256"]:
            return json_error(400, "InvalidParameterValueException", "CodeSHA256 is different from "
                              "current CodeSHA256 in $LATEST.")
        if len(b.get("Description", "")) > 256:
            raise Refused("the description is too long")
        last = f["versions"][-1] if f["versions"] else None
        same = last and all(last[k] == f["config"][k] for k in ("CodeSha256", "Timeout", "MemorySize",
                                                                "Handler", "Runtime"))
        if not same:
            number = str(f.setdefault("number", 0) + 1)
            f["number"] += 1
            f["versions"].append({**f["config"], "Version": number, "LastModified": now(),
                                  "Description": b.get("Description", ""),
                                  "FunctionArn": f"{self.function_arn(name)}:{number}"})
            f.setdefault("codes", {})[number] = f["code"]
            f.setdefault("young", {})[number] = self.slow
        return Answer(201, json=f["versions"][-1])

    @route("GET", L + "/{name}/versions", query=["MaxItems", "Marker"])
    def versions(self, req, name):
        f = self.function(name)
        everything = [self.look(f)] + f["versions"]
        start, n = int(req.query.get("Marker", 0)), min(int(req.query.get("MaxItems", 50)), 3)
        page = {"Versions": everything[start:start + n]}
        if start + n < len(everything):
            page["NextMarker"] = str(start + n)
        return Answer(json=page)

    @route("DELETE", L + "/{name}", query=["Qualifier"])
    def delete_function(self, req, name):
        f, q = self.function(name), req.query.get("Qualifier")
        arns = [f"{self.function_arn(name)}:{v['Version']}" for v in f["versions"]
                if q in (None, v["Version"])]
        used = {e.text for d in self.distributions.values()
                for e in d["config"].iter("LambdaFunctionARN")}
        if set(arns) & (used | self.replicated):
            return json_error(400, "InvalidParameterValueException",
                              f"Lambda was unable to delete {arns[0]} because it is a replicated "
                              "function. Please see our documentation for Deleting Lambda@Edge "
                              "Functions and Replicas.")
        if q:
            f["versions"] = [v for v in f["versions"] if v["Version"] != q]
        else:
            del self.functions[name]
        return Answer(204)

    @route("POST", L + "/{name}/invocations", query=["Qualifier"], body="json")
    def invoke(self, req, name):
        f, event = self.function(name), req.json()
        version = next((v for v in f["versions"] if v["Version"] == req.query.get("Qualifier")), None)
        if not version:
            return json_error(404, "ResourceNotFoundException", "Function not found")
        r = event["Records"][0]["cf"]["request"]
        if r["method"] != "GET" or r["headers"]["host"][0]["key"].lower() != "host":
            raise Refused("no event of origin-request")
        if r["uri"] == "/boom":
            return Answer(json={"errorType": "Error", "errorMessage": "boom"},
                          headers={"X-Amz-Function-Error": "Unhandled"})
        return Answer(json={"status": "404" if r["uri"] == "/missing" else "200",
                            "headers": {}, "body": "hi"})

    @route("POST", "/2017-03-31/tags/{arn}", body="json")
    def tag_function(self, req, arn):
        self.function(arn.rpartition(":")[2])["tags"].update(req.json()["Tags"])
        return Answer(204)

    # --- Systems Manager ---
    def ssm_GetParameter(self, b):
        p = self.parameters.get(b["Name"])
        if not p:
            return target_error("ParameterNotFound", "")
        return Answer(json={"Parameter": {"Name": b["Name"], **p}})

    def ssm_PutParameter(self, b):
        if set(b) - {"Name", "Value", "Type", "Overwrite", "Tier"} or not b["Value"]:
            raise Refused(f"PutParameter: {set(b)}")
        if not re.fullmatch(r"(/[A-Za-z0-9_.-]+)+", b["Name"]):
            return target_error("ValidationException", "Parameter name must be a fully qualified name.")
        if b["Name"] in self.parameters and not b["Overwrite"]:
            return target_error("ParameterAlreadyExists", "The parameter already exists.")
        self.parameters[b["Name"]] = {"Value": b["Value"], "Type": b["Type"]}
        self.modified[b["Name"]] = float(self.next_id(""))
        return Answer(json={"Version": 1})

    def ssm_GetParametersByPath(self, b):
        if not b["Recursive"] or b["MaxResults"] > 10:
            raise Refused("GetParametersByPath")
        names = sorted(n for n in self.parameters if n.startswith(b["Path"] + "/"))
        start = int(b.get("NextToken") or 0)
        page = {"Parameters": [{"Name": n, "LastModifiedDate": self.modified[n]}
                               for n in names[start:start + 2]]}
        if start + 2 < len(names):
            page["NextToken"] = str(start + 2)
        return Answer(json=page)

    def ssm_DeleteParameters(self, b):
        gone = [n for n in b["Names"] if self.parameters.pop(n, None)]
        return Answer(json={"DeletedParameters": gone})

    # --- CloudWatch and Logs ---
    def monitoring_GetMetricData(self, b):
        results = []
        for q in b["MetricDataQueries"]:
            metric, stat = q["MetricStat"]["Metric"], q["MetricStat"]["Stat"]
            dims = {d["Name"]: d["Value"] for d in metric["Dimensions"]}
            if metric["Namespace"] == "edgectl" and set(dims) == {"App", "Version"}:
                points = self.own_points(dims, metric["MetricName"], stat)
            elif metric["Namespace"] == "AWS/CloudFront" and dims.get("Region") == "Global" and \
                    self.region == "us-east-1":
                points = self.points.get((dims["DistributionId"], metric["MetricName"]), [])
            else:
                raise Refused(f"not a metric of ours or of CloudFront: {metric} in {self.region}")
            points = [(t, v) for t, v in points if b["StartTime"] <= t < b["EndTime"]]
            results.append({"Id": q["Id"], "Timestamps": [p[0] for p in points],
                            "Values": [p[1] for p in points], "StatusCode": "Complete"})
        token = b.get("NextToken")
        half = len(results) // 2    # in two pages
        page = {"MetricDataResults": results[half:] if token else results[:half]}
        if not token:
            page["NextToken"] = "more"
        return Answer(json=page)

    def own_points(self, dims, metric, stat):
        """Of what functions have written, in this region: minute -> [latency in ms, error, trap]."""
        points = []
        for minute, samples in sorted(self.samples.get((self.region, dims["App"], dims["Version"]), {}).items()):
            rank = re.fullmatch(r"PR\(:([0-9.]+)\)", stat)
            values = [s[("Latency", "Errors", "Traps").index(metric)] for s in samples]
            if rank:
                value = 100 * sum(v <= float(rank[1]) for v in values) / len(values)
            else:
                value = {"SampleCount": len(values), "Sum": sum(values)}[stat]
            points.append((minute, value))
        return points

    def drift_samples(self, version, minute, samples, region="us-east-1", app="shop"):
        self.samples.setdefault((region, app, version), {})[minute] = samples
        return {}

    def logs_FilterLogEvents(self, b):
        if not b["logGroupName"].startswith("/aws/lambda/us-east-1."):
            raise Refused(f"log group {b['logGroupName']}")
        events = [e for e in self.events if e["group"] == b["logGroupName"]
                  and e["timestamp"] >= b["startTime"]]
        if not events:
            return target_error("ResourceNotFoundException", "The specified log group does not exist.")
        return Answer(json={"events": events, "searchedLogStreams": []})

    # --- CloudFront: distributions ---
    def distribution(self, id):
        d = self.distributions.get(id)
        if not d:
            raise Instead(xml_error(404, "NoSuchDistribution",
                                    "The specified distribution does not exist."))
        return d

    def match(self, req, thing):
        given = req.headers.get("if-match")
        if not given:
            raise Instead(xml_error(400, "InvalidIfMatchVersion",
                                    "The If-Match version is missing or not valid for the resource."))
        if given != thing["etag"]:
            raise Instead(xml_error(412, "PreconditionFailed",
                                    "The request failed because it didn't meet the preconditions in one "
                                    "or more request-header fields."))

    def check_config(self, config, staging):
        ordered(config, CONFIG, "DistributionConfig")
        quantities(config)
        for name in ("CallerReference", "Origins", "DefaultCacheBehavior", "Comment", "Enabled"):
            if config.find(name) is None:
                raise Instead(xml_error(400, "MalformedXML", f"{name} is missing"))
        behaviours = [config.find("DefaultCacheBehavior"), *config.iter("CacheBehavior")]
        for b in behaviours:
            ordered(b, BEHAVIOUR, b.tag)
            seen = set()
            for a in b.iter("LambdaFunctionAssociation"):
                arn, event = a.findtext("LambdaFunctionARN"), a.findtext("EventType")
                name, _, version = arn.removeprefix(self.function_arn("")).partition(":")
                f = self.functions.get(name)
                if not f or version not in [v["Version"] for v in f["versions"]]:
                    raise Instead(xml_error(400, "InvalidLambdaFunctionAssociation",
                                            f"The function cannot be found. Function: {arn}"))
                if event in seen:
                    raise Instead(xml_error(400, "InvalidLambdaFunctionAssociation", "twice"))
                if f.get("young", {}).get(version, 0) > 0:
                    raise Instead(xml_error(400, "InvalidLambdaFunctionAssociation",
                                            f"The function must be in an Active state. Function: {arn}"))
                seen.add(event)
            mixed = any(e.startswith("viewer-") for e in seen)
            for a in b.iter("FunctionAssociation"):
                arn, event = a.findtext("FunctionARN"), a.findtext("EventType")
                name = arn.removeprefix(f"arn:aws:cloudfront::{ACCOUNT}:function/")
                if "LIVE" not in self.cf_functions.get(name, {"stages": {}})["stages"]:
                    raise Instead(xml_error(400, "InvalidFunctionAssociation",
                                            f"The function is not published: {arn}"))
                if event not in ("viewer-request", "viewer-response") or (event, "edge") in seen or mixed:
                    raise Instead(xml_error(400, "InvalidFunctionAssociation", f"not at {event}"))
                seen.add((event, "edge"))
            for tag, kind in (("CachePolicyId", "cache"), ("OriginRequestPolicyId", "origin-request")):
                if b.find(tag) is not None and b.findtext(tag) not in self.cf_policies[kind]:
                    raise Instead(xml_error(404, POLICIES[kind][2], f"no such policy: {b.findtext(tag)}"))
        aliases = [e.text for e in config.iter("CNAME")]
        if aliases and config.find("ViewerCertificate/ACMCertificateArn") is None:
            raise Instead(xml_error(400, "InvalidViewerCertificate", "To add an alternate domain name "
                                    "to a CloudFront distribution, you must attach a certificate"))
        policy = config.findtext("ContinuousDeploymentPolicyId")
        if policy and policy not in self.policies:
            raise Instead(xml_error(404, "NoSuchContinuousDeploymentPolicy", "no such policy"))
        if policy and config.findtext("HttpVersion") == "http2and3":
            raise Instead(xml_error(400, "IllegalUpdate", "HTTP/3 must be off"))

    def complete(self, config, staging=False):
        """What CloudFront adds by itself, with something that nobody has heard of yet."""
        def put(parent, order, name, make):
            if parent.find(name) is None:
                parent.append(make)
                parent[:] = sorted(parent, key=lambda e: order.index(e.tag))
        put(config, CONFIG, "Aliases", element("Aliases", Quantity=0))
        put(config, CONFIG, "CacheBehaviors", element("CacheBehaviors", Quantity=0))
        put(config, CONFIG, "ViewerCertificate",
            element("ViewerCertificate", CloudFrontDefaultCertificate="true"))
        put(config, CONFIG, "ContinuousDeploymentPolicyId", element("ContinuousDeploymentPolicyId"))
        put(config, CONFIG, "Staging", element("Staging"))
        config.find("Staging").text = "true" if staging else "false"
        if self.future:
            future = element("FutureThing", Inner="a & b")
            future.set("kind", "new\"est")
            put(config, CONFIG, "FutureThing", future)
        b = config.find("DefaultCacheBehavior")
        put(b, BEHAVIOUR, "LambdaFunctionAssociations", element("LambdaFunctionAssociations", Quantity=0))
        put(b, BEHAVIOUR, "FunctionAssociations", element("FunctionAssociations", Quantity=0))
        if self.future:
            put(b, BEHAVIOUR, "FutureSetting", element("FutureSetting", Level=7))

    def add_distribution(self, config, staging=False, tags=None):
        id = self.next_id("E")
        self.complete(config, staging)
        arn = f"arn:aws:cloudfront::{ACCOUNT}:distribution/{id}"
        self.distributions[id] = {"id": id, "config": config, "etag": self.next_id("TAG"),
                                  "staging": staging, "domain": f"d{id.lower()}.cloudfront.net",
                                  "arn": arn, "pending": self.slow}
        self.tags[arn] = dict(tags or {})
        return self.distributions[id]

    def distribution_xml(self, d):
        status = "InProgress" if d["pending"] > 0 else "Deployed"
        root = element("Distribution", Id=d["id"], ARN=d["arn"], Status=status,
                       LastModifiedTime="2026-01-01T00:00:00Z", InProgressInvalidationBatches=0,
                       DomainName=d["domain"])
        root.append(copy.deepcopy(d["config"]))
        return root

    @route("GET", C + "/distribution", query=["MaxItems", "Marker"])
    def list_distributions(self, req):
        ids = sorted(self.distributions)
        start = ids.index(req.query["Marker"]) + 1 if req.query.get("Marker") else 0
        items = element("Items")
        for id in ids[start:start + 2]:
            d = self.distributions[id]
            items.append(element("DistributionSummary", Id=id, ARN=d["arn"], Status="Deployed",
                                 DomainName=d["domain"], Comment=d["config"].findtext("Comment") or "",
                                 Staging="true" if d["staging"] else "false"))
        root = element("DistributionList", Marker=req.query.get("Marker", ""), MaxItems=100,
                       IsTruncated="false", Quantity=len(items))
        if start + 2 < len(ids):
            root.append(element("NextMarker"))
            root[-1].text = ids[start + 1]
        if len(items):
            root.append(items)
        return xml(root)

    @route("POST", C + "/distribution", query=["WithTags"], body="raw")
    def create_distribution(self, req):
        if req.query.get("WithTags") != "":
            raise Refused("without tags it could not be told whose it is")
        root = read(req, "DistributionConfigWithTags")
        config = root.find("DistributionConfig")
        tags = {t.findtext("Key"): t.findtext("Value") for t in root.iter("Tag")}
        reference = config.findtext("CallerReference")
        for d in self.distributions.values():
            if d["config"].findtext("CallerReference") == reference:
                same = d["config"].findtext("Comment") == config.findtext("Comment")
                if not same:
                    return xml_error(409, "DistributionAlreadyExists", "The caller reference is in use.")
                return xml(self.distribution_xml(d), 201, d["etag"])
        self.check_config(config, False)
        d = self.add_distribution(config, tags=tags)
        return xml(self.distribution_xml(d), 201, d["etag"], f"{C}/distribution/{d['id']}")

    @route("GET", C + "/distribution/{id}")
    def get_distribution(self, req, id):
        d = self.distribution(id)
        answer = xml(self.distribution_xml(d), 200, d["etag"])
        d["pending"] -= d["pending"] > 0
        return answer

    def put_config(self, d, config):
        old, new = d["config"], config
        for name in ("FutureThing", "DefaultCacheBehavior/FutureSetting"):
            a, b = old.find(name), new.find(name)
            if a is None and b is None:
                continue
            if b is None or ET.tostring(a) != ET.tostring(b):
                raise Refused(f"{name} was lost")
        if new.findtext("CallerReference") != old.findtext("CallerReference") or \
                new.findtext("Staging") != old.findtext("Staging"):
            raise Instead(xml_error(400, "IllegalUpdate", "The update contains modifications that are "
                                    "not allowed."))
        d["config"], d["etag"], d["pending"] = config, self.next_id("TAG"), self.slow

    @route("PUT", C + "/distribution/{id}/config", body="raw")
    def update_distribution(self, req, id):
        d = self.distribution(id)
        self.match(req, d)
        config = read(req, "DistributionConfig")
        self.check_config(config, d["staging"])
        self.put_config(d, config)
        return xml(self.distribution_xml(d), 200, d["etag"])

    @route("DELETE", C + "/distribution/{id}")
    def delete_distribution(self, req, id):
        d = self.distribution(id)
        self.match(req, d)
        if d["config"].findtext("Enabled") != "false":
            return xml_error(409, "DistributionNotDisabled", "The distribution you are trying to delete "
                             "has not been disabled.")
        if d["pending"]:
            return xml_error(409, "ResourceInUse", "It is being deployed.")
        for p in self.policies.values():
            if d["domain"] in [e.text for e in p["config"].iter("DnsName")]:
                return xml_error(409, "ResourceInUse", "A policy has it.")
        del self.distributions[id]
        return Answer(204)

    @route("POST", C + "/distribution/{id}/copy", body="raw")
    def copy_distribution(self, req, id):
        d = self.distribution(id)
        self.match(req, d)
        if req.headers.get("staging") != "true":
            raise Refused("only a staging distribution can be a copy")
        root = read(req, "CopyDistributionRequest")
        ordered(root, ["CallerReference", "Enabled"], "CopyDistributionRequest")
        reference = root.findtext("CallerReference")
        for other in self.distributions.values():
            if other["config"].findtext("CallerReference") == reference:
                return xml(self.distribution_xml(other), 201, other["etag"])
        config = copy.deepcopy(d["config"])
        config.find("CallerReference").text = reference
        config.find("ContinuousDeploymentPolicyId").text = None
        aliases = config.find("Aliases")
        aliases[:] = element("Aliases", Quantity=0)
        certificate = config.find("ViewerCertificate")
        certificate[:] = element("ViewerCertificate", CloudFrontDefaultCertificate="true")
        new = self.add_distribution(config, staging=True)
        return xml(self.distribution_xml(new), 201, new["etag"], f"{C}/distribution/{new['id']}")

    @route("PUT", C + "/distribution/{id}/promote-staging-config", query=["StagingDistributionId"])
    def promote(self, req, id):
        d, s = self.distribution(id), self.distribution(req.query["StagingDistributionId"])
        if req.headers.get("if-match") != f"{d['etag']}, {s['etag']}":
            return xml_error(412, "PreconditionFailed", "The ETags do not match.")
        config = copy.deepcopy(s["config"])
        for name in ("CallerReference", "Aliases", "ViewerCertificate", "Staging",
                     "ContinuousDeploymentPolicyId", "Comment"):
            i = list(config).index(config.find(name))
            config[i] = copy.deepcopy(d["config"].find(name))
        self.put_config(d, config)
        policy = self.policies.get(d["config"].findtext("ContinuousDeploymentPolicyId") or "")
        if policy:
            policy["config"].find("Enabled").text = "false"
            policy["etag"] = self.next_id("TAG")
        return xml(self.distribution_xml(d), 200, d["etag"])

    @route("POST", C + "/distribution/{id}/invalidation", body="raw")
    def invalidate(self, req, id):
        self.distribution(id)
        root = read(req, "InvalidationBatch")
        quantities(root)
        self.invalidations.append([p.text for p in root.iter("Path")])
        return xml(element("Invalidation", Id=self.next_id("I"), Status="InProgress"), 201)

    @route("GET", C + "/tagging", query=["Resource"])
    def list_tags(self, req):
        items = element("Items", *[element("Tag", Key=k, Value=v)
                                   for k, v in self.tags.get(req.query["Resource"], {}).items()])
        return xml(element("Tags", items))

    @route("POST", C + "/tagging", query=["Resource"], needs=[("Operation", "Tag")], body="raw")
    def add_tags(self, req):
        root = read(req, "Tags")
        self.tags.setdefault(req.query["Resource"], {}).update(
            {t.findtext("Key"): t.findtext("Value") for t in root.iter("Tag")})
        return Answer(204)

    # --- CloudFront: continuous deployment ---
    def check_policy(self, root):
        ordered(root, ["StagingDistributionDnsNames", "Enabled", "TrafficConfig"], root.tag)
        quantities(root)
        for name in root.iter("DnsName"):
            if name.text not in [d["domain"] for d in self.distributions.values() if d["staging"]]:
                return xml_error(404, "StagingDistributionInUse", "no such staging distribution")
        traffic = root.find("TrafficConfig")
        ordered(traffic, ["SingleWeightConfig", "SingleHeaderConfig", "Type"], "TrafficConfig")
        if traffic.findtext("Type") == "SingleWeight":
            weight = float(traffic.findtext("SingleWeightConfig/Weight"))
            if not 0 < weight <= 0.15:
                raise Instead(xml_error(400, "InvalidArgument", "The weight must be between 0 and 0.15."))
            idle = int(traffic.findtext("SingleWeightConfig/SessionStickinessConfig/IdleTTL"))
            most = int(traffic.findtext("SingleWeightConfig/SessionStickinessConfig/MaximumTTL"))
            if not 300 <= idle <= most <= 3600:
                raise Instead(xml_error(400, "InvalidArgument", "TTL"))
        elif not traffic.findtext("SingleHeaderConfig/Header").startswith("aws-cf-cd-"):
            raise Instead(xml_error(400, "InvalidArgument", "The header must begin with aws-cf-cd-."))
        return None

    def policy_xml(self, id):
        p = self.policies[id]
        root = element("ContinuousDeploymentPolicy", Id=id, LastModifiedTime="2026-01-01T00:00:00Z")
        root.append(copy.deepcopy(p["config"]))
        return root

    @route("GET", C + "/continuous-deployment-policy", query=["MaxItems", "Marker"])
    def list_policies(self, req):
        ids = sorted(self.policies)
        start = ids.index(req.query["Marker"]) + 1 if req.query.get("Marker") else 0
        items = element("Items", *[element("ContinuousDeploymentPolicySummary", self.policy_xml(id))
                                   for id in ids[start:start + 1]])
        root = element("ContinuousDeploymentPolicyList", MaxItems=100, Quantity=len(items))
        if start + 1 < len(ids):
            root.append(element_text("NextMarker", ids[start]))
        if len(items):
            root.append(items)
        return xml(root)

    @route("POST", C + "/continuous-deployment-policy", body="raw")
    def create_policy(self, req):
        config = read(req, "ContinuousDeploymentPolicyConfig")
        domains = [e.text for e in config.iter("DnsName")]
        for p in self.policies.values():
            if domains == [e.text for e in p["config"].iter("DnsName")]:
                return xml_error(409, "StagingDistributionInUse", "It has a policy.")
        answer = self.check_policy(config)
        if answer:
            return answer
        id = self.next_id("P")
        self.policies[id] = {"config": config, "etag": self.next_id("TAG")}
        return xml(self.policy_xml(id), 201, self.policies[id]["etag"])

    def policy(self, id):
        if id not in self.policies:
            raise Instead(xml_error(404, "NoSuchContinuousDeploymentPolicy", "no such policy"))
        return self.policies[id]

    @route("GET", C + "/continuous-deployment-policy/{id}")
    def get_policy(self, req, id):
        return xml(self.policy_xml(id) if self.policy(id) else None, 200, self.policy(id)["etag"])

    @route("PUT", C + "/continuous-deployment-policy/{id}", body="raw")
    def update_policy(self, req, id):
        p = self.policy(id)
        self.match(req, p)
        config = read(req, "ContinuousDeploymentPolicyConfig")
        answer = self.check_policy(config)
        if answer:
            return answer
        p["config"], p["etag"] = config, self.next_id("TAG")
        return xml(self.policy_xml(id), 200, p["etag"])

    @route("DELETE", C + "/continuous-deployment-policy/{id}")
    def delete_policy(self, req, id):
        p = self.policy(id)
        self.match(req, p)
        if any(d["config"].findtext("ContinuousDeploymentPolicyId") == id
               for d in self.distributions.values()):
            return xml_error(409, "ContinuousDeploymentPolicyInUse", "It is attached.")
        del self.policies[id]
        return Answer(204)

    # --- CloudFront: functions ---
    def cf_function(self, name, stage="DEVELOPMENT"):
        f = self.cf_functions.get(name)
        if not f or stage not in f["stages"]:
            raise Instead(xml_error(404, "NoSuchFunctionExists", "The specified function does not exist."))
        return f

    def take_function(self, root, order):
        ordered(root, order, root.tag)
        quantities(root)
        config, code = root.find("FunctionConfig"), base64.b64decode(root.findtext("FunctionCode"), validate=True)
        ordered(config, ["Comment", "Runtime", "KeyValueStoreAssociations"], "FunctionConfig")
        if config.findtext("Runtime") != "cloudfront-js-2.0" or not code or config.find("Comment") is None:
            raise Refused("FunctionConfig")
        if len(code) > 10240:
            raise Instead(xml_error(413, "FunctionSizeLimitExceeded", "too large"))
        for e in config.iter("KeyValueStoreARN"):
            if e.text not in self.stores or self.stores[e.text]["pending"] > 0:
                raise Instead(xml_error(400, "InvalidArgument", f"no such KeyValueStore: {e.text}"))
        return config, code

    def function_summary(self, name, stage):
        f = self.cf_function(name, stage)
        root = element("FunctionSummary", Name=name, Status="UNPUBLISHED" if stage != "LIVE" else "DEPLOYED")
        root.append(copy.deepcopy(f["stages"][stage][0]))
        root.append(element("FunctionMetadata", FunctionARN=f"arn:aws:cloudfront::{ACCOUNT}:function/{name}",
                            Stage=stage, CreatedTime="2026-01-01T00:00:00Z",
                            LastModifiedTime="2026-01-01T00:00:00Z"))
        return root

    @route("POST", C + "/function", body="raw")
    def create_cf_function(self, req):
        root = read(req, "CreateFunctionRequest")
        name = root.findtext("Name")
        if not re.fullmatch("[a-zA-Z0-9-_]{1,64}", name):
            raise Refused(f"function name {name}")
        if name in self.cf_functions:
            return xml_error(409, "FunctionAlreadyExists", "A function with the same name already exists.")
        made = self.take_function(root, ["Name", "FunctionConfig", "FunctionCode", "Tags"])
        self.cf_functions[name] = {"stages": {"DEVELOPMENT": made}, "etag": self.next_id("FN"),
                                   "live_etag": None}
        return xml(self.function_summary(name, "DEVELOPMENT"), 201, self.cf_functions[name]["etag"])

    @route("GET", C + "/function/{name}/describe", query=["Stage"])
    def describe_function(self, req, name):
        stage = req.query.get("Stage", "DEVELOPMENT")
        f = self.cf_function(name, stage)
        return xml(self.function_summary(name, stage), 200, f["live_etag" if stage == "LIVE" else "etag"])

    @route("GET", C + "/function/{name}", query=["Stage"])
    def get_cf_function(self, req, name):
        stage = req.query.get("Stage", "DEVELOPMENT")
        return Answer(body=self.cf_function(name, stage)["stages"][stage][1], type="application/javascript")

    @route("PUT", C + "/function/{name}", body="raw")
    def update_cf_function(self, req, name):
        f = self.cf_function(name)
        self.match(req, f)
        f["stages"]["DEVELOPMENT"] = self.take_function(read(req, "UpdateFunctionRequest"),
                                                        ["FunctionConfig", "FunctionCode"])
        f["etag"] = self.next_id("FN")
        answer = xml(self.function_summary(name, "DEVELOPMENT"))
        answer.headers["ETtag"] = f["etag"]     # as the model has it
        return answer

    @route("POST", C + "/function/{name}/publish")
    def publish_cf_function(self, req, name):
        f = self.cf_function(name)
        self.match(req, f)
        f["stages"]["LIVE"], f["live_etag"] = f["stages"]["DEVELOPMENT"], self.next_id("FN")
        return xml(self.function_summary(name, "LIVE"))

    @route("DELETE", C + "/function/{name}")
    def delete_cf_function(self, req, name):
        f = self.cf_function(name)
        self.match(req, f)
        if any(e.text.endswith(f":function/{name}") for d in self.distributions.values()
               for e in d["config"].iter("FunctionARN")):
            return xml_error(409, "FunctionInUse", "It is associated.")
        del self.cf_functions[name]
        return Answer(204)

    # --- CloudFront: policies of behaviours ---
    def policy_answer(self, kind, id, status=200):
        config, etag = self.cf_policies[kind][id]
        root = element(POLICIES[kind][0], Id=id, LastModifiedTime="2026-01-01T00:00:00Z")
        root.append(copy.deepcopy(config))
        return xml(root, status, etag or "MANAGED")

    def list_of_policies(self, req, kind):
        name, list_name, _ = POLICIES[kind]
        if req.query.get("Type") != "custom":
            raise Refused("only the account's own are looked for")
        ids = sorted(i for i, (_, etag) in self.cf_policies[kind].items() if etag)
        start = ids.index(req.query["Marker"]) + 1 if req.query.get("Marker") else 0
        items = element("Items")
        for id in ids[start:start + 1]:
            policy = element(name, Id=id)
            policy.append(copy.deepcopy(self.cf_policies[kind][id][0]))
            items.append(element(name + "Summary", element_text("Type", "custom"), policy))
        root = element(list_name, MaxItems=100, Quantity=len(items))
        if start + 1 < len(ids):
            root.append(element_text("NextMarker", ids[start]))
        if len(items):
            root.append(items)
        return xml(root)

    def make_policy(self, req, kind):
        name, _, _ = POLICIES[kind]
        config = read(req, name + "Config")
        quantities(config)
        if any(c.findtext("Name") == config.findtext("Name") for c, _ in self.cf_policies[kind].values()):
            return xml_error(409, name + "AlreadyExists", "A policy with this name already exists.")
        for e in config.iter("HeadersConfig"):
            how, n = e.findtext("HeaderBehavior"), len(list(e.iter("Name")))
            if (how == "whitelist") != (n > 0):
                raise Refused(f"{how} with {n} headers")
            if kind == "cache" and n and config.findtext("MaxTTL") == "0":
                return xml_error(400, "InvalidArgument", "HeaderBehavior is invalid for policy with caching disabled.")
        id = f"{int(self.next_id('')):08x}-0000-4000-8000-000000000000"
        self.cf_policies[kind][id] = (config, self.next_id("TAG"))
        return self.policy_answer(kind, id, 201)

    def drop_policy(self, req, kind, id):
        if id not in self.cf_policies[kind]:
            return xml_error(404, POLICIES[kind][2], "no such policy")
        self.match(req, {"etag": self.cf_policies[kind][id][1]})
        tag = POLICIES[kind][0] + "Id"
        if any(id == e.text for d in self.distributions.values() for e in d["config"].iter(tag)):
            return xml_error(409, POLICIES[kind][0] + "InUse", "It is in use.")
        del self.cf_policies[kind][id]
        return Answer(204)

    @route("GET", C + "/cache-policy", query=["Type", "MaxItems", "Marker"])
    def list_cache_policies(self, req):
        return self.list_of_policies(req, "cache")

    @route("GET", C + "/origin-request-policy", query=["Type", "MaxItems", "Marker"])
    def list_request_policies(self, req):
        return self.list_of_policies(req, "origin-request")

    @route("POST", C + "/cache-policy", body="raw")
    def create_cache_policy(self, req):
        return self.make_policy(req, "cache")

    @route("POST", C + "/origin-request-policy", body="raw")
    def create_request_policy(self, req):
        return self.make_policy(req, "origin-request")

    @route("GET", C + "/cache-policy/{id}")
    def get_cache_policy(self, req, id):
        if id not in self.cf_policies["cache"]:
            return xml_error(404, "NoSuchCachePolicy", "no such policy")
        return self.policy_answer("cache", id)

    @route("GET", C + "/origin-request-policy/{id}")
    def get_request_policy(self, req, id):
        if id not in self.cf_policies["origin-request"]:
            return xml_error(404, "NoSuchOriginRequestPolicy", "no such policy")
        return self.policy_answer("origin-request", id)

    @route("DELETE", C + "/cache-policy/{id}")
    def delete_cache_policy(self, req, id):
        return self.drop_policy(req, "cache", id)

    @route("DELETE", C + "/origin-request-policy/{id}")
    def delete_request_policy(self, req, id):
        return self.drop_policy(req, "origin-request", id)

    # --- KeyValueStore ---
    def store(self, arn):
        s = self.stores.get(arn)
        if not s or s["pending"] > 0:
            raise Instead(json_error(404, "ResourceNotFoundException", "no such store"))
        return s

    def add_store(self, name, comment="", tags=None, pending=0):
        id = f"00000000-0000-4000-8000-{int(self.next_id('')):012x}"
        arn = f"arn:aws:cloudfront::{ACCOUNT}:key-value-store/{id}"
        # The store and what is in it have an ETag each.
        self.stores[arn] = {"name": name, "id": id, "arn": arn, "comment": comment, "items": {},
                            "etag": self.next_id("KV"), "own_etag": self.next_id("TAG"),
                            "pending": pending}
        self.tags[arn] = dict(tags or {})
        return self.stores[arn]

    def named_store(self, name):
        s = next((s for s in self.stores.values() if s["name"] == name), None)
        if not s:
            raise Instead(xml_error(404, "EntityNotFound", "The Key Value Store was not found."))
        return s

    def store_xml(self, s):
        return element("KeyValueStore", Name=s["name"], Id=s["id"], Comment=s["comment"], ARN=s["arn"],
                       Status="PROVISIONING" if s["pending"] > 0 else "READY",
                       LastModifiedTime="2026-01-01T00:00:00Z")

    @route("POST", C + "/key-value-store", body="raw")
    def create_store(self, req):
        root = read(req, "CreateKeyValueStoreRequest")
        ordered(root, ["Name", "Comment", "ImportSource", "Tags"], root.tag)
        name = root.findtext("Name")
        if not re.fullmatch("[a-zA-Z0-9-_]{1,64}", name) or len(root.findtext("Comment")) > 128:
            return xml_error(400, "InvalidArgument", f"The parameter Name is not valid: {name}")
        if any(s["name"] == name for s in self.stores.values()):
            return xml_error(409, "EntityAlreadyExists",
                             f"The Key value Store with the name {name} already exists.")
        s = self.add_store(name, root.findtext("Comment"),
                           {t.findtext("Key"): t.findtext("Value") for t in root.iter("Tag")},
                           self.slow)
        return xml(self.store_xml(s), 201, s["own_etag"], f"{C}/key-value-store/{name}")

    @route("GET", C + "/key-value-store/{name}")
    def describe_named_store(self, req, name):
        s = self.named_store(name)
        answer = xml(self.store_xml(s), 200, s["own_etag"])
        s["pending"] -= s["pending"] > 0
        return answer

    @route("DELETE", C + "/key-value-store/{name}")
    def delete_store(self, req, name):
        s = self.named_store(name)
        self.match(req, {"etag": s["own_etag"]})
        if any(s["arn"] in [e.text for e in config.iter("KeyValueStoreARN")]
               for f in self.cf_functions.values() for config, _ in f["stages"].values()):
            return xml_error(409, "CannotDeleteEntityWhileInUse", "A function has it.")
        del self.stores[s["arn"]]
        return Answer(204)

    def store_answer(self, s, **more):
        return Answer(json={**more, "ItemCount": len(s["items"]), "TotalSizeInBytes": 1},
                      headers={"ETag": s["etag"]})

    @route("GET", "/key-value-stores/{arn}")
    def describe_store(self, req, arn):
        return self.store_answer(self.store(arn), KvsARN=arn, Status="READY", Created=1.0)

    @route("GET", "/key-value-stores/{arn}/keys", query=["MaxResults", "NextToken"])
    def list_keys(self, req, arn):
        s = self.store(arn)
        if not 1 <= int(req.query.get("MaxResults", 10)) <= 50:
            raise Refused("MaxResults")
        keys, start = sorted(s["items"]), int(req.query.get("NextToken", 0))
        page = {"Items": [{"Key": k, "Value": s["items"][k]} for k in keys[start:start + 2]]}
        if start + 2 < len(keys):
            page["NextToken"] = str(start + 2)
        return Answer(json=page)

    @route("GET", "/key-value-stores/{arn}/keys/{key}")
    def get_key(self, req, arn, key):
        s = self.store(arn)
        if key not in s["items"]:
            return json_error(404, "ResourceNotFoundException", "no such key")
        return self.store_answer(s, Key=key, Value=s["items"][key])

    def current(self, req, s):
        if "if-match" not in req.headers:
            raise Refused("no If-Match")
        if req.headers["if-match"] != s["etag"]:
            raise Instead(json_error(409, "ConflictException", "Resource is not in expected state."))

    def put_pair(self, s, key, value):
        if len(key.encode()) > 512 or len(value.encode()) > 1024:
            raise Instead(json_error(400, "ValidationException", "Value is too long"))
        s["items"][key] = value

    @route("PUT", "/key-value-stores/{arn}/keys/{key}", body="json")
    def put_key(self, req, arn, key):
        s, b = self.store(arn), req.json()
        if set(b) != {"Value"}:
            raise Refused(f"PutKey: {b}")
        self.current(req, s)
        self.put_pair(s, key, b["Value"])
        s["etag"] = self.next_id("KV")
        return self.store_answer(s)

    @route("DELETE", "/key-value-stores/{arn}/keys/{key}")
    def delete_key(self, req, arn, key):
        s = self.store(arn)
        self.current(req, s)
        if s["items"].pop(key, None) is None:
            return json_error(404, "ResourceNotFoundException", "no such key")
        s["etag"] = self.next_id("KV")
        return self.store_answer(s)

    @route("POST", "/key-value-stores/{arn}/keys", body="json")
    def update_keys(self, req, arn):
        s, b = self.store(arn), req.json()
        puts, deletes = b.get("Puts", []), b.get("Deletes", [])
        if set(b) - {"Puts", "Deletes"} or not 1 <= len(puts) + len(deletes) <= 50 or \
                any(set(p) != {"Key", "Value"} for p in puts) or any(set(d) != {"Key"} for d in deletes):
            raise Refused(f"UpdateKeys: {b}")
        self.current(req, s)
        before = dict(s["items"])
        try:
            for p in puts:
                self.put_pair(s, p["Key"], p["Value"])
            for d in deletes:
                if s["items"].pop(d["Key"], None) is None:
                    raise Instead(json_error(404, "ResourceNotFoundException", "no such key"))
        except Instead:
            s["items"] = before     # all or nothing
            raise
        s["etag"] = self.next_id("KV")
        return self.store_answer(s)

    def drift_store(self, store="s1", items=None):
        s = self.add_store(store)
        s["items"].update(items or {})
        return {"arn": s["arn"]}

    def drift_put(self, store, key, value):
        s = self.named_store(store)
        s["items"][key], s["etag"] = value, self.next_id("KV")
        return {}

    # --- what changes behind the client's back ---
    def drift_distribution(self, comment="mine", function=None, certificate=False, policies=None):
        """One that was made in the console."""
        config = element("DistributionConfig", CallerReference=self.next_id("console"))
        config.append(element("Origins", Quantity=1))
        config.append(element("DefaultCacheBehavior", TargetOriginId="o", ViewerProtocolPolicy="allow-all"))
        ET.SubElement(config, "Comment").text = comment
        ET.SubElement(config, "Enabled").text = "true"
        if certificate:
            config.append(element("ViewerCertificate", ACMCertificateArn="arn:aws:acm:x"))
        for name, id in (policies or {}).items():
            config.find("DefaultCacheBehavior").append(element_text(name, id))
        d = self.add_distribution(config)
        origins = d["config"].find("Origins")
        origins.append(element("Items", element("Origin", Id="o", DomainName="o.example.com")))
        d["pending"] = 0
        if function:
            self.associate(d, function)
        return {"id": d["id"], "arn": d["arn"]}

    def associate(self, d, arn):
        a = element("LambdaFunctionAssociations", Quantity=1)
        a.append(element("Items", element("LambdaFunctionAssociation", LambdaFunctionARN=arn,
                                          EventType="origin-request")))
        b = d["config"].find("DefaultCacheBehavior")
        b[list(b).index(b.find("LambdaFunctionAssociations"))] = a
        d["etag"] = self.next_id("TAG")

    def drift_edge(self, function):
        """A CloudFront Function of somebody else, published."""
        config = element("FunctionConfig", Comment="", Runtime="cloudfront-js-2.0")
        self.cf_functions[function] = {"stages": {s: (config, b"theirs") for s in ("DEVELOPMENT", "LIVE")},
                                       "etag": self.next_id("FN"), "live_etag": self.next_id("FN")}
        return {}

    def drift_cf_function(self, function, code):
        """Its code is changed and published."""
        f = self.cf_functions[function]
        f["stages"] = {s: (f["stages"][s][0], code.encode()) for s in f["stages"]}
        f["etag"], f["live_etag"] = self.next_id("FN"), self.next_id("FN")
        return {}

    def drift_edge_at(self, id, function):
        d = self.distribution(id)
        b = d["config"].find("DefaultCacheBehavior")
        a = element("FunctionAssociations", Quantity=1)
        a.append(element("Items", element("FunctionAssociation", EventType="viewer-request",
                                          FunctionARN=f"arn:aws:cloudfront::{ACCOUNT}:function/{function}")))
        a[-1][0][:] = a[-1][0][::-1]
        b[list(b).index(b.find("FunctionAssociations"))] = a
        return {}

    def drift_show_policies(self):
        return {c.findtext("Name"): [c.find(".//HeadersConfig/HeaderBehavior").text,
                                     *[e.text for e in c.find(".//HeadersConfig").iter("Name")]]
                for p in self.cf_policies.values() for c, etag in p.values() if etag}

    def drift_associate(self, id, arn):
        self.associate(self.distribution(id), arn)
        return {}

    def drift_policy(self):
        """One of somebody else, for a staging distribution of theirs."""
        config = element("ContinuousDeploymentPolicyConfig",
                         element("StagingDistributionDnsNames", element("Items", element_text("DnsName", "d0.cloudfront.net")),
                                 Quantity=1), Enabled="true")
        self.policies[self.next_id("A")] = {"config": config, "etag": self.next_id("TAG")}
        return {}

    def drift_touch(self, id):
        """An edit that does not matter, but makes a new ETag."""
        self.distribution(id)["etag"] = self.next_id("TAG")
        return {}

    def drift_function(self, function="shop", owner=None):
        """One that was made in the console, or by another app."""
        name = function
        self.functions[name] = {
            "config": {"FunctionName": name, "FunctionArn": self.function_arn(name), "Version": "$LATEST",
                       "CodeSha256": "x", "CodeSize": 1, "Description": "", "LastModified": now(),
                       "State": "Active", "LastUpdateStatus": "Successful", "RevisionId": "r0",
                       "Runtime": "nodejs20.x", "Handler": "other.main", "Timeout": 3,
                       "MemorySize": 128, "Role": f"arn:aws:iam::{ACCOUNT}:role/theirs"},
            "versions": [], "tags": {"edgectl-app": owner} if owner else {}, "pending": 0, "busy": {},
            "code": ""}
        return {}

    def drift_replicate(self, arns):
        self.replicated = set(arns)
        return {}

    def drift_points(self, id, metric, points):
        self.points[(id, metric)] = points
        return {}

    def drift_log(self, function, version, message, timestamp):
        self.events.append({"group": f"/aws/lambda/us-east-1.{function}", "timestamp": timestamp,
                            "message": message, "eventId": self.next_id("e"),
                            "logStreamName": f"2026/11/26/[{version}]0123"})
        return {}

    def drift_key(self, id=KEY, secret=None, token=None):
        """Replaces or takes away an access key."""
        self.keys.pop(id, None)
        if secret:
            self.keys[id] = (secret, token)
        return {}

    def drift_set(self, **what):
        for key, value in what.items():
            setattr(self, key, value)
        return {}

    def drift_slow(self, reads):
        self.slow = reads
        return {}


if __name__ == "__main__":
    main(Aws)
