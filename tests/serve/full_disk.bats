#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The state folder's disk fills up while dev runs.
load ../lib
load dev

@test "KV writes fail, reads go on, and writes work again when there is room" {
    unshare -m sh -c 'mount -t tmpfs -o size=4m none "$PWD"' 2>why ||
        skip "no file system can be mounted here: $(cat why)"
    "$EDGECTL" init app >/dev/null 2>&1
    cd app
    cat >script <<'END'
set -e
mkdir -p small
mount -t tmpfs -o size=4m none small
token=$(sed -n 's/^ADMIN_TOKEN=//p' .env)
"$EDGECTL" dev --no-watch --state small/state --addr 127.0.0.1:0 --ready-file ready >log 2>&1 &
dev=$!
for i in $(seq 600); do [ ! -s ready ] || break; sleep 0.1; done
url=$(cat ready)
put() {
    curl -s -m 30 -o /dev/null -w '%{http_code}\n' -X PUT -H "authorization: Bearer $token" \
        --data-binary "$1" "$url/greeting"
}
page() {
    curl -s -m 10 "$url/" | grep -c "$1" || :
}
echo "before: $(put 'First words')"
head -c 10000000 /dev/zero >small/filler 2>/dev/null || :
# The log of the database may have some room of its own left.
code=200
for i in $(seq 300); do
    code=$(put "Words $i")
    [ "$code" = 200 ] || break
done
echo "full: $code"
code=$(curl -s -m 10 -o page -w '%{http_code}' "$url/")
echo "read: $code"
rm small/filler
echo "after: $(put 'Last words')"
echo "page: $(page 'Last words')"
kill $dev
wait $dev
echo "end: $?"
END
    run --separate-stderr unshare -m sh script
    [ "$output" = $'before: 200\nfull: 500\nread: 200\nafter: 200\npage: 1\nend: 0' ] || {
        echo "$output"
        echo "$stderr"
        cat log
        return 1
    }
}
