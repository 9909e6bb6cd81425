#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load ../lib

# A repository at ./repo with one commit of what is in it.
repo() {
    mkdir -p repo
    git -C repo init -q -b main
    git -C repo config user.email t@example.com
    git -C repo config user.name t
    git -C repo add -A
    git -C repo commit -q --allow-empty -m "${1:-one}"
}

# Nothing but the named entries is here.
only() {
    [ "$(ls -A | grep -v '^home$')" = "$(printf '%s\n' "$@" | sort)" ] || {
        ls -la
        return 1
    }
}

@test "init: every starter is made, with its name filled in, and has a valid manifest" {
    for template in c rust go js; do
        edgectl init "my-$template" --template "$template"
        expect_status 0
        [ -f "my-$template/edge.yaml" ]
        [ -f "my-$template/README.md" ]
        [ -f "my-$template/.gitignore" ]
        run ! grep -rIl '{{name}}' "my-$template"
        edgectl -C "my-$template" validate
        expect_status 0
        expect_in "$output$stderr" "my-$template"
    done
}

@test "init: the default starter brings its module, newer than its sources" {
    edgectl init hello
    expect_status 0
    [ -z "$(find hello -newer hello/bin/main.wasm -type f ! -name .env)" ]
    [ "$(head -c4 hello/bin/main.wasm | od -An -tx1 | tr -d ' ')" = 0061736d ]
}

@test "init: secrets of this machine are made up, and private" {
    edgectl init one
    edgectl init two
    grep -Eq '^ADMIN_TOKEN=[0-9a-f]{32}$' one/.env
    run ! cmp one/.env two/.env
    [ "$(stat -c %a one/.env)" = 600 ]
    grep -qx .env one/.gitignore
}

@test "init: JSON says what was made" {
    edgectl --json init hello
    expect_status 0
    [[ $output == '{"name":"hello","folder":"hello","template":"c","files":'*'}' ]]
}

@test "init: an existing project is left alone without --force" {
    mkdir hello
    echo mine >hello/edge.yaml
    edgectl init hello
    expect_status 2
    expect_in "$stderr" "not empty"
    [ "$(cat hello/edge.yaml)" = mine ]
    only hello
    echo keep >hello/keep
    edgectl init hello --force
    expect_status 0
    [ -f hello/keep ]
    grep -q '^name: hello' hello/edge.yaml
    only hello
}

@test "init: an empty folder will do, also this one" {
    mkdir empty
    edgectl init empty
    expect_status 0
    mkdir -p here && cd here
    edgectl init .
    expect_status 0
    [ -f edge.yaml ]
    grep -q '^name: here' edge.yaml
}

@test "init: bad names, templates and folders are refused and nothing is made" {
    for name in 1st "a b" ä .hidden "$(printf 'a%.0s' {1..64})"; do
        edgectl init "$name"
        expect_status 2
        expect_in "$stderr" "cannot be the name"
    done
    edgectl init hello --template ruby
    expect_status 2
    expect_in "$stderr" "no template 'ruby'"
    edgectl init hello --ref v1
    expect_status 2
    edgectl init no/such/place
    expect_status 1
    edgectl init
    expect_status 2
    only
}

@test "init: a repository is taken, without its history" {
    mkdir -p repo/src
    printf 'name: {{name}}\n' >repo/edge.yaml
    printf '{{name}}\n' >repo/src/view.html
    echo x >repo/run && chmod +x repo/run
    ln -s ../run repo/src/link
    repo
    for url in "$PWD/repo" "file://$PWD/repo" ./repo; do
        rm -rf app
        edgectl init app --template "$url"
        expect_status 0
        [ ! -e app/.git ]
        grep -qx 'name: app' app/edge.yaml
        grep -qx '{{name}}' app/src/view.html
        [ -x app/run ]
        [ "$(readlink app/src/link)" = ../run ]
    done
    only app repo
}

@test "init: a branch, a tag, a commit and a directory can be named" {
    mkdir -p repo/sub/deep
    echo 1 >repo/version
    echo d >repo/sub/deep/file
    repo
    git -C repo tag v1
    commit=$(git -C repo rev-parse HEAD)
    git -C repo branch old
    echo 2 >repo/version
    repo two
    for ref in v1 old "$commit" "${commit:0:10}"; do
        rm -rf app
        edgectl init app --template "$PWD/repo" --ref "$ref"
        expect_status 0
        [ "$(cat app/version)" = 1 ]
    done
    edgectl init new --template "$PWD/repo"
    [ "$(cat new/version)" = 2 ]
    edgectl init sub --template "$PWD/repo" --subdir sub/deep
    expect_status 0
    [ "$(ls -A sub)" = file ]
    edgectl init none --template "$PWD/repo" --ref nowhere
    expect_status 2
    expect_in "$stderr" "no branch, tag or commit 'nowhere'"
    edgectl init none --template "$PWD/repo" --subdir nowhere
    expect_status 2
    expect_in "$stderr" "no directory 'nowhere'"
    only app new repo sub
}

@test "init: links that leave the folder are refused, and nothing is left behind" {
    for target in /etc/passwd ../../outside .git/config a/../../outside; do
        rm -rf repo
        mkdir repo
        echo x >repo/file
        ln -s "$target" repo/link
        repo
        edgectl init app --template "$PWD/repo"
        expect_status 2
        expect_in "$stderr" "link that leaves it: 'link' -> '$target'"
        only repo
    done
}

@test "init: a tree with hostile paths is refused, and nothing is left behind" {
    for name in .. .GIT .git; do
        rm -rf repo
        mkdir repo
        repo
        blob=$(echo x | git -C repo hash-object -w --stdin)
        inner=$(printf '100644 blob %s\tevil\n' "$blob" | git -C repo mktree)
        # git itself refuses to write such a tree, so it is written byte by byte.
        tree=$({ printf '40000 %s\0' "$name"; perl -e 'print pack("H*", shift)' "$inner"; } |
            git -C repo hash-object -t tree -w --stdin --literally)
        git -C repo update-ref refs/heads/main "$(git -C repo commit-tree "$tree" -m evil)"
        edgectl init app --template "$PWD/repo"
        [ "$status" -ne 0 ]
        only repo
    done
}

@test "init: a submodule is refused" {
    mkdir repo
    repo
    git -C repo update-index --add --cacheinfo "160000,$(git -C repo rev-parse HEAD),module"
    git -C repo commit -q -m module
    edgectl init app --template "$PWD/repo"
    expect_status 2
    expect_in "$stderr" "submodule"
    only repo
}

@test "init: what cannot be cloned is an error of the network, what is unsafe of usage" {
    edgectl init app --template "$PWD/nowhere"
    expect_status 6
    edgectl init app --template https://127.0.0.1:1/x.git
    expect_status 6
    for url in http://127.0.0.1/x.git git://127.0.0.1/x.git ext::sh; do
        edgectl init app --template "$url"
        expect_status 2
    done
    mkdir empty
    git -C empty init -q
    edgectl init app --template "$PWD/empty"
    expect_status 2
    only empty
}

@test "init: an interruption leaves nothing behind" {
    mkdir repo
    for i in {1..400}; do head -c 20000 /dev/urandom >"repo/f$i"; done
    repo
    "$EDGECTL" init app --template "$PWD/repo" 2>err &
    pid=$!
    # As soon as it has begun, whatever it is doing then.
    wait_for 5 compgen -G '.edgectl-*' >/dev/null
    kill -INT $pid
    status=0
    wait $pid || status=$?
    [ "$status" -eq 130 ] || [ "$status" -eq 0 ]
    if [ "$status" -eq 130 ]; then only err repo; else only app err repo; fi
}

@test "init: --from writes an edge.yaml that means the same, beside the fastly.toml" {
    mkdir app
    cat >app/fastly.toml <<'TOML'
manifest_version = 3
name = "old-app"
[local_server.backends.origin]
url = "http://127.0.0.1:9/x"
[local_server.config_stores.flags]
format = "inline-toml"
[local_server.config_stores.flags.contents]
beta = "on"
TOML
    edgectl init --from app/fastly.toml
    expect_status 0
    grep -qx 'name: old-app' app/edge.yaml
    edgectl -C app validate
    expect_status 0
    expect_in "$output" edge.yaml
    echo mine >app/edge.yaml
    edgectl init --from app/fastly.toml
    expect_status 2
    [ "$(cat app/edge.yaml)" = mine ]
    edgectl init --from app/fastly.toml --force
    expect_status 0
    [ "$(ls -A app)" = "$(printf 'edge.yaml\nfastly.toml')" ]
    edgectl init other --from app/fastly.toml
    expect_status 2
    edgectl init --from app/edge.yaml
    expect_status 2
    echo '[local_server.backends.x]' >app/fastly.toml
    edgectl init --from app/fastly.toml --force
    expect_status 9
}
