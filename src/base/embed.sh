#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Writes the files to be built into the binary.
#   embed.sh list DIR...    their paths, relative to their DIR, sorted
#   embed.sh asm DIR...     assembler source of the table in embed.h (x86-64 and arm64 alike)
# What a toolchain leaves behind when a template is built in place is not part of it.
set -eu
LC_ALL=C
export LC_ALL

list() {
    for dir; do
        [ -d "$dir" ] || continue
        (cd "$dir" && find . \( -name node_modules -o -name target -o -name bin -o -name pkg \
            -o -name .edgectl -o -name '.*.swp' \) -prune -o -type f -print)
    done | sed 's,^\./,,' | sort
}

# where PATH DIR...: the first of the directories that has it.
where() {
    path=$1
    shift
    for dir; do
        [ ! -f "$dir/$path" ] || break
    done
    echo "$dir"
}

asm() {
    list "$@" | {
        n=0
        table=
        echo '.section .rodata'
        while IFS= read -r path; do
            dir=$(where "$path" "$@")
            mode=0644
            [ -x "$dir/$path" ] && mode=0755
            printf 'path_%d: .asciz "%s"\ndata_%d: .incbin "%s/%s"\nend_%d: .byte 0\n' \
                $n "$path" $n "$dir" "$path" $n
            table="$table
.quad path_$n, data_$n, end_$n - data_$n
.long $mode, 0"
            n=$((n + 1))
        done
        cat <<EOF
.section .data.rel.ro, "aw"
.balign 8
.globl embed_files
embed_files:$table
.quad 0, 0, 0, 0
.section .rodata
.balign 8
.globl embed_count
embed_count: .quad $n
.section .note.GNU-stack, "", %progbits
EOF
    }
}

command=$1
shift
"$command" "$@"
