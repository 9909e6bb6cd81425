# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For bats files that run a bundle for Cloudflare in real workerd, next to guests that edgectl itself
# serves: `load ../lib`, `load ../serve/guest`, `load workerd`.

# $workerd, or the test is skipped.
workerd() {
    run --separate-stderr env HOME="${TEST_HOME:-$HOME}" "$BATS_TEST_DIRNAME/../hosts/peers/install" workerd
    [ "$status" -ne 77 ] || skip "${stderr-}"
    [ "$status" -eq 0 ] || {
        echo "${stderr-}"
        return 1
    }
    workerd=$output
}

# Bundle the guest ($1) with edge.yaml for Cloudflare, and serve that; the rest is for
# workerd_config.py. $url, ./worker.log.
work() {
    workerd
    guest "$1"
    cp "$module" app.wasm
    rm -rf worker worker.log
    grep -q '^targets:' edge.yaml ||
        printf 'targets: { cf: { provider: cloudflare } }\nbuild: { artifact: app.wasm }\n' >>edge.yaml
    "$EDGECTL" bundle --target cf --out worker >bundle.log 2>&1 || {
        cat bundle.log
        return 1
    }
    python3 "$BATS_TEST_DIRNAME/../hosts/workerd_config.py" worker "${@:2}"
    "$workerd" serve --control-fd=1 worker/config.capnp >worker.log 2>&1 3>&- &
    local pid=$!
    pids+=("$pid")
    wait_for 60 listens_or_gone "$pid"
    url=http://127.0.0.1:$(sed -n 's/^{"event":"listen".*"port":\([0-9]*\)}$/\1/p' worker.log)
    kill -0 "$pid" || {
        cat worker.log
        return 1
    }
}

listens_or_gone() {
    grep -q '"event":"listen"' worker.log || ! kill -0 "$1" 2>/dev/null
}

# The checks of a TAP guest: those that fail are the ones of a file ($1), where each stands with the
# reason why Workers differ. The rest is for curl.
fails_only() {
    curl -s -m 60 -o answer "${@:2}"
    expect_in "$(cat answer)" '1..'
    sed -n 's/^not ok [0-9]* - [a-z]*\.c:[0-9]*: \(.*\): got .*/\1/p' answer | sort >failed
    grep -v '^#' "$1" | sort | diff - failed
}
