#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Apps as Lambda@Edge functions: bundles in Node 24, behind what stands in for CloudFront.
load ../lib
load peers
load bundle
load ../provider/ship

@test "an app answers on origin-request and viewer-request" {
    guest c/arm
    node_bundle app 'config: { arm: { values: { name: "lambda" } } }'
    for phase in origin-request viewer-request; do
        stand_in cloudfront app "$phase"
        gives '/p?q=1' 200 -X PUT -d 'the body' -H 'x-two: 1' -H 'x-two: 2' -H $'x-latin: h\xc3\xa9'
        expect_in "$(cat body)" 'PUT /p?q=1'
        expect_in "$(cat body)" $'x-two: 1\nx-two: 2\n'
        expect_in "$(cat body)" $'x-latin: h\xc3\xa9\n'
        expect_in "$(cat body)" $'arm: lambda\n\nthe body'
        grep -q '^set-cookie: app=1' head
        gives / 200 --head
    done
}

@test "an app on another event is refused with the reason" {
    guest c/hello
    node_bundle app ''
    stand_in cloudfront app origin-response
    gives / 503
    grep -q 'an app runs on viewer-request or origin-request, not on origin-response' log
}

@test "headers that CloudFront does not take are left out, and that is said once" {
    guest c/headers
    node_bundle app ''
    stand_in cloudfront app
    gives '/?connection=close&via=x&x-edge-a=1&x-kept=yes' 200
    grep -q '^x-kept: yes' head
    ! grep -q '^via\|^x-edge' head
    gives '/?connection=close' 200
    [ "$(grep -c 'header connection of the app' log)" = 1 ]
}

@test "an answer beyond CloudFront's limit, and a body that it cuts, are told apart from the app's errors" {
    guest c/arm
    node_bundle app ''
    head -c 600000 /dev/zero | tr '\0' x >half
    head -c 2000000 /dev/zero | tr '\0' x >large
    stand_in cloudfront app viewer-request
    gives / 413 --data-binary @half
    expect_in "$(cat body)" 'CloudFront passes on 40960 bytes'
    head -c 40000 /dev/zero | tr '\0' x >near
    gives / 502 --data-binary @near -H "x-more: $(head -c 2000 /dev/zero | tr '\0' y)"
    expect_in "$(cat body)" 'larger than the 40960 bytes'
    grep -q '^x-edgectl-error: cloudfront' head
    stand_in cloudfront app origin-request
    gives / 200 --data-binary @half
    gives / 413 --data-binary @large
    stand_in cloudfront app origin-request no-body
    gives / 500 -d body
    expect_in "$(cat body)" 'IncludeBody'
}

@test "bodies of bytes" {
    guest c/origin
    node_bundle app ''
    stand_in cloudfront app
    head -c 100000 /dev/urandom >bytes
    ask /echo --data-binary @bytes
    tail -c 100000 body | cmp - bytes
}

@test "KV in Redis, its token and secrets from the Systems Manager, a backend" {
    guest rust/app
    upstash
    "$TEST_TOOLS/bad_backend" >bad 2>&1 3>&- &
    pids+=($!)
    wait_for 10 test -s bad
    ssm /edgectl/app/secrets/token=s3cret /edgectl/app/kv/token=t0ken
    node_bundle app "backends: { origin: { url: \"http://127.0.0.1:$(cat bad)\" }, refused: { url: \"http://127.0.0.1:9\" } },
        kv: { store: { binding: \"KV_STORE\", id: \"$upstash\", token: \"/edgectl/app/kv/token\" } },
        secrets: { secrets: { token: \"/edgectl/app/secrets/token\" } },
        config: { settings: { values: { plain: \"value\" } } }, geo: [[\"203.0.113.0/24\", { city: \"Probe\" }]]"
    stand_in cloudfront app
    says /kv $'add: true\none: first and more\ntwo: second about\nlist: ["rust/one"] more: true\ngone: true'
    says /stores 'value s3cret true'
    says /error $'ConnectionRefused\nDestinationNotFound'
    says /proxy good
}

@test "what edgectl bundle makes: every hostcall of the stores, over Redis and the Systems Manager" {
    guest c/stores
    upstash
    cp "$module" app.wasm
    cp "$BATS_TEST_DIRNAME/../serve/probe.yaml" edge.yaml
    cat >>edge.yaml <<END
build: { artifact: app.wasm }
targets: { production: { provider: aws, kv: { store: "$upstash", empty: "$upstash" } } }
END
    edgectl bundle --target production --out app.zip
    expect_status 0
    python3 -m zipfile -e app.zip app
    parameter=$(grep -oE '/edgectl/probe/secrets/token/[0-9a-f]+' app/bindings.js)
    ssm "$parameter=s3cret" /edgectl/probe/kv/store/token=t0ken /edgectl/probe/kv/empty/token=t0ken
    seed_kv
    stand_in cloudfront app
    stores_but_loopback
}

@test "the function answers only when the guest has ended, as Lambda stops it then" {
    guest js/app
    node_bundle app ''
    cat >once.mjs <<'END'
import { handler } from "./app/lambda/index.js";
const request = { clientIp: "127.0.0.1", method: "GET", uri: "/late", querystring: "", headers: { host: [{ value: "h" }] } };
const answer = await handler({ Records: [{ cf: { config: { eventType: "origin-request" }, request } }] }, {});
process.stdout.write(`answer: ${answer.body}`);
process.reallyExit(0);
END
    node24
    run "$node" once.mjs
    [ "$output" = $'stdout :: late\nanswer: early' ]
}

@test "two versions in one function, by the router's label" {
    guest c/arm
    mkdir app
    for v in 7 8; do
        node_bundle "app/v$v" "config: { arm: { values: { name: \"version $v\" } } }"
    done
    mkdir app/lambda
    cp "$hosts/pair/index.js" app/lambda
    echo '{"type":"module"}' >app/package.json
    echo 'export default { "7": "v7/", "8": "v8/" }; export const main = "7", app = "shop";' >app/versions.js
    stand_in cloudfront app
    says / 'arm: version 7'
    says / 'arm: version 8' -H 'x-edgectl-version: 8'
    says / 'arm: version 7' -H 'x-edgectl-version: 7'
    says / 'arm: version 7' -H 'x-edgectl-version: 9'
    says / 'arm: version 7' -H 'x-edgectl-version: __proto__'
    grep -q '^\[8\] edgectl :: {"request":".*","status":200,"version":"8"}' log
    [ "$(grep -c '"version":"7"}' log)" -eq 3 ]
    # What CloudWatch makes metrics of: a line that is JSON, whole.
    grep '^{"_aws"' log >metrics
    python3 - <<'END'
import json
lines = [json.loads(line) for line in open("metrics")]
assert [line["Version"] for line in lines] == ["7", "8", "7", "7", "7"], lines
for line in lines:
    assert line["App"] == "shop" and line["Errors"] == 0 and line["Traps"] == 0 and line["Latency"] > 0, line
    (metrics,) = line["_aws"]["CloudWatchMetrics"]
    assert metrics["Namespace"] == "edgectl" and metrics["Dimensions"] == [["App", "Version"]], line
    assert {m["Name"] for m in metrics["Metrics"]} == {"Latency", "Errors", "Traps"}, line
END
}

@test "two releases in a rollout by the router, as they are shipped" {
    guest c/arm
    cp "$module" app.wasm
    cat >edge.yaml <<'END'
name: app
build: { artifact: app.wasm }
config: { arm: { name: "${NAME}" } }
targets: { production: { provider: aws, router: true } }
END
    unset "${!AWS_@}"
    export NAME
    BATS_TEST_DIRNAME=$BATS_TEST_DIRNAME/../provider start_fake aws
    pids+=("$FAKE_PID")
    fake call '{"name": "set", "slow": 0, "young_role_tries": 0}' >/dev/null
    export AWS_ENDPOINT_URL=$FAKE AWS_ACCESS_KEY_ID=AKIDTEST AWS_SECRET_ACCESS_KEY=aws-secret-key
    for NAME in one two; do
        ship_ok production deploy app "release $NAME"
        [ "$NAME" = two ] || ship_ok production split 1
    done
    ship_ok production split 1 2=5000
    no_violations
    curl -sS -o pair.zip "$FAKE/code/app/3?X-Amz-Signature=presigned"
    stop_fake
    python3 -m zipfile -e pair.zip app
    stand_in cloudfront app
    says / 'arm: one'
    says / 'arm: two' -H 'x-edgectl-version: 2'
    says / 'arm: one' -H 'x-edgectl-version: 1'
    grep -q '^{"_aws".*"App":"app","Version":"2","Latency":' log
}

@test "files of the app are answered without it" {
    guest c/arm
    node_bundle app 'assets: { "/a/x.txt": { part: "assets/a/x.txt", type: "text/plain", etag: "\"e\"", size: 4 },
        "/d/index.html": { part: "assets/d/index.html", type: "text/html", etag: "\"f\"", size: 4 } }'
    mkdir -p app/assets/a app/assets/d
    echo txt >app/assets/a/x.txt
    echo dir >app/assets/d/index.html
    stand_in cloudfront app
    says /a/x.txt txt
    grep -q '^content-type: text/plain' head
    says /d/ dir
    gives /a/x.txt 304 -H 'if-none-match: "e"'
    says /a/x.txt 'arm: ' -X POST
    says /a/../bindings.js 'arm: ' --path-as-is
}
