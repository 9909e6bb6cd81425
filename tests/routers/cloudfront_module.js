// SPDX-License-Identifier: Apache-2.0
// The module `cloudfront` of cloudfront-js-2.0 over kvs.json: kvs().get. A missing key
// is an error, as in the service.
import fs from 'fs';

function get(key, options) {
    const data = JSON.parse(fs.readFileSync('kvs.json', 'utf8'));
    if (!Object.prototype.hasOwnProperty.call(data, key))
        return Promise.reject(new Error('KeyNotFound'));
    const format = options && options.format ? options.format : 'string';
    if (format === 'json')
        return Promise.resolve().then(() => JSON.parse(data[key]));
    return Promise.resolve(data[key]);
}

export default {
    kvs: () => ({ get: get }),
};
