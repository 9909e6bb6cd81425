// SPDX-License-Identifier: Apache-2.0
// Header fields: an ordered list of [name, value], names in lower case, one character a byte; and
// how they go in and out of guest memory, the same for requests, responses and trailers.
import { ERROR, giveMulti, giveText, INVAL, OK, range, text } from "./memory.js";

const NAME_MAX = 65535;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// eslint-disable-next-line no-control-regex
const BAD_VALUE = /[\x00-\x08\x0a-\x1f\x7f]/;

export const isToken = (s) => TOKEN.test(s);

export function get(list, name) {
    for (const h of list)
        if (h[0] === name)
            return h[1];
    return undefined;
}

export function remove(list, name) {
    let kept = 0;
    for (const h of list)
        if (h[0] !== name)
            list[kept++] = h;
    const removed = list.length - kept;
    list.length = kept;
    return removed;
}

export function set(list, name, value) {
    remove(list, name);
    list.push([name, value]);
}

// --- in ---

export function nameIn(g, ptr, len) {
    range(g, ptr, len);
    if (len >>> 0 > NAME_MAX)
        throw INVAL;
    const name = text(g, ptr, len);
    if (!TOKEN.test(name))
        throw ERROR;
    return name.toLowerCase();
}

export function valueIn(g, ptr, len) {
    const value = text(g, ptr, len);
    if (BAD_VALUE.test(value))
        throw ERROR;
    return value;
}

export function insertIn(g, list, name, nameLen, value, valueLen) {
    name = nameIn(g, name, nameLen);
    set(list, name, valueIn(g, value, valueLen));
    return OK;
}

export function appendIn(g, list, name, nameLen, value, valueLen) {
    name = nameIn(g, name, nameLen);
    list.push([name, valueIn(g, value, valueLen)]);
    return OK;
}

// Values each ended by NUL; what follows the last NUL is dropped.
export function valuesIn(g, list, name, nameLen, ptr, len) {
    name = nameIn(g, name, nameLen);
    const values = text(g, ptr, len).split("\0").slice(0, -1);
    if (values.some((v) => BAD_VALUE.test(v)))
        throw ERROR;
    remove(list, name);
    for (const v of values)
        list.push([name, v]);
    return OK;
}

export function removeIn(g, list, name, nameLen) {
    return remove(list, nameIn(g, name, nameLen)) ? OK : INVAL;
}

// --- out ---

export function namesOut(g, list, buf, len, cursor, ending, nwritten) {
    const names = [...new Set(list.map((h) => h[0]))];
    return giveMulti(g, names, buf, len, cursor, ending, nwritten);
}

export function valueOut(g, list, name, nameLen, buf, len, nwritten) {
    const value = get(list, nameIn(g, name, nameLen));
    return value === undefined ? INVAL : giveText(g, value, buf, len, nwritten);
}

export function valuesOut(g, list, name, nameLen, buf, len, cursor, ending, nwritten) {
    name = nameIn(g, name, nameLen);
    const values = list.filter((h) => h[0] === name).map((h) => h[1]);
    return giveMulti(g, values, buf, len, cursor, ending, nwritten);
}

// --- the URI forms of requests: absolute, or a bare path with query ---

// { scheme, authority, path } (path with query, no fragment), or undefined.
export function parseUri(s) {
    if (s.length === 0 || s.length > 65534)
        return undefined;
    const m = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([-A-Za-z0-9._~!$&'()*+,;=:@[\]%]+)(?![^/?#])/.exec(s);
    if (!m && s[0] !== "/" && s !== "*")
        return undefined;
    const path = s.slice(m ? m[0].length : 0).split("#", 1)[0];
    // eslint-disable-next-line no-control-regex
    if (/[\x00-\x20\x7f<>\\^`]/.test(path))
        return undefined;
    return m ? { scheme: m[1].toLowerCase(), authority: m[2], path } : { path };
}

// { host, port } of host[:port]; host without brackets, port 0 if none; or undefined.
export function splitHost(s) {
    const m = /^(?:\[([0-9a-fA-F:.]+)\]|([-A-Za-z0-9._~!$&'()*+,;=%]+))(?::(\d{1,5}))?$/.exec(s);
    const port = m?.[3] === undefined ? 0 : +m[3];
    if (!m || port > 65535 || (m[3] !== undefined && port === 0))
        return undefined;
    return { host: m[1] ?? m[2], port };
}

