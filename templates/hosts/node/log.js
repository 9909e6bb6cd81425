// SPDX-License-Identifier: Apache-2.0
// A guest's log message as one line, in the words of `edgectl dev`. Of two versions in one function
// (pair/index.js) it says which one is at work.
import process from "node:process";

const VERSION = Symbol.for("edgectl.version");

export function log(endpoint, text) {
    const version = globalThis[VERSION];
    const message = text.endsWith("\n") ? text.slice(0, -1) : text;
    if (message !== "")
        process.stdout.write(`${version === undefined ? "" : `[${version}] `}${endpoint} :: ${message.replaceAll("\n", "\\n")}\n`);
}
