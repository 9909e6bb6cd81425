#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Calls that have a better way here. Comments and strings are left out before looking.
set -eu

find src cmd -name '*.[ch]' | LC_ALL=C sort | xargs awk '
BEGIN {
    # Everywhere: unbounded, not reentrant, or through a shell.
    ban("strcpy stpcpy strcat sprintf vsprintf strtok gets gmtime localtime ctime asctime", "")
    ban("atoi atol atoll mktemp tmpnam tempnam system popen alloca setjmp longjmp", "")
    # Running out of memory aborts: base/mem.h.
    ban("malloc calloc realloc reallocarray strdup strndup asprintf vasprintf", "src/base/mem.c")
    # The world has one clock and one source of randomness: base/clock.h.
    ban("clock_gettime gettimeofday time clock rand random srand getentropy uv_now uv_hrtime",
        "src/base/clock.c")
    ban("getrandom", "src/base/random.c")
    # The library neither prints nor exits; commands print through cli/output.h.
    ban("printf puts putchar perror vprintf fprintf vfprintf fputs fputc putc", "src/cli/output.c")
    ban("exit _exit _Exit quick_exit", "cmd/")
}
function ban(names, except,    list, n, i) {
    n = split(names, list, " ")
    for (i = 1; i <= n; i++)
        only[list[i]] = except == "" ? "nowhere" : except
}
function complain(what) {
    print FILENAME ":" FNR ": " what
    bad = 1
}
FNR == 1 { in_comment = 0; statement = "" }
{
    s = $0
    if (in_comment) {
        if (!match(s, /\*\//))
            next
        s = substr(s, RSTART + 2)
        in_comment = 0
    }
    gsub(/\\./, "", s)
    strings = s
    gsub(/"[^"]*"/, "\"\"", s)
    gsub(/\047[^\047]*\047/, "0", s)
    gsub(/\/\*([^*]|\*+[^*\/])*\*+\//, " ", s)
    if (match(s, /\/\*/)) {
        s = substr(s, 1, RSTART - 1)
        in_comment = 1
    }
    if (s ~ /\/\//)
        complain("// is not for commit: comments are /* */")
    if (s ~ /(^|[^A-Za-z0-9_])goto([ \t]|$)/)
        complain("goto: use cleanup() and return early (base/cleanup.h)")
    rest = s
    while (match(rest, /[A-Za-z_][A-Za-z0-9_]*[ \t]*\(/)) {
        before = RSTART > 1 ? substr(rest, RSTART - 1, 1) : ""
        two = RSTART > 2 ? substr(rest, RSTART - 2, 2) : ""
        name = substr(rest, RSTART, RLENGTH - 1)
        sub(/[ \t]+$/, "", name)
        if ((name in only) && before != "." && two != "->" && index(FILENAME, only[name]) != 1)
            complain(name "() is allowed " (only[name] == "nowhere" ? "nowhere" : "only in " only[name]))
        rest = substr(rest, RSTART + RLENGTH)
    }
    # A secret may be handed on, never formatted.
    statement = statement strings
    if (s ~ /[;{}]/) {
        if (statement ~ /%[-0-9.*]*s/ && statement ~ /secret_expose/)
            complain("a secret is formatted with %s")
        statement = ""
    }
}
END { exit bad }'
