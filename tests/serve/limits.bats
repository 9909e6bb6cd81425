#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# `edgectl dev --limits`: guests are held to a provider's limits and clients get the provider's errors.
load ../lib
load guest

# LENGTH bytes.
x() {
    head -c "$1" /dev/zero | tr '\0' x
}

# The header NAME ($2) of the answer to PATH ($1); the rest is for curl.
header() {
    curl -s -m 20 -o /dev/null -D - "${@:3}" "$url$1" | tr -d '\r' | sed -n "s/^$2: //ip"
}

@test "limits: without the option nothing of this holds" {
    serve_origin
    serve c/limits
    says /sends/40 "status 0 after 40"
    says /lookups/40 "status 0 after 40"
    gives "/$(x 9000)" 404
    gives /bytes/1100000 200
}

@test "limits: requests to backends and lookups are counted" {
    skip_if_sanitized
    serve_origin
    serve c/limits --limits fastly
    says /sends/32 "status 0 after 32"
    says /sends/33 "status 13 after 32"
    # each request begins anew
    says /sends/32 "status 0 after 32"
    says /lookups/16 "status 0 after 16"
    says /lookups/17 "status 13 after 16"
    serve c/limits --limits cloudflare-free --state other
    says /sends/50 "status 0 after 50"
    says /sends/51 "status 13 after 50"
}

@test "limits: URLs and headers, with each provider's own error" {
    serve c/limits --limits fastly
    gives "/$(x 8000)" 404
    gives "/$(x 8192)" 414
    gives / 404 -H "a: $(x 68000)"
    gives / 431 -H "a: $(x 69000)"
    expect_in "$(header "/$(x 8192)" x-edgectl-limit)" "8193 bytes; fastly allows 8192 bytes"
    serve c/limits --limits lambda-edge --state other
    gives / 494 -H "a: $(x 21000)"
    gives "/$(x 8192)" 414
    serve c/limits --limits vercel --state third
    gives "/$(x 13000)" 404
    gives "/$(x 14000)" 414
    [ "$(header "/$(x 14000)" x-vercel-error)" = URL_TOO_LONG ]
    gives / 431 -H "a: $(x 15000)" -H "b: $(x 15000)" -H "c: $(x 15000)"
    [ "$(header / x-vercel-error -H "a: $(x 17000)")" = REQUEST_HEADER_TOO_LARGE ]
}

@test "limits: CPU and memory end the guest with the provider's error" {
    serve c/hostile --limits fastly
    gives /loop 503
    says /loop '"limit": "vcpu"'
    says /fine fine
    serve c/hostile --limits lambda-edge --state other
    [ "$(header /grow-and-die x-cache)" = "LambdaExecutionError from cloudfront" ]
    serve c/hostile --limits cloudflare-free --state third
    gives /loop 503
    says /loop "error code: 1102"
    serve c/hostile --limits vercel --state fourth
    [ "$(header /grow-and-die x-vercel-error)" = FUNCTION_INVOCATION_FAILED ]
}

@test "limits: what Lambda@Edge sees of a request, and takes for an answer" {
    x 1500000 >body
    serve c/limits --limits lambda-edge
    # it is cut, whether its length was told or not
    says /count "after 1000000" --data-binary @body
    says /count "after 1000000" --data-binary @body -H 'transfer-encoding: chunked'
    says /count "after 999" --data-binary "$(x 999)"
    gives /bytes/1000000 200
    [ "$(curl -s "$url/bytes/1000000" | wc -c)" -eq 1000000 ]
    gives /bytes/1000001 502
    [ "$(header /bytes/1000001 x-cache)" = "LambdaValidationError from cloudfront" ]
    [ "$(curl -s "$url/stream/1000000" | wc -c)" -eq 1000000 ]
    gives /stream/1001000 502
    serve c/limits --limits lambda-edge-viewer --state other
    gives /bytes/40000 200
    gives /bytes/40001 502
}

@test "limits: uploads that are too large for a function" {
    x 4600000 >body
    serve c/limits --limits vercel
    gives /count 413 --data-binary @body
    [ "$(header /count x-vercel-error --data-binary @body)" = FUNCTION_PAYLOAD_TOO_LARGE ]
    # of an unknown length: the upload breaks, and the guest sees that
    says /count "after 999" --data-binary "$(x 999)" -H 'transfer-encoding: chunked'
    [[ $(curl -s -m 20 --data-binary @body -H 'transfer-encoding: chunked' "$url/count") != *"after 4600000"* ]]
}

@test "limits: sizes in KV" {
    skip_if_sanitized
    serve c/limits --limits cloudflare
    says /kv-lookups/1000 "status 0 after 1000"
    says /kv-lookups/1001 "status 13 after 1000"
    says /kv/512/10/0 "status 0 after 1"
    says /kv/513/10/0 "status 2"
    says /kv/10/10/1024 "status 0 after 1"
    says /kv/10/10/1025 "status 2"
    serve c/limits --limits fastly --state other
    says /kv/1024/10/2000 "status 0 after 1"
    x 25000001 >body
    says /kv-upload "status 0 after 5" -T body -H expect:
    truncate -s 25000000 body
    says /kv-upload "status 0 after 1" -T body -H expect:
}

@test "limits: a manifest may ask for less, and for as much more as the provider lets it" {
    serve c/hostile --limits cloudflare-free
    echo 'limits: { memory: 1MiB }' >>edge.yaml
    gives /grow-and-die 503
    edgectl dev --limits akamai
    expect_status 2
    expect_in "$stderr" "lambda-edge"
}
