# SPDX-License-Identifier: Apache-2.0
load ../lib

# Healthy traffic of many kinds: at most 1 % false rollbacks; five times the errors: caught within
# 400 canary requests at the median, 1,200 at p99. The bounds stand in the program.
@test "the gate is right as often as it promises, over 10,000 runs a case" {
    skip_if_sanitized
    run "$TEST_TOOLS/gate_sim" 10000
    echo "$output"
    expect_status 0
}
