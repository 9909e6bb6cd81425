# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For bats files that kill rollouts on the fakes: `load ../lib`, then this.

# killed PROVIDER[,PROVIDER...] [SAMPLE]: see kills.py. TEST_FAULT_FULL: every moment of every command.
killed() {
    local full=()
    [ -z "${TEST_FAULT_FULL-}" ] || full=(--full --sample 100)
    python3 -B "$BATS_TEST_DIRNAME/kills.py" "$1" --sample "${2:-16}" "${full[@]}"
}
