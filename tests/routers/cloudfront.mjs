// SPDX-License-Identifier: Apache-2.0
// cloudfront.mjs CASE ENGINE: one case of cloudfront.bats, with the function in node or njs. Works in
// the current folder.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const here = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const source = path.join(here, '../../templates/routers/cloudfront.js');
const [, , name, engine] = process.argv;

const rollout = {
    gen: 7, salt: '9f2c', stable: 'r41', canary: 'r42', weight_bp: 500,
    force_header: 'x-edgectl-canary',
};

// Call the handler with each event; the results and what it logged.
function run(events, kvs = { rollout: JSON.stringify(rollout) }) {
    const code = fs.readFileSync(source, 'utf8') +
        fs.readFileSync(path.join(here, 'function_driver.js'), 'utf8');
    fs.mkdirSync('node_modules/cloudfront', { recursive: true });
    fs.writeFileSync('node_modules/cloudfront/package.json', '{"type":"module","main":"index.js"}');
    fs.copyFileSync(path.join(here, 'cloudfront_module.js'), 'node_modules/cloudfront/index.js');
    fs.copyFileSync(path.join(here, 'cloudfront_module.js'), 'cloudfront');
    fs.writeFileSync('function.mjs', code);
    fs.writeFileSync('events.json', JSON.stringify(events));
    fs.writeFileSync('kvs.json', JSON.stringify(kvs));
    const command = engine === 'njs' ? ['njs', '-p', process.cwd(), 'function.mjs']
        : [process.execPath, 'function.mjs'];
    const said = execFileSync(command[0], command.slice(1), { encoding: 'utf8', maxBuffer: 1 << 28 });
    const lines = said.split('\n').filter((line) => line !== '');
    const results = lines.filter((line) => line.startsWith('=> '))
        .map((line) => JSON.parse(line.slice(3)));
    for (const result of results)
        assert.equal(result.error, undefined);
    assert.equal(results.length, events.length);
    return { results, logs: lines.filter((line) => !line.startsWith('=> ')) };
}

function event({ ip = '203.0.113.7', headers = {}, cookies = {}, type = 'viewer-request' } = {}) {
    const values = (map) => Object.fromEntries(Object.entries(map).map(([k, value]) => [k, { value }]));
    return {
        version: '1.0',
        context: {
            distributionDomainName: 'd111111abcdef8.cloudfront.net', distributionId: 'EDFDVBD6EXAMPLE',
            eventType: type, requestId: 'req-1',
        },
        viewer: { ip },
        request: {
            method: 'GET', uri: '/items', querystring: { page: { value: '2' } },
            headers: values({ host: 'shop.example', ...headers }), cookies: values(cookies),
        },
        ...(type === 'viewer-response' && {
            response: {
                statusCode: 200, statusDescription: 'OK', headers: values({ server: 'x' }), cookies: {},
            },
        }),
    };
}

const version = (result) => result.headers['x-edgectl-version']?.value;
const address = (i) => `10.${i >> 16 & 255}.${i >> 8 & 255}.${i & 255}`;
const at = (weight_bp, more) => ({ rollout: JSON.stringify({ ...rollout, weight_bp, ...more }) });

const cases = {
    size() {
        assert.ok(fs.statSync(source).size <= 10240);
        assert.match(fs.readFileSync(source, 'utf8'), /^async function handler\(event\)/m);
    },
    // 6,000 addresses: at 5 % the standard deviation is 0.28 %; four of them either way.
    weights() {
        const events = Array.from({ length: 6000 }, (_, i) => event({ ip: address(i * 7 + 1) }));
        for (const weight of [0, 100, 500, 5000, 10000]) {
            const share = run(events, at(weight)).results
                .filter((r) => version(r) === 'r42').length / events.length;
            const p = weight / 10000;
            const bound = 4 * Math.sqrt(p * (1 - p) / events.length);
            assert.ok(Math.abs(share - p) <= bound, `weight ${p}: share ${share}, bound ${bound}`);
        }
    },
    // All shares alike: chi-squared over 100 groups stays below its 99.99 % point (160.1 at 99 df).
    even() {
        const n = 20000;
        const counts = new Array(100).fill(0);
        const events = Array.from({ length: n }, (_, i) => event({ ip: address(i) }));
        for (const line of run(events).logs)
            counts[Math.floor(JSON.parse(line).share / 100)]++;
        const chi = counts.reduce((sum, c) => sum + (c - n / 100) ** 2 / (n / 100), 0);
        assert.ok(chi < 160.1, `chi squared ${chi}`);
    },
    // Who had the canary keeps it as the weight grows; a new salt deals anew.
    sticky() {
        const events = Array.from({ length: 3000 }, (_, i) => event({ ip: address(i) }));
        let before = new Set();
        for (const weight of [500, 2500, 7500]) {
            const results = run(events, at(weight)).results;
            const now = new Set(results.map((r, i) => version(r) === 'r42' ? i : -1));
            for (const i of before)
                assert.ok(now.has(i));
            before = now;
        }
        const other = run(events, at(500, { salt: 'other' })).results;
        const same = run(events, at(500)).results.filter((r, i) => version(r) === 'r42' &&
            version(other[i]) === 'r42').length;
        assert.ok(same < 30, `${same} of about 150 have it under both salts`);
    },
    // A cookie of this rollout beats the address; one of another rollout, or nonsense, does not.
    cookie() {
        const with_cookie = (value) =>
            version(run([event({ cookies: { 'edgectl-share': value } })], at(500)).results[0]);
        const without = version(run([event()], at(500)).results[0]);
        assert.equal(with_cookie('9f2c.499'), 'r42');
        assert.equal(with_cookie('9f2c.500'), 'r41');
        for (const value of ['old.1', '9f2c.', '9f2c.-1', '9f2c.12345', '9f2c.0x1', '', 'a'.repeat(700)])
            assert.equal(with_cookie(value), without, value.slice(0, 20));
    },
    // The answer sets the cookie that keeps the choice when the address changes, and only once.
    answer() {
        const [first] = run([event({ type: 'viewer-response' })], at(5000)).results;
        const cookie = first.cookies['edgectl-share'];
        assert.match(cookie.value, /^9f2c\.\d{1,4}$/);
        assert.match(cookie.attributes, /Secure; HttpOnly/);
        assert.equal(first.headers.server.value, 'x');
        const label = version(first);
        assert.equal(version(run([event()], at(5000)).results[0]), label);
        const cookies = { 'edgectl-share': cookie.value };
        for (let i = 0; i < 20; i++) {
            const moved = { ip: address(i), cookies };
            const { results } = run([event(moved), event({ ...moved, type: 'viewer-response' })], at(5000));
            assert.equal(version(results[0]), label);
            assert.equal(version(results[1]), label);
            assert.deepEqual(results[1].cookies, {});
        }
    },
    forced() {
        const forced = (value, weight, more) => version(run(
            [event({ headers: { 'x-edgectl-canary': value } })], at(weight, more)).results[0]);
        for (const value of ['1', 'canary', 'r42'])
            assert.equal(forced(value, 0), 'r42');
        for (const value of ['0', 'stable', 'r41'])
            assert.equal(forced(value, 10000), 'r41');
        assert.equal(forced('something else', 0), 'r41');
        assert.equal(forced('something else', 10000), 'r42');
        assert.equal(forced('1', 0, { force_header: 'X-Probe' }), 'r41');
        const { results: [r] } = run([event({ headers: { 'x-probe': '1' } })],
            at(0, { force_header: 'X-Probe' }));
        assert.equal(version(r), 'r42');
    },
    // The label is ours, as it is part of the cache key; everything else goes on as it came.
    label() {
        const sent = event({ headers: { 'x-edgectl-version': 'mine', accept: '*/*' } });
        const { results: [r], logs: [log] } = run([sent], at(10000));
        assert.equal(version(r), 'r42');
        assert.equal(r.headers.accept.value, '*/*');
        assert.equal(r.uri, '/items');
        assert.deepEqual(r.querystring, { page: { value: '2' } });
        assert.equal(r.headers['x-edgectl-via'].value, 'cf-EDFDVBD6EXAMPLE');
        const said = JSON.parse(log);
        assert.deepEqual({ ...said, share: 0 }, {
            edgectl: 'router', request: 'req-1', version: 'r42', canary: true, forced: false, share: 0,
            gen: 7,
        });
    },
    loop() {
        const { results } = run([
            event({ headers: { 'x-edgectl-via': 'other, cf-EDFDVBD6EXAMPLE' } }),
            event({ headers: { 'x-edgectl-via': 'cf-EDFDVBD6EXAMPLEX' } }),
        ]);
        assert.equal(results[0].statusCode, 508);
        assert.equal(results[1].headers['x-edgectl-via'].value, 'cf-EDFDVBD6EXAMPLEX, cf-EDFDVBD6EXAMPLE');
    },
    // No rollout, or a broken one: the request goes on, without a label, and the log says why.
    broken() {
        const bad = [
            {}, { rollout: 'not JSON' }, { rollout: '"text"' }, { rollout: 'null' },
            at(500, { stable: '' }), at(500, { canary: 'a b' }), at(-1), at(10001), at('x'),
            at(500, { salt: undefined }), at(500, { salt: 'a;b' }),
        ];
        for (const kvs of bad) {
            const { results, logs } = run([
                event({ headers: { 'x-edgectl-version': 'mine' } }), event({ type: 'viewer-response' }),
            ], kvs);
            assert.equal(version(results[0]), undefined);
            assert.equal(results[0].uri, '/items');
            assert.equal(results[1].statusCode, 200);
            assert.deepEqual(results[1].cookies, {});
            assert.match(logs[0], /^edgectl: /);
        }
    },
};

cases[name]();
