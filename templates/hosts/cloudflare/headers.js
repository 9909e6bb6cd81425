// SPDX-License-Identifier: Apache-2.0
// The runtime takes the bytes of header values for UTF-8; in the core each is a character.
import { fromBinary, toBinary } from "../core/memory.js";

export const fromHeaders = (headers) => [...headers].map(([name, value]) => [name, toBinary(value)]);
export const toHeaders = (list) => list.map(([name, value]) => [name, fromBinary(value) ?? value]);
