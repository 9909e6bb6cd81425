#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The files of templates/ci as jobs: each step as it stands there, in a new checkout each time, with
# the variables of GitHub or GitLab, and of earlier runs only what the file says is cached.
load ../lib
load ../rollout/rollout

TEMPLATES=$BATS_TEST_DIRNAME/../../templates/ci

begin() {
    mkdir -p ../bin ../cache
    ln -sf "$EDGECTL" ../bin/edgectl
    cat >edge.yaml <<'END'
name: shop
build: {artifact: app.wat}
targets: {production: {provider: local}}
rollout: {steps: [10%, 100%], soak: 1s, history: 0s}
END
    guest old
    git init -q -b main . && git add -A
    commit one
    serve
}

commit() {
    git -c user.name=n -c user.email=n@example.com commit -qam "$1"
}

# What a step runs: step NAME, of GitHub's file.
step() {
    python3 - "$TEMPLATES/github.yml" "$1" <<'END'
import sys, textwrap
lines = open(sys.argv[1]).read().split("\n")
at = lines.index("      - name: " + sys.argv[2])
while not lines[at].startswith("        run:"):
    at += 1
text = lines[at][len("        run:"):].strip()
if text == "|":
    block = []
    while lines[at + 1].startswith("          "):
        at += 1
        block.append(lines[at])
    text = textwrap.dedent("\n".join(block))
print(text)
END
}

# What a job's `script` runs, of GitLab's file.
script() {
    python3 - "$TEMPLATES/gitlab-ci.yml" "$1" <<'END'
import sys, textwrap
lines = open(sys.argv[1]).read().split("\n")
at = lines.index(sys.argv[2] + ":")
while lines[at] != "  script:":
    at += 1
for line in lines[at + 1:]:
    if not line.startswith("    "):
        break
    if line.startswith("    - "):
        line = line[6:]
        if line == "|":
            continue
    print(line.strip() if not line.startswith("      ") else line[6:])
END
}

# The folders that a file has cached of what edgectl knows.
cached() {
    grep -oE '\.edgectl/[a-z]+' "$TEMPLATES"/*.yml -h | sort -u
}

# A job: a new checkout, the cache, those scripts, the cache. job SCRIPT...
job() {
    rm -rf ../job && git clone -q . ../job
    mkdir -p ../job/.edgectl
    cp -r ../cache/. ../job/.edgectl/
    local code=0 script folder
    : >../out
    for script; do
        (cd ../job && env PATH="$PWD/../bin:$PATH" TARGET=production "${ci[@]}" bash -eo pipefail -c "$script") \
            >>../out 2>../err </dev/null || code=$?
        [ "$code" -eq 0 ] || break
    done
    rm -rf ../cache && mkdir ../cache
    for folder in $(cached); do
        [ ! -d "../job/$folder" ] || cp -r "../job/$folder" ../cache/
    done
    [ "$code" -eq 0 ] || {
        cat ../out ../err
        return "$code"
    }
}

output_of() {
    sed -n "s/^$1=//p" ../outputs | tail -n1
}


share_of_new() {
    edgectl versions --target production --json
    python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["bp"])' <<<"$output"
}

@test "ci: GitHub's jobs ship a first version, roll out a second, and find nothing to do after that" {
    ci=(GITHUB_ACTIONS=true CI=true GITHUB_SHA=abc GITHUB_STEP_SUMMARY="$PWD/../summary" GITHUB_OUTPUT="$PWD/../outputs")
    begin
    job "$(step 'Validate and build')" "$(step 'Show what would be done')"
    job "$(step 'Validate and build')" "$(step Deploy)"
    [ "$(output_of changed) $(output_of traffic)" = "true true" ]
    job "$(step Deploy)"
    [ "$(output_of changed) $(output_of traffic)" = "false true" ]
    job "$(step "The rollout's next step")"
    expect_in "$(cat ../err)" "no rollout is under way"
    guest new
    commit two
    job "$(step Deploy)" "$(step 'Begin the rollout, where the manifest has one')"
    [ "$(output_of changed) $(output_of traffic)" = "true false" ]
    [ "$(share_of_new)" = 1000 ]
    load_at 1000
    done_by_the_clock() {
        job "$(step "The rollout's next step")" || return 1
        [ "$(share_of_new)" = 10000 ]
    }
    wait_for 60 done_by_the_clock
    grep -q '^### edgectl rollout' ../summary
    grep -qF '| phase | `done` |' ../summary
    [[ $(cat ../out ../summary) != *'counted anew'* ]]
    job "$(step "The rollout's next step")"
    expect_in "$(cat ../err)" "no rollout is under way"
}

@test "ci: what is paused stays so when a job runs by the clock" {
    ci=(GITHUB_ACTIONS=true CI=true GITHUB_SHA=abc)
    begin
    job "$(step Deploy)"
    guest new
    commit two
    job "$(step Deploy)" "$(step 'Begin the rollout, where the manifest has one')"
    job 'edgectl rollout pause --target production'
    job "$(step "The rollout's next step")"
    expect_in "$(cat ../err)" "the rollout is paused"
    [ "$(share_of_new)" = 1000 ]
}

@test "ci: GitLab's jobs ship a first version, and roll out a second" {
    ci=(GITLAB_CI=true CI=true CI_COMMIT_SHA=abc CI_PROJECT_DIR="$PWD/../job")
    begin
    job "$(script build)" "$(script plan)"
    job "$(script build)" "$(script deploy)"
    [ -s ../job/edgectl-annotations.json ]
    job "$(script rollout)"
    guest new
    commit two
    job "$(script deploy)"
    [ "$(share_of_new)" = 1000 ]
    load_at 1000
    done_by_the_clock() {
        job "$(script rollout)" || return 1
        [ "$(share_of_new)" = 10000 ]
    }
    wait_for 60 done_by_the_clock
}
