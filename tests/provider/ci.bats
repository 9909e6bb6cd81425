#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# In a CI job: annotations, summaries, outputs, and the files of templates/ci.
load ../lib
load local

github() {
    export GITHUB_ACTIONS=true GITHUB_STEP_SUMMARY=$PWD/../summary GITHUB_OUTPUT=$PWD/../outputs
}

@test "ci: GitHub gets a summary and outputs, and stdout stays JSON" {
    github
    serve
    deploy --message 'a | b `c`'
    [ "$stderr" = "${stderr//::error/}" ]
    grep -q '^### edgectl deploy$' ../summary
    grep -qF "| version | \`$v\` |" ../summary
    grep -qx "version=$v" ../outputs
    grep -qx 'changed=true' ../outputs
    deploy
    grep -qx 'changed=false' ../outputs
    edgectl deploy --dry-run --json
    [ "$(grep -c '^### ' ../summary)" -eq 2 ]
}

@test "ci: an error is an annotation at its place, and cannot end its line" {
    github
    printf 'name: shop\nkv: {a: }\nnosuch%%key: 1\n' >edge.yaml
    edgectl deploy
    expect_status 9
    expect_in "$stderr" '::error title=edgectl,file=edge.yaml,line=3,col=1::'
    expect_in "$stderr" 'nosuch%25key'
    [ -z "$output" ]
    unset GITHUB_ACTIONS
    edgectl deploy
    [[ $stderr != *::error* ]]
}

@test "ci: GitLab gets links that add up" {
    export GITLAB_CI=true CI_PROJECT_DIR=$PWD
    serve
    deploy
    guest v2
    deploy
    python3 - "$v" <<'END'
import json, sys
links = json.load(open("edgectl-annotations.json"))["edgectl"]
assert len(links) == 2, links
assert sys.argv[1] in links[1]["external_link"]["label"]
assert links[1]["external_link"]["url"].startswith("http://")
END
}

# The commands in them are edgectl's own, with options that there are.
@test "ci: each command in the templates parses" {
    local dir=$BATS_TEST_DIRNAME/../../templates/ci line
    for file in github.yml gitlab-ci.yml; do
        grep -oE 'edgectl [a-z].*' "$dir/$file" | grep -v '^edgectl [a-z]* .*prompts' |
            grep -E '^edgectl (validate|build|deploy|rollout)' >lines
        [ "$(wc -l <lines)" -ge 4 ]
        while read -r line; do
            eval "run --separate-stderr $EDGECTL ${line#edgectl} --help"
            expect_status 0
        done <lines
    done
}
