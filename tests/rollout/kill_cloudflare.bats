# SPDX-License-Identifier: Apache-2.0
bats_require_minimum_version 1.5.0
load ../lib
load kills

@test "cloudflare: killed anywhere, once or more, beside drift, it ends on one version" {
    killed cloudflare
}
