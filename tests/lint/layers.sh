#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A room includes only itself and rooms of a lower layer, and each foreign library is included in
# its own room only. The map with the reasons is src/README.md.
set -eu

# LAYER ROOM...
layers='0 base rust
1 cli crypto
2 net store vcs wasm xml
3 manifest template
4 world build bundle
5 guest provider runtime
6 serve rollout
9 cmd'

# Contract headers that a lower room may include: what the wire hands to whoever answers.
seams='guest serve/exchange.h'

# HEADER (a beginning) ROOM...
foreign='curl/ net
wslay net
sqlite3.h store
git2 vcs
yaml.h manifest
wasm.h wasm guest
wasmtime wasm guest
sodium crypto
openssl/ crypto
archive bundle
zip.h bundle
expat xml'

find src cmd -name '*.[ch]' | LC_ALL=C sort | xargs grep -Hn '^[[:space:]]*#[[:space:]]*include' |
    awk -v layers="$layers" -v seams="$seams" -v foreign="$foreign" '
BEGIN {
    n = split(layers, line, "\n")
    for (i = 1; i <= n; i++) {
        k = split(line[i], w, " ")
        for (j = 2; j <= k; j++)
            layer[w[j]] = w[1]
    }
    n = split(seams, line, "\n")
    for (i = 1; i <= n; i++)
        seam[line[i]] = 1
    lines = split(foreign, rule, "\n")
}
function complain(what) {
    print file ":" number ": " what
    bad = 1
}
{
    split($0, part, ":")
    file = part[1]
    number = part[2]
    split(file, dir, "/")
    room = dir[1] == "cmd" ? "cmd" : dir[2]
    if (!(room in layer)) {
        complain("room " room " has no layer in tests/lint/layers.sh")
        next
    }
}
match($0, /"[^"]*"/) {
    header = substr($0, RSTART + 1, RLENGTH - 2)
    split(header, dir, "/")
    other = dir[1]
    if (index(header, "/") == 0)
        complain("include \"" header "\" by its path below src/")
    else if (other != room && !((room " " header) in seam) && layer[other] >= layer[room])
        complain(room " (layer " layer[room] ") includes " header " (layer " layer[other] ")")
}
match($0, /<[^>]*>/) {
    header = substr($0, RSTART + 1, RLENGTH - 2)
    for (i = 1; i <= lines; i++) {
        k = split(rule[i], w, " ")
        if (index(header, w[1]) != 1)
            continue
        allowed = 0
        for (j = 2; j <= k; j++)
            allowed = allowed || w[j] == room
        if (!allowed)
            complain("<" header "> belongs to " substr(rule[i], length(w[1]) + 2))
    }
}
END { exit bad }'
