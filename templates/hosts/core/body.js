// SPDX-License-Identifier: Apache-2.0
// A message body: a queue with one writer and one reader, whether a client, a backend, a guest or
// the cache stands at either end. In the queue stand byte arrays, and sources that still grow.

export const DATA = 0, WAIT = 1, END = 2, BROKEN = 3;

const FULL_CHUNKS = 8, FULL_BYTES = 1 << 20, PULL_BYTES = 64 << 10, CUT_MS = 1;

// A platform's stream of bytes. `length`: how many will come, undefined if that is not known;
// `betweenBytes`: ms that it may take for more to come; `trailers`: function that gives them at the
// end.
export class Source {
    constructor(stream, { length, betweenBytes, trailers } = {}) {
        this.stream = stream;
        this.length = length;
        this.betweenBytes = betweenBytes;
        this.trailers = trailers;
        this.reader = undefined;
        this.into = 0;
        this.pulling = false;
        this.chunk = undefined;
        this.state = WAIT;
        this.notify = undefined;
    }

    // Ask for more; `notify` is called once when there is, or when it is over.
    pull(notify) {
        this.notify = notify;
        if (this.pulling)
            return;
        this.pulling = true;
        this.reader ??= this.open();
        this.next().then(({ value, done }) => {
            if (done) {
                this.state = this.length ? BROKEN : END;
                return;
            }
            this.chunk = value;
            if (this.length !== undefined)
                this.length = Math.max(0, this.length - value.length);
        }, () => {
            this.state = BROKEN;
        }).then(() => {
            this.pulling = false;
            const tell = this.notify;
            this.notify = undefined;
            tell?.();
        });
    }

    // Into buffers of ours where it can be: a runtime's own are small.
    open() {
        try {
            const reader = this.stream.getReader({ mode: "byob" });
            this.into = Math.min(PULL_BYTES, this.length || PULL_BYTES);
            return reader;
        } catch {
            return this.stream.getReader();
        }
    }

    next() {
        const read = this.into ? this.reader.read(new Uint8Array(this.into)) : this.reader.read();
        if (!this.betweenBytes)
            return read;
        let timer;
        const late = new Promise((_, reject) => {
            timer = setTimeout(() => {
                this.cancel();
                reject(new Error("the backend stopped sending"));
            }, this.betweenBytes);
        });
        return Promise.race([read, late]).finally(() => clearTimeout(timer));
    }

    cancel() {
        this.notify = undefined;
        (this.reader ?? this.stream).cancel().catch(() => {});
    }
}

export class Body {
    constructor() {
        this.queue = [];
        this.open = false;          // its writer goes on: a streaming body
        this.gone = false;          // its reader has gone
        this.failed = false;
        this.trailers = [];
        this.endRead = false;       // its reader has been told of the end
        this.fresh = 0;             // chunks at the front that count for nothing in `full`
        this.chunks = 0;            // chunks and bytes behind those
        this.bytes = 0;
        this.onReadable = undefined;
        this.onDrain = undefined;
    }

    // --- writer ---

    write(chunk) {
        if (this.gone || chunk.length === 0)
            return;
        this.queue.push(chunk);
        if (this.open) {
            this.chunks++;
            this.bytes += chunk.length;
        }
        this.tell();
    }

    writeFront(chunk) {
        if (chunk.length)
            this.queue.unshift(chunk);
    }

    add(source) {
        this.queue.push(source);
    }

    // Everything that `src` holds and will get; its reader is this body's from now on.
    append(src) {
        this.queue.push(...src.queue);
        this.failed ||= src.failed;
        this.trailers.push(...src.trailers);
        if (this.open) {
            this.chunks += src.queue.length;
            for (const c of src.queue)
                this.bytes += c instanceof Source ? 0 : c.length;
        }
        this.tell();
    }

    // To be written on by the guest while somebody else reads.
    begin() {
        this.open = true;
        this.fresh = this.queue.length;
        this.onReadable = undefined;
    }

    get full() {
        return !this.gone && (this.chunks >= FULL_CHUNKS || this.bytes >= FULL_BYTES);
    }

    end() {
        this.open = false;
        this.tell();
    }

    fail() {
        this.open = false;
        this.failed = true;
        this.tell();
    }

    tell() {
        const fn = this.onReadable;
        this.onReadable = undefined;
        fn?.();
    }

    // --- reader ---

    // WAIT: `notify` (may be missing) is called when it is worth looking again.
    peek(notify) {
        for (;;) {
            const c = this.queue[0];
            if (c === undefined) {
                if (this.failed)
                    return BROKEN;
                if (!this.open)
                    return END;
                this.onReadable = notify;
                return WAIT;
            }
            if (!(c instanceof Source))
                return DATA;
            if (c.chunk) {
                const chunk = c.chunk;
                c.chunk = undefined;
                if (chunk.length === 0)
                    continue;
                this.queue.unshift(chunk);
                if (this.fresh)
                    this.fresh++;
                else
                    this.count(1, chunk.length);
                return DATA;
            }
            if (c.state === WAIT) {
                if (notify)
                    c.pull(notify);
                return WAIT;
            }
            if (c.state === BROKEN) {
                this.failed = true;
                this.queue.length = 0;
                return BROKEN;
            }
            if (c.trailers)
                this.trailers.push(...c.trailers());
            this.shift(0);
        }
    }

    count(chunks, bytes) {
        if (this.open) {
            this.chunks += chunks;
            this.bytes += bytes;
        }
    }

    shift(bytes) {
        this.queue.shift();
        if (this.fresh)
            this.fresh--;
        else
            this.count(-1, -bytes);
        if (this.open && !this.full)
            this.onDrain?.();
    }

    // After DATA: at most `max` bytes of the first chunk.
    take(max = Infinity) {
        const c = this.queue[0];
        if (c.length <= max) {
            this.shift(c.length);
            return c;
        }
        this.queue[0] = c.subarray(max);
        if (!this.fresh)
            this.count(0, -max);
        return c.subarray(0, max);
    }

    stop() {
        for (const c of this.queue)
            if (c instanceof Source)
                c.cancel();
        this.queue.length = 0;
        this.gone = true;
        this.onReadable = undefined;
        this.onDrain?.();
    }

    // Remaining length if it is exactly known, else undefined.
    get length() {
        let sum = 0;
        for (const c of this.queue)
            sum += c.length;        // undefined makes it NaN
        return this.failed || Number.isNaN(sum) ? undefined : sum;
    }

    // --- for platforms ---

    // All of it as { body: null | Uint8Array | ReadableStream, length: number | undefined }.
    forPlatform() {
        const { queue } = this;
        const length = this.open ? undefined : this.length;
        if (!this.open && !this.failed) {
            if (queue.length === 0)
                return { body: null, length: 0 };
            const only = queue.length === 1 ? queue[0] : undefined;
            if (only instanceof Source) {
                if (!only.reader && !only.betweenBytes && !only.trailers)
                    return { body: only.stream, length };
            } else if (!queue.some((c) => c instanceof Source)) {
                return { body: only ?? this.joined(), length };
            }
        }
        return { body: this.stream(), length };
    }

    joined() {
        const all = new Uint8Array(this.length);
        let at = 0;
        for (const c of this.queue) {
            all.set(c, at);
            at += c.length;
        }
        return all;
    }

    stream() {
        return new ReadableStream({
            pull: async (controller) => {
                for (;;) {
                    let wake;
                    const again = new Promise((resolve) => (wake = resolve));
                    switch (this.peek(wake)) {
                    case DATA:
                        return controller.enqueue(this.take());
                    case END:
                        return controller.close();
                    case BROKEN:
                        // Later: an error overtakes what was given before it.
                        await new Promise((resolve) => setTimeout(resolve, CUT_MS));
                        return controller.error(new Error("the body was cut short"));
                    }
                    await again;
                }
            },
            cancel: () => this.stop(),
        }, { highWaterMark: 0 });
    }

    // A promise of all bytes (Uint8Array), of undefined if it breaks, of null if there are more than `max`.
    async collect(max) {
        const parts = new Body();
        let size = 0;
        for (;;) {
            let wake;
            const again = new Promise((resolve) => (wake = resolve));
            switch (this.peek(wake)) {
            case DATA: {
                const chunk = this.take();
                size += chunk.length;
                if (size > max) {
                    this.stop();
                    return null;
                }
                parts.write(chunk);
                break;
            }
            case END:
                return parts.joined();
            case BROKEN:
                return undefined;
            default:
                await again;
            }
        }
    }
}
