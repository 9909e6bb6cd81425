# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# For scripts that install programs from npm, to be sourced.
#
#   npm_peers FOLDER NAME    puts the versions of FOLDER's package-lock.json into the cache, once;
#                            $home is where they are then. Exit status 77: they cannot be had here
#                            (stderr says why).
npm_peers() {
    cache=${XDG_CACHE_HOME:-$HOME/.cache}/edgectl/peers
    command -v npm >/dev/null || {
        echo "skip: no npm (Debian: npm)" >&2
        exit 77
    }
    home=$cache/$2-$(sha256sum <"$1/package-lock.json" | cut -c1-16)
    mkdir -p "$cache"
    exec 9>"$cache/lock"
    flock 9
    [ ! -f "$home/complete" ] || return 0
    rm -rf "$home"
    mkdir -p "$home"
    cp "$1/package.json" "$1/package-lock.json" "$home"
    (cd "$home" && npm ci --loglevel=error --no-audit --no-fund >&2) || {
        echo "skip: npm cannot install the $2" >&2
        exit 77
    }
    : >"$home/complete"
}
