// SPDX-License-Identifier: Apache-2.0
// Comes behind a CloudFront Function's source, in one file: calls its handler with each event of
// events.json, as the service would, and prints each result. For Node and njs alike.
import fs from 'fs';

// What cloudfront-js-2.0 has not: a function that uses it must fail here too.
['process', 'fetch', 'setTimeout', 'setInterval', 'setImmediate', 'require', 'WebAssembly',
    'XMLHttpRequest', 'URL', 'structuredClone', 'queueMicrotask'].forEach((name) => {
    if (typeof globalThis[name] !== 'undefined')
        globalThis[name] = undefined;
});

JSON.parse(fs.readFileSync('events.json', 'utf8')).reduce(
    (before, event) => before.then(() => handler(event)).then(
        (result) => console.log('=> ' + JSON.stringify(result)),
        (error) => console.log('=> ' + JSON.stringify({ error: '' + error }))),
    Promise.resolve());
