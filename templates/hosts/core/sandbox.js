// SPDX-License-Identifier: Apache-2.0
// Instances. Each request gets one that is as new. To make one costs more than most requests do, so
// where `edgectl bundle` has found that memory and globals are all the state of this module's
// instances, and has exported the globals (src/wasm/reset.h), one is brought back to how it began and
// used again.
import { importsFor } from "./table.js";

const RESET = "edgectl:reset", GLOBAL = "edgectl:", IDLE_MAX = 10 << 20;

// The import functions of one guest at a time, made once: `g` is the one at work; and an instance of
// theirs, if there is one to be used again.
class Slot {
    constructor(module, suspendable) {
        this.g = undefined;
        this.imports = importsFor(module, this, suspendable);
        this.box = undefined;
    }
}

function newBox(module, imports, suspendable) {
    const { exports } = new WebAssembly.Instance(module, imports);
    const { buffer } = exports.memory;
    return {
        start: suspendable ? WebAssembly.promising(exports._start) : exports._start,
        memory: exports.memory, u8: new Uint8Array(buffer), view: new DataView(buffer),
        globals: Object.keys(exports).filter((name) => name.startsWith(GLOBAL)).map((name) => exports[name]),
    };
}

// What a new instance looks like: all of them are the same.
function stateOf({ u8, globals }) {
    let first = 0, end = u8.length;
    while (first < end && u8[first] === 0)
        first++;
    while (end > first && u8[end - 1] === 0)
        end--;
    return { size: u8.length, first, end, image: u8.slice(first, end), values: globals.map((global) => global.value) };
}

function reset({ u8, globals }, state) {
    u8.fill(0, 0, state.first);
    u8.set(state.image, state.first);
    u8.fill(0, state.end);
    for (let i = 0; i < globals.length; i++)
        globals[i].value = state.values[i];
}

export class Sandboxes {
    constructor(module, suspendable) {
        this.module = module;
        this.suspendable = suspendable;
        this.free = [];
        this.idle = 0;              // bytes of instances that wait to be used again
        this.again = WebAssembly.Module.customSections(module, RESET).length > 0;
        this.state = undefined;
    }

    // A fresh one for `g`: a slot whose box.start() runs it.
    take(g) {
        const slot = this.free.pop() ?? new Slot(this.module, this.suspendable);
        slot.g = g;
        if (slot.box)
            this.idle -= slot.box.u8.length;
        else
            slot.box = newBox(this.module, slot.imports, this.suspendable);
        if (this.again)
            this.state ??= stateOf(slot.box);
        g.memory = slot.box.memory;
        g.u8 = slot.box.u8;
        g.view = slot.box.view;
        return slot;
    }

    // Its guest has ended, and nothing of it will run any more.
    give(slot) {
        const { box } = slot;
        slot.g = undefined;
        // Memory that has grown cannot shrink; its view has length 0 then.
        if (this.again && box && box.u8.length === this.state.size && this.idle + box.u8.length <= IDLE_MAX) {
            reset(box, this.state);
            this.idle += box.u8.length;
        } else {
            slot.box = undefined;
        }
        this.free.push(slot);
    }
}
