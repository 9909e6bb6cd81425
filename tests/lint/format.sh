#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Columns (in tests as advice), tabs, trailing blanks, the licence line, and sizes (as advice).
set -eu
LC_ALL=C.UTF-8
export LC_ALL

{
    find src cmd tests -name '*.[ch]' -o -name '*.def' -path '*/src/*' -o -name '*.sh' -o -name '*.bats'
    echo Makefile
} | grep -v -e /corpus/ -e /node_modules/ -e /target/ | sort | xargs awk '
function complain(what) {
    print FILENAME ":" FNR ": " what
    bad = 1
}
function advise(what) {
    print "note: " FILENAME ":" FNR ": " what
}
function size() {
    if (last ~ /\.[ch]$/ && lines > 800)
        print "note: " last " has " lines " lines: split it"
}
FNR == 1 {
    size()
    last = FILENAME
    licensed = 0
}
FNR <= 2 && /SPDX-License-Identifier: Apache-2\.0/ { licensed = 1 }
FNR == 2 && !licensed { complain("no SPDX-License-Identifier in the first lines") }
length($0) > (FILENAME ~ /\.[ch]$/ ? 100 : 120) {
    said = "longer than 100 columns (" length($0) ")"
    # Any edit in src/rust has everyone build Wasmtime again.
    if (FILENAME ~ /^(src|cmd)\// && FILENAME !~ /^src\/rust\//)
        complain(said)
    else
        advise(said)
}
/[ \t]$/ { complain("trailing blank") }
/\t/ && FILENAME ~ /\.[ch]$/ { complain("tab") }
{ lines = FNR }
END {
    size()
    exit bad
}'
