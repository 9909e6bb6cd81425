#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# No path of the machine on which something was written, in any file that is kept.
set -u
if git rev-parse --git-dir >/dev/null 2>&1; then
    files=$(git ls-files --cached --others --exclude-standard)
else
    files=$(find . -path ./build -prune -o -type f -print)
fi
# shellcheck disable=SC2086
found=$(echo "$files" | xargs grep -nIE '/(wor[k]|hom[e]/[a-z]+|roo[t]|Use[r]s)/[A-Za-z0-9._-]' /dev/null |
    grep -vE '(^|/)(package-lock\.json|Cargo\.lock|LICENSE):')
[ -z "$found" ] || {
    echo "$found"
    exit 1
}
