#!/usr/bin/env bash
# Usage: packaging/install.sh COLA
#        packaging/install.sh --uninstall
#
# Installs the executable COLA with manual pages, completions and licence under $DESTDIR$PREFIX, or takes away what was
# installed there. From the environment:
#
#   PREFIX      /usr/local by default
#   DESTDIR     goes before every path that is written; for packages
#   UNITS       yes or no: also systemd units, the user of the server (sysusers.d) and a configuration file. By default
#               yes if PREFIX is /usr.
#   SYSCONFDIR  where cola/cola.yaml goes; /etc by default
#   UNITDIR     where the units go; PREFIX/lib/systemd/system by default
#
# A list of what was written stands in PREFIX/share/doc/cola/installed; that is what uninstalling goes by. The
# configuration file is never overwritten, and taken away only if nobody has changed it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. packaging/stage.sh

(($# == 1)) || usage 'packaging/install.sh COLA|--uninstall'
prefix=${PREFIX:-/usr/local}
destdir=${DESTDIR:-}
sysconfdir=${SYSCONFDIR:-/etc}
units=${UNITS:-$([[ $prefix == /usr ]] && echo yes || echo no)}
unitdir=${UNITDIR:-$prefix/lib/systemd/system}
for path in "$prefix" "$sysconfdir" "$unitdir" "${destdir:-/}"; do
    [[ $path == /* ]] || fail 64 "PREFIX, DESTDIR, SYSCONFDIR and UNITDIR must begin with /, and '$path' does not"
done
[[ $units == yes || $units == no ]] || fail 64 "UNITS is '$units'; it may be yes or no"
prefix=${prefix%/}
list=$prefix/share/doc/cola/installed

# Lines of the list: `file PATH`, `folder PATH` for one that was made, `config PATH SHA256`; without DESTDIR.
recorded() { [[ ! -f $destdir$list ]] || sed -n "s/^$1 //p" "$destdir$list"; }

# What is not there any more, or has something in it by now, is nobody's loss.
remove_folders() {
    local folder
    sort -r | while read -r folder; do
        [[ ! -d $destdir$folder ]] || rmdir --ignore-fail-on-non-empty "$destdir$folder"
    done
}

uninstall() {
    local path sum folders
    [[ -f $destdir$list ]] || fail 66 "nothing is installed under $destdir$prefix: there is no $destdir$list"
    # A configuration that is as some version brought it is nobody's work.
    recorded config | while read -r path sum; do
        if [[ -f $destdir$path ]] && echo "$sum  $destdir$path" | sha256sum --check --status; then
            rm "$destdir$path"
        fi
    done
    recorded config | cut -d ' ' -f 1 | sort -u | while read -r path; do
        [[ ! -f $destdir$path ]] || echo "kept, because it was changed: $destdir$path"
    done
    recorded file | while read -r path; do rm -f "$destdir$path"; done
    folders=$(recorded folder)
    rm -f "$destdir$list"
    remove_folders <<<"$folders"
}

# FOLDER: makes it, and says so for each part of it that was not there.
make_folder() {
    [[ ! -d $destdir$1 ]] || return 0
    [[ $1 == / || -z $1 ]] || make_folder "$(dirname "$1")"
    install -d -m 0755 "$destdir$1"
    echo "folder $1"
}

put_in_place() {
    local staged=$1 path config=$sysconfdir/cola/cola.yaml
    find "$staged" -type f -printf '/%P\n' | sort | while read -r path; do
        make_folder "$(dirname "$path")"
        # In one step, so that a server that runs keeps the file that it was started from.
        cp -p "$staged$path" "$destdir$path.new"
        mv -f "$destdir$path.new" "$destdir$path"
        echo "file $path"
    done
    make_folder "$(dirname "$list")"
    [[ $units == yes ]] || return 0
    if [[ ! -e $destdir$config ]]; then
        make_folder "$(dirname "$config")"
        install -m 0644 packaging/cola.yaml "$destdir$config"
    fi
    echo "config $config $(sha256sum packaging/cola.yaml | cut -d' ' -f1)"
}

if [[ $1 == --uninstall ]]; then
    uninstall
    exit
fi

cola=$(executable "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/root"
stage "$cola" "$work/root" "$prefix"
[[ $units == no ]] || stage_units "$work/root" "$prefix" "$sysconfdir" "$unitdir"
set_times "$work/root"
{
    recorded folder | sed 's/^/folder /'
    recorded config | sed 's/^/config /'
    put_in_place "$work/root"
} >"$work/installed"
# What an older version had, and this one has not.
recorded file | sort | comm -23 - <(sed -n 's/^file //p' "$work/installed" | sort) | while read -r path; do
    rm -f "$destdir$path"
done
sort -u "$work/installed" | install -m 0644 /dev/stdin "$destdir$list"
