// SPDX-License-Identifier: Apache-2.0
// WASI preview 1: the 27 functions that guests built by the SDKs import. There is no file system:
// stdin is empty, stdout and stderr go to the log, everything with a path is refused.
import { Exit } from "./guest.js";
import { fromBytes, put16, put32, put64, toBinary } from "./memory.js";

const SUCCESS = 0, EBADF = 8, EFAULT = 21, EINVAL = 28, ESPIPE = 70, ENOTCAPABLE = 76;
const STDIN = 0, STDOUT = 1, STDERR = 2, FD_COUNT = 3;
const CHARACTER_DEVICE = 2, IOVECS_MAX = 1024, SUBSCRIPTIONS_MAX = 4096, LINE_MAX = 16 << 10;
const NS_PER_MS = 1000000n;

// A place in guest memory, of whatever alignment; EFAULT, where hostcalls have a status.
function at(g, ptr, len) {
    ptr >>>= 0;
    if (ptr + len > g.u8.length)
        throw EFAULT;
    return ptr;
}

const u32 = (g, ptr) => g.view.getUint32(ptr, true);
const u64 = (g, ptr) => g.view.getBigUint64(ptr, true);

// --- arguments and environment ---

const ARGS = ["compute-app"];
const FIXED = {
    FASTLY_CACHE_GENERATION: "0", FASTLY_CUSTOMER_ID: "0000000000000000000000", FASTLY_HOSTNAME: "localhost",
    FASTLY_IS_STAGING: "0", FASTLY_POP: "XXX", FASTLY_REGION: "Somewhere",
    FASTLY_SERVICE_ID: "0000000000000000000000", FASTLY_SERVICE_VERSION: "0",
};

export const traceId = (g) => g.number.toString(16).padStart(32, "0");

function environment(g) {
    const all = { ...FIXED, ...g.app.environment, FASTLY_TRACE_ID: traceId(g) };
    return Object.entries(all).map(([k, v]) => toBinary(`${k}=${v}`));
}

function giveSizes(g, list, count, size) {
    count = at(g, count, 4);
    size = at(g, size, 4);
    put32(g, count, list.length);
    put32(g, size, list.reduce((sum, s) => sum + s.length + 1, 0));
    return SUCCESS;
}

function giveStrings(g, list, pointers, text) {
    pointers = at(g, pointers, list.length * 4);
    text = at(g, text, list.reduce((sum, s) => sum + s.length + 1, 0));
    for (const s of list) {
        put32(g, pointers, text);
        pointers += 4;
        for (let i = 0; i < s.length; i++)
            g.u8[text++] = s.charCodeAt(i);
        g.u8[text++] = 0;
    }
    return SUCCESS;
}

// --- time ---

const REALTIME = 0, MONOTONIC = 1, CLOCK_COUNT = 4;

function now(g, id) {
    if (id === REALTIME)
        return BigInt(Date.now()) * NS_PER_MS;
    const ms = id === MONOTONIC ? performance.now() : g.busy();
    return BigInt(Math.round(ms * 1e6));
}

// --- output: logged by lines, however the guest cuts it into writes ---

function addOutput(g, which, data) {
    const name = which ? "stderr" : "stdout";
    const parts = (g.lines[which] + data).split("\n");
    g.lines[which] = parts.pop();
    for (const line of parts)
        if (line)
            g.log(name, line);
    while (g.lines[which].length > LINE_MAX) {
        g.log(name, g.lines[which].slice(0, LINE_MAX));
        g.lines[which] = g.lines[which].slice(LINE_MAX);
    }
}

const isFd = (fd, status) => (fd >>> 0 < FD_COUNT ? status : EBADF);
const noPath = (g, fd) => isFd(fd, ENOTCAPABLE);

// --- waiting ---

const SUB_SIZE = 48, EVENT_SIZE = 32, CLOCK = 0, FD_WRITE = 2, ABSOLUTE = 1;

// In how many ns a subscription is due; 0 for descriptors, which never block.
function dueIn(g, sub) {
    if (g.u8[sub + 8] !== CLOCK)
        return 0n;
    const timeout = u64(g, sub + 24);
    return g.u8[sub + 40] & ABSOLUTE ? timeout - now(g, u32(g, sub + 16)) : timeout;
}

function report(g, subs, events, dues, until, out) {
    let n = 0;
    dues.forEach((due, i) => {
        if (due > until)
            return;
        const sub = subs + i * SUB_SIZE, event = events + n++ * EVENT_SIZE, type = g.u8[sub + 8];
        g.u8.copyWithin(event, sub, sub + 8);
        g.u8.fill(0, event + 8, event + EVENT_SIZE);
        g.u8[event + 10] = type;
        if (type !== CLOCK && u32(g, sub + 16) >= FD_COUNT)
            put16(g, event + 8, EBADF);
        else if (type === FD_WRITE)
            put64(g, event + 16, 65536n);
    });
    put32(g, out, n);
    return SUCCESS;
}

function pollOneoff(g, subs, events, count, out) {
    count >>>= 0;
    if (count === 0 || count > SUBSCRIPTIONS_MAX)
        return EINVAL;
    subs = at(g, subs, count * SUB_SIZE);
    events = at(g, events, count * EVENT_SIZE);
    out = at(g, out, 4);
    const dues = Array.from({ length: count }, (_, i) => dueIn(g, subs + i * SUB_SIZE));
    const until = dues.reduce((a, b) => (b < a ? b : a));
    if (until <= 0n)
        return report(g, subs, events, dues, 0n, out);
    const ms = Number(until / NS_PER_MS);
    return g.waitFor(Math.min(ms, 0x7fffffff), (late) => (late ? report(g, subs, events, dues, until, out) : undefined));
}

export const wasi = {
    args_sizes_get: (g, count, size) => giveSizes(g, ARGS, count, size),
    args_get: (g, pointers, text) => giveStrings(g, ARGS, pointers, text),
    environ_sizes_get: (g, count, size) => giveSizes(g, environment(g), count, size),
    environ_get: (g, pointers, text) => giveStrings(g, environment(g), pointers, text),
    clock_time_get(g, id, precision, out) {
        if (id >>> 0 >= CLOCK_COUNT)
            return EINVAL;
        put64(g, at(g, out, 8), now(g, id));
        return SUCCESS;
    },
    clock_res_get(g, id, out) {
        if (id >>> 0 >= CLOCK_COUNT)
            return EINVAL;
        put64(g, at(g, out, 8), 1n);
        return SUCCESS;
    },
    random_get(g, ptr, len) {
        ptr = at(g, ptr, len >>> 0);
        for (let left = len >>> 0; left > 0;) {
            const n = Math.min(left, 65536);    // the most that the Web Crypto API gives at once
            crypto.getRandomValues(g.u8.subarray(ptr, ptr + n));
            ptr += n;
            left -= n;
        }
        return SUCCESS;
    },
    fd_write(g, fd, list, count, out) {
        if (fd !== STDOUT && fd !== STDERR)
            return EBADF;
        count >>>= 0;
        if (count > IOVECS_MAX)
            return EINVAL;
        list = at(g, list, count * 8);
        out = at(g, out, 4);
        let total = 0;
        for (let i = 0; i < count; i++) {
            const len = u32(g, list + i * 8 + 4), ptr = at(g, u32(g, list + i * 8), len);
            if (len)
                addOutput(g, fd === STDERR ? 1 : 0, fromBytes(g.u8, ptr, ptr + len));
            total += len;
        }
        put32(g, out, total);
        return SUCCESS;
    },
    fd_read(g, fd, list, count, out) {
        if (fd !== STDIN)
            return EBADF;
        put32(g, at(g, out, 4), 0);
        return SUCCESS;
    },
    fd_pread: (g, fd) => isFd(fd, ESPIPE),
    fd_seek: (g, fd) => isFd(fd, ESPIPE),
    fd_readdir: noPath,
    fd_close: (g, fd) => isFd(fd, SUCCESS),
    fd_fdstat_get(g, fd, out) {
        if (fd >>> 0 >= FD_COUNT)
            return EBADF;
        out = at(g, out, 24);
        g.u8.fill(0, out, out + 24);
        g.u8[out] = CHARACTER_DEVICE;
        put64(g, out + 8, BigInt((fd === STDIN ? 1 << 1 : 1 << 6) | (1 << 27)));     // rights: read or write, poll
        return SUCCESS;
    },
    fd_fdstat_set_flags: (g, fd) => isFd(fd, SUCCESS),
    fd_filestat_get(g, fd, out) {
        if (fd >>> 0 >= FD_COUNT)
            return EBADF;
        out = at(g, out, 64);
        g.u8.fill(0, out, out + 64);
        g.u8[out + 16] = CHARACTER_DEVICE;
        put64(g, out + 24, 1n);
        return SUCCESS;
    },
    fd_prestat_get: () => EBADF,            // no preopened directory
    fd_prestat_dir_name: () => EBADF,
    path_create_directory: noPath,
    path_filestat_get: noPath,
    path_open: noPath,
    path_readlink: noPath,
    path_remove_directory: noPath,
    path_unlink_file: noPath,
    poll_oneoff: pollOneoff,
    proc_exit(g, code) {
        throw new Exit(code);
    },
    sched_yield: (g) => g.waitFor(0, (late) => (late ? SUCCESS : undefined)),
};

