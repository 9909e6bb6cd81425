#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load ../lib

# The words bash offers for a command line; the cursor is at its end.
bash_offers() {
    "$EDGECTL" completion bash >script.bash
    PATH=$(dirname "$EDGECTL"):$PATH bash --norc -c '
        . ./script.bash
        COMP_WORDS=("$@")
        COMP_CWORD=$(($# - 1))
        _edgectl
        printf "%s\n" "${COMPREPLY[@]}"
    ' bash "$@" | LC_ALL=C sort | tr '\n' ' '
}

@test "completion: the scripts are valid for their shells" {
    for shell in bash zsh fish; do
        edgectl completion $shell
        expect_status 0
        [ -n "$output" ]
        echo "$output" >script
        command -v $shell >/dev/null || {
            echo "# $shell is not installed" >&3
            continue
        }
        $shell -n script
    done
    edgectl completion csh
    expect_status 2
    expect_in "$stderr" "SHELL must be one of bash|zsh|fish, not 'csh'"
}

@test "completion: bash offers every first word, and only those that fit" {
    words=$("$EDGECTL" _docs commands | cut -d' ' -f1 | LC_ALL=C sort -u | tr '\n' ' ')
    [ "$(bash_offers edgectl '')" = "$words" ]
    [ "$(bash_offers edgectl valid)" = "validate " ]
    [ "$(bash_offers edgectl --json -C /tmp valid)" = "validate " ]
}

@test "completion: bash offers for each command just the options of its help" {
    while read -r path; do
        # shellcheck disable=SC2086
        want=$("$EDGECTL" $path --help | sed -n 's/^  \(-., \|    \)\(--[a-z-]*\).*/\2/p; s/^  \(-C\) .*/\1/p' |
            LC_ALL=C sort | tr '\n' ' ')
        # shellcheck disable=SC2086
        have=$(bash_offers edgectl $path -)
        [ "$have" = "$want" ] || {
            echo "$path: $have"
            echo "help:  $want"
            return 1
        }
    done < <("$EDGECTL" _docs commands)
}

@test "completion: bash offers values: words, files, folders, commands" {
    mkdir folder
    touch file.txt
    [ "$(bash_offers edgectl completion '')" = "bash fish zsh " ]
    [ "$(bash_offers edgectl completion b)" = "bash " ]
    [ "$(bash_offers edgectl version --manifest f)" = "file.txt folder " ]
    [ "$(bash_offers edgectl version --manifest = f)" = "file.txt folder " ]
    [ "$(bash_offers edgectl -C f)" = "folder " ]
    [ "$(bash_offers edgectl help valid)" = "validate " ]
    [ "$(bash_offers edgectl version --json '')" = " " ]
}

@test "completion: fish offers the same first words" {
    command -v fish >/dev/null || skip "fish is not installed"
    "$EDGECTL" completion fish >script.fish
    words=$("$EDGECTL" _docs commands | cut -d' ' -f1 | LC_ALL=C sort -u | tr '\n' ' ')
    offered=$(PATH=$(dirname "$EDGECTL"):$PATH fish --no-config -c \
        'source script.fish; complete -C "edgectl "' | cut -f1 | LC_ALL=C sort -u | tr '\n' ' ')
    [ "$offered" = "$words" ]
    [ "$(PATH=$(dirname "$EDGECTL"):$PATH fish --no-config -c \
        'source script.fish; complete -C "edgectl completion b"' | cut -f1)" = bash ]
}

@test "completion: values come fast, and errors stay silent" {
    skip_if_sanitized
    edgectl _complete no-such-kind ''
    expect_status 0
    [ -z "$output$stderr" ]
    echo 'this is: [not a manifest' >edge.yaml
    edgectl _complete kv ''
    expect_status 0
    [ -z "$output$stderr" ]
    [ "$(cpu_ms "$EDGECTL" _complete kv '')" -lt 50 ]
}

@test "completion: what the manifest names is offered" {
    cat >edge.yaml <<'EOF'
name: x
build: { artifact: x.wasm }
kv: { sessions: {}, seats: {}, carts: {} }
secrets: { api-key: { env: KEY } }
config: { flags: { beta: "off" } }
targets: { local: { provider: local }, production: { provider: cloudflare } }
EOF
    edgectl _complete kv se
    [ "$output" = "sessions
seats" ]
    edgectl _complete config ''
    [ "$output" = flags ]
    edgectl _complete target pro
    [ "$output" = production ]
    edgectl _complete template ''
    expect_in "$output" rust
}

# What zsh lists after a line, in a terminal of its own.
zsh_lists() {
    mkdir -p zfunc
    "$EDGECTL" completion zsh >zfunc/_edgectl
    PATH=$(dirname "$EDGECTL"):$PATH timeout 30 zsh -f -c '
        zmodload zsh/zpty
        # Reads what the terminal shows until it has shown $1 in a row with what follows it.
        await() {
            local part; shown=
            while [[ $shown != *$1* ]]; do
                zpty -r t part || return 1
                shown+=$part
            done
        }
        zpty t zsh -f -i
        zpty -w t "PS1=; stty -echo; fpath=($PWD/zfunc \$fpath); autoload -U compinit; compinit -u -D"
        zpty -w t "zstyle \":completion:*\" verbose no; bindkey \"^I\" list-choices; print -r rea\dy"
        await "rea\\dy"
        zpty -w -n t "$1"$'"'\\t'"'
        await "$2"
        print -r -- "$shown"
        zpty -d t
    ' zsh "$1" "$2"
}

@test "completion: zsh lists commands, options and values" {
    command -v zsh >/dev/null || skip "zsh is not installed"
    zsh -f -c 'zmodload zsh/zpty; zpty t true' 2>/dev/null || skip "no pseudo terminal here"
    zsh_lists "edgectl kv " put
    zsh_lists "edgectl kv get --st" state
    zsh_lists "edgectl completion " fish
    zsh_lists "edgectl init --template " rust
}
