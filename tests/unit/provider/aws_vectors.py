#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes aws_vectors.json: AWS's own Signature Version 4 test suite (as it comes with botocore's
source package, Apache-2.0), and requests of ours signed by botocore and by AWS's CRT.

    pip install botocore awscrt; pip download --no-binary :all: --no-deps botocore
    aws_vectors.py botocore-X/tests/unit/auth/aws4_testsuite >aws_vectors.json
"""
import datetime
import json
import os
import re
import sys
from unittest import mock
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.crt.auth import CrtSigV4AsymAuth
from botocore.credentials import Credentials

KEY = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NOW = datetime.datetime(2015, 8, 30, 12, 36, 0)


def read(path):
    with open(path, encoding="utf-8", newline="") as f:
        return f.read().replace("\r\n", "\n")


def suite_case(folder, name):
    head, _, body = read(os.path.join(folder, name + ".req")).partition("\n\n")
    lines = head.split("\n")
    method, rest = lines[0].split(" ", 1)
    path, _, query = rest.rsplit(" ", 1)[0].partition("?")
    headers = []
    for line in lines[1:]:
        if line[:1].isspace():
            headers[-1][1] += "\n" + line
        elif line:
            headers.append(list(line.split(":", 1)))
    fixed = {k.lower(): v for k, v in headers}
    canonical = read(os.path.join(folder, name + ".creq"))
    # In one case the token is not in the request: its signer is to add it.
    token = re.search("^x-amz-security-token:(.*)$", canonical, re.M)
    return {
        "name": name, "service": "service", "region": "us-east-1", "method": method, "path": path,
        "query": query, "host": fixed["host"], "body": body,
        "headers": [h for h in headers
                    if h[0].lower() not in ("host", "x-amz-date", "x-amz-security-token")],
        "token": token and token[1], "canonical": canonical,
        "authorization": read(os.path.join(folder, name + ".authz")),
    }


def suite(top):
    for folder, _, files in sorted(os.walk(top)):
        for name in sorted(files):
            # The token that is added after signing is a thing of requests that others sign.
            if name.endswith(".req") and "header-after" not in name:
                yield suite_case(folder, name[:-4])


ARN = "arn%3Aaws%3Acloudfront%3A%3A123456789012%3Akey-value-store%2F9f1c-44"
REQUESTS = [
    ("lambda get", "lambda", "GET", "https://lambda.us-east-1.amazonaws.com"
     "/2015-03-31/functions/edge-app/versions?MaxItems=50&Marker=a%2Fb%3D", {}, "", None),
    ("lambda arn in the path", "lambda", "DELETE", "https://lambda.us-east-1.amazonaws.com"
     "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A1%3Afunction%3Af?Qualifier=7",
     {}, "", "FwoGZXIvYXdzEBYaD/+token=="),
    ("cloudfront update", "cloudfront", "PUT", "https://cloudfront.amazonaws.com"
     "/2020-05-31/distribution/E1/promote-staging-config?StagingDistributionId=E2",
     {"If-Match": "E2QWRUHAPOMQZL, EABC"}, "", None),
    ("a port, flags without value, plus and unsorted query", "cloudfront", "GET",
     "http://127.0.0.1:8080/2020-05-31/x?b=2&a&c=%2B%20x&B=1&a=%2F", {}, "", None),
    ("json target", "monitoring", "POST", "https://monitoring.us-east-1.amazonaws.com/",
     {"X-Amz-Target": "GraniteServiceVersion20100801.GetMetricData",
      "Content-Type": "application/x-amz-json-1.0"}, '{"MetricDataQueries":[]}', None),
]
REQUESTS_A = [
    ("kvs describe", "GET", f"https://123456789012.cloudfront-kvs.global.api.aws"
     f"/key-value-stores/{ARN}", {}, "", None),
    ("kvs put", "PUT", f"https://123456789012.cloudfront-kvs.global.api.aws"
     f"/key-value-stores/{ARN}/keys/a%20b%2Fc",
     {"If-Match": "KV1", "Content-Type": "application/json"}, '{"Value":"v"}', "token/+="),
    ("kvs list", "GET", f"https://123456789012.cloudfront-kvs.global.api.aws"
     f"/key-value-stores/{ARN}/keys?NextToken=b%3D%3D&MaxResults=50", {}, "", None),
]


def case(name, service, region, method, url, headers, body, token, **more):
    parts = urlsplit(url)
    return {"name": name, "service": service, "region": region, "method": method,
            "path": parts.path, "query": parts.query, "host": parts.netloc, "body": body,
            "headers": [list(h) for h in headers.items()], "token": token, **more}


def by_botocore():
    for name, service, method, url, headers, body, token in REQUESTS:
        auth = SigV4Auth(Credentials(*KEY, token), service, "us-east-1")
        request = AWSRequest(method=method, url=url, headers=headers, data=body)
        seen = []
        inner = auth.canonical_request
        auth.canonical_request = lambda r, inner=inner: seen.append(inner(r)) or seen[0]
        with mock.patch("botocore.auth.get_current_datetime", return_value=NOW):
            auth.add_auth(request)
        yield case(name, service, "us-east-1", method, url, headers, body, token,
                   canonical=seen[0],
                   authorization=request.headers["Authorization"])


def by_crt():
    class Auth(CrtSigV4AsymAuth):
        def _get_existing_sha256(self, request):
            return None

    for name, method, url, headers, body, token in REQUESTS_A:
        auth = Auth(Credentials(*KEY, token), "cloudfront-keyvaluestore", "*")
        request = AWSRequest(method=method, url=url, headers=headers, data=body)
        request.context["payload_signing_enabled"] = True
        with mock.patch("botocore.crt.auth.get_current_datetime",
                        return_value=NOW.replace(tzinfo=datetime.timezone.utc), create=True):
            auth.add_auth(request)
        yield case(name, "cloudfront-keyvaluestore", "*", method, url, headers, body, token,
                   authorization=request.headers["Authorization"])


json.dump({"access_key_id": KEY[0], "secret_key": KEY[1], "time_s": 1440938160,
           "suite": list(suite(sys.argv[1])), "botocore": list(by_botocore()),
           "crt": list(by_crt())}, sys.stdout, indent=1, ensure_ascii=False)
print()
