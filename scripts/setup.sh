#!/usr/bin/env bash
# Brings what `make` needs on Debian and its relatives, and the Python environment of the tests.
#
# Looks first and installs only what is missing, so a second run costs a fraction of a second. Without root or sudo it
# says what to install and ends with exit code 69.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'setup: %s\n' "$*" >&2; }
has() { command -v "$1" >/dev/null 2>&1; }

find_swift() {
    has swift && return
    local directory
    for directory in /opt/swift/usr/bin "${HOME:-/root}/.local/share/swiftly/bin"; do
        if [[ -x $directory/swift ]]; then
            export PATH="$PATH:$directory"
            return
        fi
    done
    say "no Swift toolchain in PATH or /opt/swift/usr/bin; install Swift 6.3 or later from https://swift.org/install"
    exit 69
}

# A header counts as there wherever a C compiler looks for it.
has_header() { [[ -e /usr/include/$1 ]] || { has cc && echo "#include <$1>" | cc -E -xc - >/dev/null 2>&1; }; }

has_cxx_library() {
    compgen -G '/usr/lib/gcc/*/*/libstdc++.*' >/dev/null || compgen -G '/usr/lib*/libstdc++.so' >/dev/null
}

# A python3 that can make virtual environments: the first in PATH, else Debian's.
find_python() {
    local candidate
    for candidate in python3 /usr/bin/python3; do
        if has "$candidate" &&
            "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 9))' >/dev/null 2>&1; then
            python=$candidate
            return 0
        fi
    done
    return 1
}

has_environment() { .venv/bin/python -c 'import pytest' >/dev/null 2>&1; }

missing=()
wanted() {
    missing=()
    has make || missing+=(make)
    has git || missing+=(git)  # SwiftPM fetches packages with it
    has cc || missing+=(gcc libc6-dev)
    has_cxx_library || missing+=(g++)  # the C++ library that Swift programs link
    has pkg-config || missing+=(pkg-config)
    has_header sqlite3.h || missing+=(libsqlite3-dev)
    has_header yaml.h || missing+=(libyaml-dev)
    has_header zlib.h || missing+=(zlib1g-dev)
    has_header zstd.h || missing+=(libzstd-dev)
    has_header lz4frame.h || missing+=(liblz4-dev)
    has_header snappy-c.h || missing+=(libsnappy-dev)
    [[ -e /etc/ssl/certs/ca-certificates.crt || -d /etc/pki ]] || missing+=(ca-certificates)
    # The environment that is there already needs no other Python.
    has_environment || find_python || missing+=(python3 python3-venv)
}

as_root() {
    if [[ $(id -u) == 0 ]]; then "$@"; else sudo "$@"; fi
}

# sudo may ask for a password only where somebody can give it.
may_install() {
    has apt-get || return 1
    [[ $(id -u) == 0 ]] || { has sudo && { sudo -n true 2>/dev/null || [[ -t 0 ]]; }; }
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

install() {
    say "installing $*"
    as_root apt-get update -qq >&2
    apt_install "$@"
}

# COMMAND PACKAGE…: what some tests need; they are left out where it is not there. Asked for once only.
optional() {
    local command=$1 refused=.venv/$1-unavailable
    shift
    if has "$command" || [[ -e $refused ]] || ! may_install; then return; fi
    if ! install "$@"; then
        say "could not install $*; the tests that need $command are left out"
        touch "$refused"
    fi
}

python_environment() {
    local requirements=Tests/IntegrationTests/requirements.txt
    [[ -f $requirements ]] || requirements=/dev/null
    if has_environment && cmp -s "$requirements" .venv/installed-requirements.txt; then return; fi
    [[ -n ${python:-} ]] || find_python
    say "making the Python environment .venv"
    # A half-made one, or one whose Python has gone, cannot be repaired.
    .venv/bin/python -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check pytest -r "$requirements" >&2
    cp "$requirements" .venv/installed-requirements.txt
}

find_swift
wanted
if ((${#missing[@]})); then
    if may_install; then
        install "${missing[@]}"
        wanted
    fi
    if ((${#missing[@]})); then
        say "missing: ${missing[*]}"
        say "install it as root, then try again: apt-get update && apt-get install -y ${missing[*]}"
        exit 69
    fi
fi
if ! swift --version >/dev/null 2>&1; then
    say "the Swift toolchain at $(command -v swift) does not run; see what it misses: swift --version"
    exit 69
fi
python_environment
optional strace strace  # breaks the disk under the server
optional mandoc mandoc  # checks the manual pages
optional node nodejs node-typescript  # the client for Node.js, and the check of its types
