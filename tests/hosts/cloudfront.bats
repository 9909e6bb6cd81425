#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What stands in for CloudFront: events as it makes them, and its rules for what functions return.
load ../lib
load peers
load bundle

# A function that does what is said ($1: its body), on a phase ($2).
function_that() {
    rm -rf fn
    mkdir -p fn/lambda
    echo '{"type":"module"}' >fn/package.json
    echo "export async function handler(event, context) { const { request, config } = event.Records[0].cf; $1 }" \
        >fn/lambda/index.js
    stand_in cloudfront fn "${@:2}"
}

@test "the event" {
    function_that 'return { status: "200", headers: {}, body: JSON.stringify({ request, config, left: context.getRemainingTimeInMillis() > 1000 }) }'
    ask '/p%20q?a=1&b=' -H 'X-Two: 1' -H 'X-Two: 2' -H 'connection: x-gone' -d 'h\u00e9'
    event() {
        node -e "const e = JSON.parse(require('fs').readFileSync('body')); console.log(String($1))"
    }
    [ "$(event 'e.request.uri + " " + e.request.querystring')" = '/p%20q a=1&b=' ]
    [ "$(event 'e.request.headers["x-two"].map((h) => h.key + h.value)')" = 'X-Two1,X-Two2' ]
    [ "$(event 'e.request.headers.connection')" = undefined ]
    [ "$(event 'e.request.headers.via[0].value')" = '1.1 d111111abcdef8.cloudfront.net (CloudFront)' ]
    [ "$(event 'e.request.clientIp + e.request.method')" = 127.0.0.1POST ]
    [ "$(event 'Buffer.from(e.request.body.data, "base64")')" = 'h\u00e9' ]
    [ "$(event 'e.request.body.encoding + e.request.body.inputTruncated + e.request.body.action')" = base64falseread-only ]
    [ "$(event 'e.config.eventType + e.left')" = origin-requesttrue ]
}

@test "bodies are cut at 40 KB and 1 MB, or kept back" {
    head -c 40960 /dev/zero | tr '\0' x >fits
    head -c 1048577 /dev/zero | tr '\0' x >large
    local said='return { status: 200, body: request.body ? request.body.data.length / 4 * 3 + " " + request.body.inputTruncated : "none" }'
    function_that "$said" viewer-request
    says / '40962 false' --data-binary @fits -H 'content-type: text/plain'
    says / '40962 true' --data-binary @large
    function_that "$said" origin-request
    says / '1048578 true' --data-binary @large
    function_that "$said" origin-request no-body
    says / none -d x
}

@test "what breaks a rule is a 502, what throws a 503" {
    violates() {
        function_that "$1" "$2"
        gives / "$3"
        grep -q "$4" log || {
            cat log
            return 1
        }
    }
    violates 'return null' origin-request 502 'returned no object'
    violates 'return { status: "99" }' origin-request 502 'the status is 99'
    violates 'return { status: 200, headers: { Via: [{ value: "x" }] } }' origin-request 502 'not in lower case'
    violates 'return { status: 200, headers: { a: "x" } }' origin-request 502 'no array'
    violates 'return { status: 200, headers: { a: [{ key: "B", value: "x" }] } }' origin-request 502 "another header's"
    violates 'return { status: 200, headers: { a: [{ value: "x\ny" }] } }' origin-request 502 'cannot be sent'
    for name in connection x-amz-cf-id x-edge-x x-real-ip x-cache keep-alive; do
        violates "return { status: 200, headers: { '$name': [{ value: 'x' }] } }" origin-request 502 "$name is not allowed"
    done
    violates 'return { status: 200, headers: { "content-length": [{ value: "1" }] } }' origin-request 502 read-only
    violates 'request.headers.via = [{ value: "x" }]; return request' origin-request 502 'via is read-only'
    violates 'return { status: 200, body: "x".repeat(1048577) }' origin-request 502 '1048577 bytes'
    violates 'return { status: 200, body: "x".repeat(40961) }' viewer-request 502 '40961 bytes'
    violates 'return { status: 200, headers: { a: [{ value: "x".repeat(20480) }] } }' origin-request 502 'the head has'
    violates 'throw new Error("oh")' origin-request 503 'Error: oh'
    grep -q 'x-cache: LambdaExecutionError' head
}
