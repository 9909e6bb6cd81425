# SPDX-License-Identifier: Apache-2.0
"""What is asked of guests on every host, and what is known to differ there."""
from dataclasses import dataclass, field

# Columns of the table, in order: name, title, options of `edgectl dev`, environment.
HOSTS = {
    "native": ("this machine", [], {}),
    "workerd": ("Cloudflare", ["--runtime", "workerd"], {}),
    "lambda": ("Lambda@Edge, origin-request", ["--runtime", "node", "--target", "lambda"], {}),
    "lambda-viewer": ("Lambda@Edge, viewer-request", ["--runtime", "node", "--target", "lambda"],
                      {"EDGECTL_CLOUDFRONT_EVENT": "viewer-request"}),
    "vercel": ("Vercel", ["--runtime", "node", "--target", "vercel"], {}),
}


@dataclass
class Case:
    area: str
    guest: str
    path: str = "/"
    method: str = "GET"
    headers: dict = field(default_factory=dict)
    body: bytes = b""
    logs: int = 0               # messages to wait for
    compare_body: bool = True   # not for error pages, which each host words itself
    tap: bool = False           # the guest checks itself: its failures are the result

    @property
    def name(self):
        return f"{self.guest} {self.method} {self.path}"


def post(area, guest, path, body=b"body", **more):
    return Case(area, guest, path, "POST", body=body, **more)


SUITE = [
    Case("requests and answers", "c/hello"),
    Case("requests and answers", "rust/hello"),
    Case("requests and answers", "go/hello"),
    Case("requests and answers", "js/hello"),
    post("requests and answers", "c/http", "/http?a=b%20c", b"hello world", headers={"x-probe": "here"}, tap=True),
    post("requests and answers", "c/arm", "/p%20q?x=1&y=%2F", headers={"x-latin": "h\u00e9"}),
    Case("requests and answers", "c/headers", "/?x-one=1&cache-control=no-store&content-language=de"),
    Case("requests and answers", "rust/app", "/metadata"),
    Case("requests and answers", "rust/app", "/nothing"),
    post("backends", "rust/app", "/proxy"),
    post("backends", "go/app", "/proxy"),
    post("backends", "js/app", "/proxy"),
    Case("backends", "c/sends", tap=True),
    Case("backends", "rust/app", "/error"),
    Case("backends", "go/app", "/refused"),
    Case("backends", "js/app", "/refused", compare_body=False),
    Case("several at once", "rust/app", "/select"),
    Case("several at once", "rust/app", "/poll"),
    Case("several at once", "go/app", "/parallel"),
    Case("several at once", "go/app", "/timeout"),
    Case("several at once", "js/app", "/parallel"),
    Case("several at once", "js/app", "/timers"),
    Case("streaming", "rust/app", "/stream"),
    Case("streaming", "rust/app", "/upload"),
    Case("streaming", "go/app", "/stream"),
    Case("streaming", "js/app", "/stream"),
    Case("streaming", "c/origin", "/bytes/20000"),
    Case("streaming", "c/origin", "/cut"),
    Case("KV", "rust/app", "/kv"),
    Case("KV", "rust/app", "/kv-count"),
    Case("KV", "go/app", "/kv"),
    Case("KV", "js/app", "/kv"),
    Case("config, secrets, geo, ACLs", "rust/app", "/stores"),
    Case("config, secrets, geo, ACLs", "go/app", "/stores"),
    Case("config, secrets, geo, ACLs", "js/app", "/stores"),
    Case("config, secrets, geo, ACLs", "c/stores", tap=True, headers={
        "fastly-key": "made-up-key", "x-fastly-bot-analyzed": "1", "x-fastly-bot-name": "probe-bot"}),
    Case("core cache", "rust/app", "/cache?r"),
    Case("core cache", "go/app", "/cache?g"),
    Case("core cache", "js/app", "/cache?j"),
    Case("core cache", "c/cache", "/?first", tap=True),
    Case("logs and ends", "rust/app", "/panic", logs=1, compare_body=False),
    Case("logs and ends", "go/app", "/panic", logs=1, compare_body=False),
    Case("logs and ends", "js/app", "/late", logs=1),
    Case("logs and ends", "c/wild", "/3", tap=True),
]

LAMBDA = ("lambda", "lambda-viewer")
NO_CAUSE = "a Worker is not told why a connection failed: `connection terminated` for all causes"
NO_CONDITIONS = "Workers KV has no conditional writes and no append: unsupported there"
NO_LOOPBACK = "no made-up place for loopback addresses, which this machine gives its own clients"

# What is known to come out otherwise: (case, hosts, why). A run fails when something differs that is
# not here, and when something here does not differ any more.
DIFFERS = [
    ("c/sends GET /", ("workerd",), "a Worker sends the URL's own Host; " + NO_CAUSE),
    ("rust/app GET /error", ("workerd",), NO_CAUSE),
    ("go/app GET /refused", ("workerd",), NO_CAUSE),
    ("rust/app GET /kv", ("workerd",), NO_CONDITIONS),
    ("c/stores GET /", ("workerd",), NO_CONDITIONS + "; " + NO_LOOPBACK),
    ("c/stores GET /", (*LAMBDA, "vercel"), NO_LOOPBACK),
    ("c/origin GET /cut", LAMBDA, "CloudFront takes an answer only as a whole: one that breaks off becomes a 502"),
    ("c/http POST /http?a=b%20c", ("lambda-viewer",), "the scheme is not known before the cache: `https`"),
]


def why(case, host):
    """Why a host's answer differs; None if it should not."""
    return next((text for name, hosts, text in DIFFERS if name == case and host in hosts), None)
