#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What must hold for every command, whatever it does: one loop over the table.
load ../lib

every_command() {
    "$EDGECTL" _docs commands
}

@test "table: every command has help on stdout, 80 columns at most" {
    count=0
    while read -r path; do
        # shellcheck disable=SC2086
        edgectl $path --help
        expect_status 0
        [ -z "$stderr" ]
        expect_in "$output" "Usage: edgectl $path"
        echo "$output" | awk -v p="$path" 'length($0) > 80 { print p ": " $0; bad = 1 } END { exit bad }'
        via_flag=$output
        # shellcheck disable=SC2086
        edgectl help $path
        [ "$output" = "$via_flag" ]
        count=$((count + 1))
    done < <(every_command)
    [ "$count" -ge 3 ]
}

@test "table: every command refuses an unknown option with the nearest one" {
    while read -r path; do
        # shellcheck disable=SC2086
        edgectl $path --jsno
        expect_status 2
        [ -z "$output" ]
        expect_in "$stderr" "edgectl: unknown option '--jsno' for $path"
        expect_in "$stderr" "hint: did you mean '--json'?"
    done < <(every_command)
}

@test "table: every summary, option and example reads like the others" {
    while read -r path; do
        # shellcheck disable=SC2086
        edgectl $path --help
        [[ ${lines[0]} =~ ^edgectl\ $path:\ [a-z].*[^.]$ ]] || {
            echo "summary: ${lines[0]}"
            return 1
        }
        # An example names the program and an existing command.
        while read -r example; do
            [[ $example == *"edgectl ${path%% *}"* ]] || {
                echo "example of another command under $path: $example"
                return 1
            }
        done < <(echo "$output" | sed -n '/^Examples:/,$s/^  \([^#].*\)/\1/p')
    done < <(every_command)
}

@test "table: the overview names every command, and nouns list theirs" {
    edgectl --help
    expect_status 0
    overview=$output
    while read -r path; do
        expect_in "$overview" "  $path "
        [[ $path != *" "* ]] || {
            edgectl "${path%% *}" --help
            expect_status 0
            expect_in "$output" "  $path "
            edgectl "${path%% *}"
            expect_status 2
        }
    done < <(every_command)
}

@test "table: wrong lines exit 2 and say what to do next" {
    edgectl
    expect_status 2
    expect_in "$stderr" "hint: see 'edgectl --help'"
    edgectl versoin
    expect_status 2
    expect_in "$stderr" "did you mean 'edgectl version'?"
    edgectl help versoin
    expect_status 2
    edgectl version extra
    expect_status 2
    expect_in "$stderr" "unexpected argument 'extra'"
}

@test "table: with --json an error is one JSON object on stderr" {
    edgectl --json versoin
    expect_status 2
    [ -z "$output" ]
    [ "$stderr" = '{"error":{"code":"USAGE","message":"unknown command '"'versoin'"'","exit":2,"hint":"did you mean '"'edgectl version'"'?"}}' ]
}

@test "table: -C works in another folder, and says when it cannot" {
    edgectl -C /nowhere version
    expect_status 1
    expect_in "$stderr" "cannot work in '/nowhere': No such file or directory"
    mkdir sub
    edgectl -C sub version
    expect_status 0
}
