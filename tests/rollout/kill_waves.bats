# SPDX-License-Identifier: Apache-2.0
bats_require_minimum_version 1.5.0
load ../lib
load kills

@test "killed between waves, in any of them, all targets end on one side" {
    killed cloudflare,vercel,fastly,aws 8
}
