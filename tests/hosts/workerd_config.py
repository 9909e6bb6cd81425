#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What workerd needs to serve a bundle that `edgectl bundle` has made for Cloudflare: config.capnp in
the bundle's folder. Secrets come as NAME=VALUE; a KV namespace is a kv_service.js, filled by BINDING=FILE:
JSON, {key: {"value", "metadata"}}.

    workerd_config.py FOLDER [NAME=VALUE...]"""
import json
import os
import re
import shutil
import sys

KINDS = {".js": "esModule", ".wasm": "wasm"}


def quote(text):
    return json.dumps(text, ensure_ascii=True)


def modules(folder, main):
    """Config lines of all files, the main module first."""
    names = []
    for base, _, files in os.walk(folder):
        names += [os.path.relpath(os.path.join(base, f), folder) for f in files]
    names = [n for n in names if n not in ("metadata.json", "config.capnp", "release.json") and not n.startswith("kv/")]
    for name in sorted(names, key=lambda n: (n != main, n)):
        kind = KINDS.get(os.path.splitext(name)[1], "data")
        if name.startswith("assets/"):
            kind = "data"
        yield f"(name = {quote(name)}, {kind} = embed {quote(name)})"


def store(binding, seeds):
    seed = {}
    if binding in seeds:
        with open(seeds[binding]) as f:
            seed = json.load(f)
    return (f'    (name = {quote("kv-" + binding)}, worker = (modules = [(name = "kv", esModule = embed "kv/kv_service.js")],\n'
            f'      bindings = [(name = "SEED", json = {quote(json.dumps(seed))})], compatibilityDate = "2026-01-01")),\n')


def bindings(metadata, app, secrets):
    for b in metadata["bindings"]:
        if b["type"] == "plain_text":
            yield f"(name = {quote(b['name'])}, text = {quote(b['text'])})"
    for store in (app.get("kv") or {}).values():
        yield f"(name = {quote(store['binding'])}, kvNamespace = {quote('kv-' + store['binding'])})"
    for name, value in secrets:
        yield f"(name = {quote(name)}, text = {quote(value)})"


def main():
    folder, given = sys.argv[1], [a.split("=", 1) for a in sys.argv[2:]]
    with open(os.path.join(folder, "metadata.json")) as f:
        metadata = json.load(f)
    with open(os.path.join(folder, "bindings.js")) as f:
        app = json.loads(json.loads(re.search(r"JSON\.parse\((.*)\);", f.read()).group(1)))
    os.makedirs(os.path.join(folder, "kv"), exist_ok=True)
    shutil.copy(os.path.join(os.path.dirname(os.path.abspath(__file__)), "kv_service.js"), os.path.join(folder, "kv"))
    separator = ",\n      "
    kv = [s["binding"] for s in (app.get("kv") or {}).values()]
    seeds = {n: v for n, v in given if n in kv}
    secrets = [(n, v) for n, v in given if n not in kv]
    stores = "".join(store(b, seeds) for b in kv)
    with open(os.path.join(folder, "config.capnp"), "w") as f:
        f.write(f"""using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [{separator.join(modules(folder, metadata["main_module"]))}],
      bindings = [{separator.join(bindings(metadata, app, secrets))}],
      compatibilityDate = {quote(metadata["compatibility_date"])})),
{stores}    (name = "internet", network = (allow = ["public", "private"], tlsOptions = (trustBrowserCas = true))),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")]
);
""")


main()
