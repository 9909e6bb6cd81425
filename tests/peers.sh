# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# For scripts that install programs of others into the cache, once, to be sourced. $home is where they
# are then. Exit status 77: they cannot be had here (stderr says why).
#
#   peers_once NAME LOCK COMMAND...    COMMAND puts what the file LOCK names into $home
#   npm_peers FOLDER NAME [NPM ARG...] the versions of FOLDER's package-lock.json, by `npm ci` or what
#                                      else is given
peers_once() {
    cache=${XDG_CACHE_HOME:-$HOME/.cache}/edgectl/peers
    home=$cache/$1-$(sha256sum <"$2" | cut -c1-16)
    what=$1
    shift 2
    mkdir -p "$cache"
    exec 9>"$cache/lock"
    flock 9
    [ ! -f "$home/complete" ] || return 0
    rm -rf "$home"
    mkdir -p "$home"
    "$@" >&2 || {
        echo "skip: the peers '$what' cannot be installed" >&2
        exit 77
    }
    : >"$home/complete"
}

npm_install() {
    from=$1
    shift
    cp "$from/package.json" "$from/package-lock.json" "$home"
    (cd "$home" && npm "$@" --loglevel=error --no-audit --no-fund)
}

npm_peers() {
    command -v npm >/dev/null || {
        echo "skip: no npm (Debian: npm)" >&2
        exit 77
    }
    folder=$1
    name=$2
    shift 2
    [ $# -gt 0 ] || set -- ci
    peers_once "$name" "$folder/package-lock.json" npm_install "$folder" "$@"
}
