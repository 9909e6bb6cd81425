// SPDX-License-Identifier: Apache-2.0
// A guest's log message as one line, in the words of `edgectl dev`.
import process from "node:process";

export function log(endpoint, text) {
    const message = text.endsWith("\n") ? text.slice(0, -1) : text;
    if (message !== "")
        process.stdout.write(`${endpoint} :: ${message.replaceAll("\n", "\\n")}\n`);
}
