# SPDX-License-Identifier: Apache-2.0
"""Checks signatures of requests to AWS, written from the published algorithms alone and sharing
nothing with edgectl: Signature Version 4, and 4A with arithmetic on P-256 done here."""
import calendar
import hashlib
import hmac
import re
import time
import urllib.parse

P = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffff
N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551
G = (0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296,
     0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5)
MAX_SKEW = 300


class Bad(Exception):
    """The AWS error code, and why."""

    def __init__(self, code, why):
        super().__init__(why)
        self.code = code


def add(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % P == 0:
            return None
        m = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, P)
    else:
        m = (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (m * m - a[0] - b[0]) % P
    return x, (m * (a[0] - x) - a[1]) % P


def multiply(k, point):
    result = None
    while k:
        if k & 1:
            result = add(result, point)
        point = add(point, point)
        k >>= 1
    return result


def read_der(data):
    """SEQUENCE of two INTEGERs."""
    if data[0] != 0x30 or data[1] != len(data) - 2 or data[2] != 2:
        raise Bad("InvalidSignatureException", "not DER")
    n = data[3]
    r, rest = int.from_bytes(data[4:4 + n], "big"), data[4 + n:]
    if rest[0] != 2 or rest[1] != len(rest) - 2:
        raise Bad("InvalidSignatureException", "not DER")
    return r, int.from_bytes(rest[2:], "big")


def verify(public, text, signature):
    r, s = read_der(signature)
    if not (0 < r < N and 0 < s < N):
        return False
    z = int.from_bytes(hashlib.sha256(text).digest(), "big")
    w = pow(s, -1, N)
    point = add(multiply(z * w % N, G), multiply(r * w % N, public))
    return point is not None and point[0] % N == r


def derive(key_id, secret):
    for counter in range(1, 255):
        message = (b"\0\0\0\1AWS4-ECDSA-P256-SHA256\0" + key_id.encode() + bytes([counter]) +
                   b"\0\0\1\0")
        k = int.from_bytes(hmac.digest(b"AWS4A" + secret.encode(), message, "sha256"), "big")
        if k <= N - 2:
            return multiply(k + 1, G)
    raise AssertionError("no key")


def canonical(method, raw_path, raw_query, headers, names, body):
    path = urllib.parse.quote(raw_path, safe="/-_.~")
    pairs = sorted((urllib.parse.quote(urllib.parse.unquote(k), safe="-_.~"),
                    urllib.parse.quote(urllib.parse.unquote(v), safe="-_.~"))
                   for k, _, v in (p.partition("=") for p in raw_query.split("&") if p))
    lines = "".join(f"{n}:{' '.join(headers[n].split())}\n" for n in names)
    return "\n".join([method, path, "&".join(f"{k}={v}" for k, v in pairs), lines, ";".join(names),
                      hashlib.sha256(body).hexdigest()])


def check(method, raw_path, raw_query, headers, body, keys):
    """keys: {access key id: (secret, token or None)}. Returns (access key id, scope) or raises Bad."""
    match = re.fullmatch(r"(AWS4-HMAC-SHA256|AWS4-ECDSA-P256-SHA256) Credential=([^/]+)/([^,]+), "
                         r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]+)",
                         headers.get("authorization", ""))
    if not match:
        raise Bad("MissingAuthenticationTokenException", "Missing Authentication Token")
    algorithm, key_id, scope, names, signature = match.groups()
    names = names.split(";")
    when = headers.get("x-amz-date", "")
    if key_id not in keys:
        raise Bad("UnrecognizedClientException", "The security token included in the request is invalid.")
    secret, token = keys[key_id]
    if headers.get("x-amz-security-token") != token:
        raise Bad("ExpiredTokenException", "The security token included in the request is expired")
    needed = {"host", "x-amz-date"} | {h for h in headers if h.startswith("x-amz-")}
    needed |= {h for h in ("content-type", "if-match") if h in headers}
    if not needed <= set(names) or names != sorted(names):
        raise Bad("SignatureDoesNotMatch", f"these headers must be signed: {sorted(needed)}")
    signed = time.strptime(when, "%Y%m%dT%H%M%SZ")
    if abs(calendar.timegm(signed) - time.time()) > MAX_SKEW:
        raise Bad("SignatureDoesNotMatch", f"Signature not yet current or expired: {when}")
    text = "\n".join([algorithm, when, scope, hashlib.sha256(canonical(
        method, raw_path, raw_query, headers, names, body).encode()).hexdigest()]).encode()
    parts = scope.split("/")
    if parts[0] != when[:8] or parts[-1] != "aws4_request":
        raise Bad("SignatureDoesNotMatch", f"the scope {scope} does not fit")
    if algorithm == "AWS4-HMAC-SHA256":
        key = ("AWS4" + secret).encode()
        for part in parts:
            key = hmac.digest(key, part.encode(), "sha256")
        good = hmac.compare_digest(hmac.digest(key, text, "sha256").hex(), signature)
    else:
        if headers.get("x-amz-region-set") != "*":
            raise Bad("InvalidSignatureException", "no region set")
        good = verify(derive(key_id, secret), text, bytes.fromhex(signature))
    if not good:
        raise Bad("SignatureDoesNotMatch", "The request signature we calculated does not match the "
                  "signature you provided.")
    return key_id, parts[1:-1] if algorithm == "AWS4-HMAC-SHA256" else [None, parts[1]]
