# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For bats files that kill rollouts on the fakes: `load ../lib`, then this.

# killed PROVIDER[,PROVIDER...] [SAMPLE]: see kills.py. TEST_FAULT_FULL: every moment of every command.
killed() {
    local full=()
    if [ -n "${TEST_FAULT_FULL-}" ]; then
        # Of several targets there are too many moments: more of them, by chance.
        case $1 in
        *,*) full=(--sample 300) ;;
        *) full=(--full --sample 100) ;;
        esac
    fi
    python3 -B "$BATS_TEST_DIRNAME/kills.py" "$1" --sample "${2:-16}" "${full[@]}"
}
