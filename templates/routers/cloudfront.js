// SPDX-License-Identifier: Apache-2.0
// A CloudFront Function (cloudfront-js-2.0) that shares the traffic of a distribution between two
// versions of an app, which runs in a Lambda@Edge function on origin-request. README.md has the
// contract. Attached to viewer-request it labels the request; attached to viewer-response as well it
// keeps the visitor's share in a cookie and names the version in the answer.
//
// Only what njs has, the engine that this runs in: no `?.`, `??`, for-of, classes or spread.
import cf from 'cloudfront';
import crypto from 'crypto';

const VERSION = 'x-edgectl-version'; // in the cache key: a cached answer belongs to one version
const VIA = 'x-edgectl-via';
const COOKIE = 'edgectl-share';
const LABEL = /^[A-Za-z0-9._-]{1,64}$/;

async function handler(event) {
    const config = await rollout();
    return event.context.eventType === 'viewer-response'
        ? answer(event, config)
        : route(event, config);
}

// The rollout as it stands; null if there is none, or none that makes sense.
async function rollout() {
    try {
        const c = await cf.kvs().get('rollout', { format: 'json' });
        const named = [c.stable, c.canary, c.salt].every((s) => typeof s === 'string' && LABEL.test(s));
        if (named && c.weight_bp >= 0 && c.weight_bp <= 10000)
            return c;
        console.log('edgectl: the rollout in the key value store is not valid');
    } catch (e) {
        console.log('edgectl: no rollout: ' + e);
    }
    return null;
}

function route(event, config) {
    const request = event.request;
    const headers = request.headers;
    const here = 'cf-' + event.context.distributionId;
    const via = headers[VIA] ? headers[VIA].value : '';
    if (via.split(/, */).indexOf(here) >= 0)
        return {
            statusCode: 508,
            statusDescription: 'Loop Detected',
            headers: { 'cache-control': { value: 'no-store' } },
        };
    headers[VIA] = { value: via ? via + ', ' + here : here };
    delete headers[VERSION]; // a label of the client's own would give it a cache of its own
    if (config) {
        const chosen = choose(event, config);
        headers[VERSION] = { value: chosen.label };
        console.log(JSON.stringify({
            edgectl: 'router', request: event.context.requestId, version: chosen.label,
            canary: chosen.canary, forced: chosen.forced, share: chosen.share, gen: config.gen,
        }));
    }
    return request;
}

// The request is here as the client sent it, so the choice is made again: it comes out the same.
function answer(event, config) {
    const response = event.response;
    if (config) {
        const chosen = choose(event, config);
        response.headers[VERSION] = { value: chosen.label };
        if (!chosen.known)
            response.cookies[COOKIE] = {
                value: config.salt + '.' + chosen.share,
                attributes: 'Path=/; Max-Age=86400; Secure; HttpOnly; SameSite=Lax',
            };
    }
    return response;
}

function choose(event, config) {
    const known = remembered(event.request.cookies[COOKIE], config.salt);
    const share = known >= 0 ? known : shareOf(event.viewer.ip, config.salt);
    const forced = force(event.request.headers, config);
    const canary = forced ? forced === 'canary' : share < config.weight_bp;
    return {
        canary: canary, label: canary ? config.canary : config.stable,
        share: share, known: known >= 0, forced: forced !== '',
    };
}

// The force header says canary or stable, or names a version.
function force(headers, config) {
    const header = headers[(config.force_header || 'x-edgectl-canary').toLowerCase()];
    const value = header ? header.value : '';
    if (value === '1' || value === 'canary' || value === config.canary)
        return 'canary';
    return value === '0' || value === 'stable' || value === config.stable ? 'stable' : '';
}

// The share that an earlier answer put into the cookie, -1 if it is none of this rollout's.
function remembered(cookie, salt) {
    const parts = cookie ? /^(.*)\.(\d{1,4})$/.exec(cookie.value) : null;
    return parts && parts[1] === salt ? Number(parts[2]) : -1;
}

// 0 to 9999, evenly: which hundredths of a percent of the traffic an address stands for.
function shareOf(ip, salt) {
    const digest = crypto.createHash('sha256').update(salt + '|' + ip).digest('hex');
    return parseInt(digest.slice(0, 12), 16) % 10000;
}
