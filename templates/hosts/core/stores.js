// SPDX-License-Identifier: Apache-2.0
// What a guest looks up by name: config stores and dictionaries, secrets, geolocation, devices, access
// lists; and its log endpoints.
import {
    BADF, bytes, decode, encode, fromBytes, give32, giveText, INVAL, LIMITEXCEEDED, longestPrefix, NONE, OK, put32, range, slot,
    toBinary, utf8Text,
} from "./memory.js";

// Of an object in bindings.js; undefined if it has none of that name.
function entryOf(object, g, ptr, len) {
    const name = decode(bytes(g, ptr, len));
    return object && name !== undefined && Object.hasOwn(object, name) ? object[name] : undefined;
}

function share(g, table, value) {
    const h = table.indexOf(value);
    return h < 0 ? g.add(table, value) : h;
}

// --- config stores ---

function configValues(g, entry) {
    if (entry.binding === undefined)
        return entry.values ?? {};
    const parse = (s) => (typeof s === "string" ? JSON.parse(s) : s ?? {});
    const v = g.platform.variable(entry.binding);
    return v instanceof Promise ? v.then(parse) : parse(v);
}

export const config_store = {
    open(g, name, len, out) {
        const entry = entryOf(g.app.config, g, name, len);
        slot(g, out, 4);
        if (!entry)
            return BADF;
        const give = (values) => give32(g, out, g.add(g.stores, values));
        const values = configValues(g, entry);
        return values instanceof Promise ? g.whenDone(values, give) : give(values);
    },
    get(g, h, key, len, buf, bufLen, written) {
        const values = g.stores[h >>> 0];
        if (!values)
            return BADF;
        const v = entryOf(values, g, key, len);
        return v === undefined ? NONE : giveText(g, toBinary(String(v)), buf, bufLen, written);
    },
};

// --- secrets ---

const SECRETS_MAX = 1024, SECRET_MAX = 64 << 10;

function addSecret(g, value, out) {
    if (g.secrets.length >= SECRETS_MAX)
        return LIMITEXCEEDED;
    return give32(g, out, g.secrets.push(value) - 1);
}

export const secret_store = {
    open(g, name, len, out) {
        const entry = entryOf(g.app.secrets, g, name, len);
        out = slot(g, out, 4);
        if (!entry)
            return NONE;
        put32(g, out, share(g, g.secretStores, entry));
        return OK;
    },
    get(g, h, key, len, out) {
        const store = g.secretStores[h >>> 0];
        if (!store)
            return BADF;
        const name = entryOf(store, g, key, len);
        slot(g, out, 4);
        const give = (v) => (v === undefined || v === null ? NONE : addSecret(g, typeof v === "string" ? encode(v) : v, out));
        const value = name === undefined ? undefined : g.platform.secret(name);
        return value instanceof Promise ? g.whenDone(value, give) : give(value);
    },
    plaintext(g, h, buf, len, written) {
        const value = g.secrets[h >>> 0];
        return value ? giveText(g, value, buf, len, written) : BADF;
    },
    from_bytes(g, ptr, len, out) {
        const value = bytes(g, ptr, len).slice();
        slot(g, out, 4);
        return value.length > SECRET_MAX ? INVAL : addSecret(g, value, out);
    },
};

// --- by address ---

function octetsIn(g, ptr, len) {
    range(g, ptr, len);
    if (len !== 4 && len !== 16)
        throw INVAL;
    return bytes(g, ptr, len);
}

function geoRecord(g, octets) {
    const told = longestPrefix(g.app.geo, octets);
    if (told)
        return told[1];
    const client = g.clientOctets();
    return client.length === octets.length && client.every((b, i) => b === octets[i]) ? g.request.geo?.() : undefined;
}

export const geo = {
    lookup(g, ptr, len, buf, bufLen, written) {
        const record = geoRecord(g, octetsIn(g, ptr, len));
        const json = record === undefined ? "" : typeof record === "string" ? record : JSON.stringify(record);
        return giveText(g, toBinary(json), buf, bufLen, written);     // an unknown address is no error
    },
};

const ACL_OK = 1, ACL_NO_CONTENT = 2;

export const acl = {
    open(g, name, len, out) {
        const entry = entryOf(g.app.acls, g, name, len);
        out = slot(g, out, 4);
        if (!entry)
            return NONE;
        put32(g, out, share(g, g.acls, entry));
        return OK;
    },
    lookup(g, h, ptr, len, body, error) {
        const list = g.acls[h >>> 0];
        if (!list)
            return BADF;
        const octets = octetsIn(g, ptr, len);
        error = slot(g, error, 4);
        const found = longestPrefix(list, octets);
        if (found) {
            body = slot(g, body, 4);
            put32(g, body, g.addText(encode(JSON.stringify({ prefix: found[0], action: found[1] }, null, 2))));
        }
        put32(g, error, found ? ACL_OK : ACL_NO_CONTENT);
        return OK;
    },
};

export const device_detection = {
    lookup(g, agent, len, buf, bufLen, written) {
        const { devices } = g.app, name = utf8Text(g, agent, len);
        if (!devices || !Object.hasOwn(devices, name))
            return NONE;
        const record = devices[name];
        return giveText(g, toBinary(typeof record === "string" ? record : JSON.stringify(record)), buf, bufLen, written);
    },
};

// --- logs ---

export const log = {
    endpoint_get(g, ptr, len, out) {
        out = slot(g, out, 4);
        const name = utf8Text(g, ptr, len);
        if (name === "" || /^(stdout|stderr)$|^fst_managed/i.test(name))
            return INVAL;
        put32(g, out, share(g, g.endpoints, name));
        return OK;
    },
    write(g, h, ptr, len, out) {
        const name = g.endpoints[h >>> 0];
        if (name === undefined)
            return BADF;
        const u8 = bytes(g, ptr, len);
        out = slot(g, out, 4);
        const end = u8[u8.length - 1] === 10 ? u8.length - 1 : u8.length;
        if (end > 0)
            g.log(name, fromBytes(u8, 0, end));
        put32(g, out, len);
        return OK;
    },
};

