#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The hosts serve what src/guest/hostcalls.def names, and nothing else.
load ../lib

setup() {
    scratch
    command -v node >/dev/null || skip "no node (Debian: nodejs)"
    root=$BATS_TEST_DIRNAME/../..
    cp -r "$root/templates/hosts/core" core
    echo '{"type":"module"}' >package.json
    node --input-type=module -e '
        import { hostcalls } from "./core/table.js";
        for (const [module, name, how] of hostcalls) console.log(module, name, how);' | sort >hosts
    sed -n -e 's/^HOSTCALL(\([a-z_]*\), \([a-z_0-9]*\), "[iI]*", \([A-Z]*\),.*/\1 \2 \3/p' \
        -e 's/^WASI(\([a-z_]*\), "[iI]*", \([A-Z]*\).*/wasi_snapshot_preview1 \1 \2/p' \
        "$root/src/guest/hostcalls.def" | sort >native
    [ -s native ]
}

@test "a host serves every hostcall that is served natively, and no other" {
    # What may wait differs: a cache that never waits to close, stores that are read over the network.
    # A connection cannot be handed over by every platform.
    sed 's/ PARK$/ CALL/' native | grep -v ' NONE$' | grep -v redirect_to_websocket_proxy >wanted
    sed 's/ PARK$/ CALL/' hosts | diff wanted -
}
