# shellcheck shell=bash
# What a bare machine lacks, for scripts that source this file. Programs of a registry are pinned, and built in a minute rather than well.

# Installs Debian packages, if any are named. Nothing that is installed may start by itself.
install_packages() {
    [ $# -gt 0 ] || return 0
    echo "installing $*"
    local policy=/usr/sbin/policy-rc.d ours=false installed=0
    if [ ! -e "$policy" ]; then
        ours=true
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$@"; } >/dev/null || installed=$?
    if $ours; then rm -f "$policy"; fi
    return "$installed"
}

# Builds cargo-deb or cargo-deny unless it is there. Unoptimised: each runs for some seconds, and that takes less than a minute on two cores.
install_cargo_tool() {
    local version
    case $1 in
    cargo-deb) version=3.8.0 ;;
    cargo-deny) version=0.20.2 ;;
    esac
    command -v "$1" >/dev/null && return
    echo "building $1 $version"
    (
        cd /
        unset CARGO_TARGET_DIR
        CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_DEBUG=false CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
            cargo install --quiet --locked --no-default-features "$1@$version"
    )
}
