#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Upstash's REST interface in front of a real Redis, which lives as long as the fake. Token: kv-token;
one that only reads: kv-reader. Requests end at 1 MB, as on the smallest plan."""
import base64
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import time

from fake import Answer, Fake, Refused, main, route

TOKEN, READER = "kv-token", "kv-reader"
MAX_REQUEST = 1 << 20
# Of Redis 6.2, with how many words at least.
COMMANDS = {"ZRANGE": 4, "ZCARD": 2, "PTTL": 2, "HMGET": 3, "DEL": 2, "HSET": 4, "PEXPIREAT": 3,
            "ZADD": 4, "ZREM": 3, "EVAL": 3, "EXISTS": 2}
WRITES = {"DEL", "HSET", "PEXPIREAT", "ZADD", "ZREM", "EVAL"}


class Failed(Exception):
    """An error reply of Redis."""


class Redis:
    def __init__(self, folder):
        program = shutil.which("redis-server")
        if not program:
            raise SystemExit("no redis-server (Debian: redis-server)")
        self.path = os.path.abspath(os.path.join(folder, "redis.sock"))
        libc = ctypes.CDLL(None)
        self.child = subprocess.Popen(
            [program, "--port", "0", "--unixsocket", self.path, "--save", "", "--daemonize", "no"],
            stdout=subprocess.DEVNULL, preexec_fn=lambda: libc.prctl(1, signal.SIGKILL))
        end = time.time() + 20
        while True:
            try:
                self.socket = socket.socket(socket.AF_UNIX)
                self.socket.connect(self.path)
                break
            except OSError:
                self.socket.close()
                if time.time() > end or self.child.poll() is not None:
                    raise SystemExit("redis-server does not start")
                time.sleep(0.02)
        self.file = self.socket.makefile("rb")

    def reply(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            return Failed(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"+":
            return rest
        if rest == b"-1":
            return None
        if kind == b"$":
            return self.file.read(int(rest) + 2)[:-2]
        return [self.reply() for _ in range(int(rest))]

    def run(self, command):
        words = [w if isinstance(w, bytes) else str(w).encode() for w in command]
        self.socket.sendall(b"*%d\r\n" % len(words) +
                            b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
        return self.reply()


def plain(value, coded):
    if isinstance(value, list):
        return [plain(v, coded) for v in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode() if coded else value.decode("utf-8", "replace")
    return value


class Upstash(Fake):
    __doc__ = __doc__

    def __init__(self, options):
        super().__init__(options)
        self.redis = Redis(options.dir)

    def failure(self, status, text):
        return Answer(status, json={"error": text})

    def authenticate(self, req):
        if req.headers.get("authorization") not in (f"Bearer {TOKEN}", f"Bearer {READER}"):
            return self.failure(401, "WRONGPASS invalid or missing auth token.")
        if len(req.body) > MAX_REQUEST:
            return self.failure(400, f"ERR max request size exceeded. Limit: {MAX_REQUEST} bytes, "
                                f"Actual: {len(req.body)} bytes")
        return None

    def check(self, command):
        if not isinstance(command, list) or not command or \
                not all(isinstance(w, (str, int)) and not isinstance(w, bool) for w in command):
            raise Refused(f"a command is a list of words: {command}")
        if len(command) < COMMANDS.get(command[0], 1 << 30):
            raise Refused(f"a command that is none: {command[:2]}")
        if command[0] == "ZRANGE" and "BYLEX" in command and \
                not re.match(r"[\[(]", command[2]):
            raise Refused(f"a range from {command[2]}")

    def answer(self, req, command):
        if req.headers["authorization"] == f"Bearer {READER}" and command[0] in WRITES:
            return {"error": f"NOPERM this user has no permissions to run the '{command[0].lower()}' command"}
        said = self.redis.run(command)
        if isinstance(said, Failed):
            return {"error": str(said)}
        return {"result": plain(said, req.headers.get("upstash-encoding") == "base64")}

    def commands(self, req):
        commands = req.json()
        if not isinstance(commands, list) or not commands:
            raise Refused("no list of commands")
        for c in commands:
            self.check(c)
        return commands

    @route("POST", "/", body="json")
    def one(self, req):
        self.check(req.json())
        said = self.answer(req, req.json())
        return Answer(400 if "error" in said else 200, json=said)

    @route("POST", "/pipeline", body="json")
    def pipeline(self, req):
        return Answer(json=[self.answer(req, c) for c in self.commands(req)])

    @route("POST", "/multi-exec", body="json")
    def multi(self, req):
        commands = self.commands(req)
        self.redis.run(["MULTI"])
        said = [self.answer(req, c) for c in commands]
        wrong = next((s for s in said if "error" in s), None)
        if wrong:
            self.redis.run(["DISCARD"])
            return Answer(400, json={"error": f"EXECABORT {wrong['error']}"})
        coded = req.headers.get("upstash-encoding") == "base64"
        return Answer(json=[{"error": str(r)} if isinstance(r, Failed) else {"result": plain(r, coded)}
                            for r in self.redis.run(["EXEC"])])

    def state(self):
        """{"edgectl:KV_X": [keys], "edgectl:KV_X:key": {field: text}}; times to live are left out."""
        found = {}
        for key in sorted(self.redis.run(["KEYS", "*"])):
            kind = self.redis.run(["TYPE", key])
            if kind == b"zset":
                found[key.decode()] = plain(self.redis.run(["ZRANGE", key, "0", "-1"]), False)
            else:
                said = plain(self.redis.run(["HGETALL", key]), False)
                found[key.decode()] = {f: v for f, v in zip(said[::2], said[1::2]) if f != "g"}
        return found

    def drift_run(self, command):
        """A command behind the client's back."""
        return plain(self.redis.run(command), False)


if __name__ == "__main__":
    main(Upstash)
