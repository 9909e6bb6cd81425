// SPDX-License-Identifier: Apache-2.0
// Headers of the runtime are text, on the wire in UTF-8; those of the core have one character a byte.
import { decode, toBinary, toBytes } from "../core/memory.js";

const ASCII = /^[\x00-\x7f]*$/;

export function fromHeaders(headers) {
    const list = [...headers];
    for (const line of list)
        line[1] = toBinary(line[1]);
    return list;
}

// Bytes that are no UTF-8 cannot be sent as they are: each goes as the character of its number.
export function toHeaders(list) {
    return list.every(([, value]) => ASCII.test(value)) ? list
        : list.map(([name, value]) => [name, decode(toBytes(value)) ?? value]);
}
