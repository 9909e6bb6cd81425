#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load ../lib

# KILLS (default 26) is how many processes are killed: `make check-fault` kills 400.
@test "bundle: kill -9 at any moment leaves the old bundle or the new one, whole" {
    local i pid delay kind version target
    seed=${SEED:-$RANDOM}
    echo "SEED=$seed"
    RANDOM=$seed
    mkdir public
    head -c 300000 /dev/urandom >public/big
    echo '(module (memory (export "memory") 1) (func (export "_start")))' >app.wat
    cat >edge.yaml <<'E'
name: app
build: { artifact: app.wat }
static: { /: public }
E
    echo 0 >public/version
    edgectl bundle --target fastly --out app.tar.gz
    edgectl bundle --target cloudflare --out worker
    for ((i = 1; i <= ${KILLS:-26}; i++)); do
        echo "$i" >public/version
        target=fastly kind=app.tar.gz
        ((i % 2)) || target=cloudflare kind=worker
        "$EDGECTL" bundle --target "$target" --out "$kind" >/dev/null 2>&1 &
        pid=$!
        delay=$(printf '0.%03d' $((RANDOM % 120)))
        read -r -t "$delay" <> <(:) || :
        kill -9 "$pid" 2>/dev/null || :
        wait "$pid" || :
        # whichever it is, it is whole
        version=$(tar xzOf app.tar.gz app/assets/version)
        [ "$version" -ge 0 ] && [ "$version" -le "$i" ]
        [ "$(tar xzOf app.tar.gz app/assets/big | sha256sum)" = "$(sha256sum <public/big)" ]
        cmp worker/assets/big public/big
        [ "$(find worker -name '*.js' | wc -l)" -eq "$(find worker/core worker/cloudflare worker/bindings.js -name '*.js' | wc -l)" ]
        grep -q '"main_module"' worker/metadata.json
    done
    # and the next one is as good as any
    edgectl bundle --target fastly --out app.tar.gz
    expect_status 0
    edgectl bundle --verify app.tar.gz
    expect_status 0
    edgectl bundle --target cloudflare --out worker
    expect_status 0
    edgectl bundle --verify worker
    expect_status 0
}
