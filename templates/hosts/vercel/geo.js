// SPDX-License-Identifier: Apache-2.0
// Where the client is, as Vercel says it in headers, in the fields that guests know.

const text = (value) => {
    try {
        return value && decodeURIComponent(value);
    } catch {
        return value;
    }
};
const number = (value) => (value && Number.isFinite(Number(value)) ? Number(value) : undefined);

export function geoOf(headers) {
    const h = (name) => headers[`x-vercel-ip-${name}`];
    if (h("country") === undefined)
        return undefined;
    const record = {
        as_number: number(h("as-number")), city: text(h("city")), continent: h("continent"),
        country_code: h("country"), latitude: number(h("latitude")), longitude: number(h("longitude")),
        postal_code: text(h("postal-code")), region: h("country-region"),
    };
    return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined));
}
