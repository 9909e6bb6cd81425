# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For tests of KV stores that are databases elsewhere: load ship, then this.

# start_kv [FOLDER]: a database; $KV is its URL, its token kv-token.
start_kv() {
    local folder=${1:-kv}
    command -v redis-server >/dev/null || skip "no redis-server (Debian: redis-server)"
    mkdir -p "$folder"
    python3 -B "$BATS_TEST_DIRNAME/fake_upstash.py" --dir "$folder" 3>&- &
    KV_PIDS+=($!)
    wait_for 30 test -s "$folder/url"
    KV=$(cat "$folder/url")
    export KV
}

stop_kv() {
    kill "${KV_PIDS[@]}" 2>/dev/null || :
}

# kv_fake CONTROL [JSON]: steers it, prints its answer.
kv_fake() {
    FAKE=$KV fake "$@"
}
