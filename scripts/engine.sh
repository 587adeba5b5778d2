#!/usr/bin/env bash
# A Docker engine, and base images, for machines that have none.
#
#     scripts/engine.sh up FOLDER             an engine that answers; if none does, one with all its data in FOLDER
#     scripts/engine.sh down FOLDER           ends the one that was started, with all it has made; else does nothing
#     scripts/engine.sh base NAME PACKAGE…    an image of packages of this Debian, where no registry is reached
#
# `up` prints what the shell has to set: `eval "$(…)"`. Only root can start an engine; what is missing is installed.
# Exit code 69: there is none, and the last line on standard error says why.
set -euo pipefail

usage() {
    sed -n '4,6s/^#     //p' "${BASH_SOURCE[0]}" >&2
    exit 64
}

unavailable() {
    echo "engine: $*" >&2
    exit 69
}

answers() { timeout 10 docker version >/dev/null 2>&1; }

# Clients from 23 on build with a plugin, which may not be there; those before, such as Debian's, know how.
can_build() {
    local version
    docker buildx version >/dev/null 2>&1 && return
    version=$(docker version --format '{{.Client.Version}}' 2>/dev/null || true)
    [[ ${version%%.*} =~ ^[0-9]+$ ]] && ((${version%%.*} < 23))
}

has_compose() { docker compose version >/dev/null 2>&1 || command -v docker-compose >/dev/null; }

# PACKAGE…: installs them; exit code 1 if that is not possible.
install() {
    [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null || return 1
    echo "engine: installing $*" >&2
    { timeout 300 apt-get update -qq && DEBIAN_FRONTEND=noninteractive timeout 600 apt-get \
        -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "$@"; } >/dev/null 2>&1
}

# What is needed to build and to run; with Debian's client first, if it is not the one that has it all.
is_complete() {
    if answers && can_build && has_compose; then return; fi
    [[ -x /usr/bin/docker && $PATH != /usr/bin:* ]] || return
    local PATH=/usr/bin:$PATH
    if answers && can_build && has_compose; then echo "export PATH=/usr/bin:\$PATH"; else return 1; fi
}

up() {
    local folder=$1
    mkdir -p "$folder"
    if is_complete; then return; fi
    # An engine that somebody has set up is not added to.
    if answers; then
        has_compose || unavailable "this Docker has no Compose; install docker-compose-plugin or docker-compose"
        unavailable "this Docker cannot build with BuildKit; install docker-buildx-plugin"
    fi
    [[ $(id -u) == 0 ]] || unavailable "no Docker engine answers, and only root can start one"
    local missing=()
    command -v dockerd >/dev/null || missing+=(docker.io)
    command -v iptables >/dev/null || missing+=(iptables)  # how the engine leads to containers
    has_compose || missing+=(docker-compose)
    if ((${#missing[@]})); then
        install "${missing[@]}" || unavailable "no Docker engine answers, and apt-get could not install ${missing[*]}"
        # Where there is an init system the package has started it.
        if is_complete; then return; fi
    fi
    # An engine of its own: what it stores, and what it changes in this machine's network, ends with it.
    for tool in iptables ip6tables; do
        "$tool" -S FORWARD 2>/dev/null | head -n 1 >"$folder/$tool" || true
    done
    cat /proc/sys/net/ipv4/ip_forward >"$folder/ip_forward"
    [[ ! -e /sys/class/net/docker0 ]] || touch "$folder/bridge-was-there"
    local host=unix://$folder/socket
    # In a session of its own, so that Ctrl-C reaches only who has started it, and ends it in order.
    setsid dockerd --data-root "$folder/data" --exec-root "$folder/exec" --pidfile "$folder/pid" --host "$host" \
        >"$folder/log" 2>&1 </dev/null &
    local engine=$!
    for ((tries = 0; tries < 300; tries++)); do
        if DOCKER_HOST=$host is_complete; then
            echo "export DOCKER_HOST=$host"
            return
        fi
        kill -0 "$engine" 2>/dev/null || break
        sleep 0.1
    done
    local last
    last=$(tail -n 1 "$folder/log")
    kill "$engine" 2>/dev/null || true
    wait "$engine" 2>/dev/null || true
    down "$folder"
    unavailable "dockerd did not start on this machine: ${last:0:200}"
}

# What dockerd leaves behind is its bridge, its rules and a policy that drops what this machine forwards.
down() {
    local folder=$1 engine
    [[ -e $folder/log ]] || { rm -rf "$folder"; return; }
    if [[ -s $folder/pid ]]; then
        engine=$(cat "$folder/pid")
        export DOCKER_HOST=unix://$folder/socket
        timeout 30 docker ps -aq 2>/dev/null | timeout 60 xargs -r docker rm -f -v >/dev/null 2>&1 || true
        timeout 30 docker network prune -f >/dev/null 2>&1 || true
        kill "$engine" 2>/dev/null || true
        for ((tries = 0; tries < 200; tries++)); do
            kill -0 "$engine" 2>/dev/null || break
            sleep 0.1
        done
        kill -9 "$engine" 2>/dev/null || true
    fi
    local policy
    for tool in iptables ip6tables; do
        [[ -s $folder/$tool ]] || continue
        "$tool-save" 2>/dev/null | grep -Ev 'DOCKER|docker0|-[io] br-' | "$tool-restore" || true
        read -r _ _ policy <"$folder/$tool"
        "$tool" -P FORWARD "$policy" || true
    done
    [[ ! -s $folder/ip_forward ]] || cat "$folder/ip_forward" >/proc/sys/net/ipv4/ip_forward
    [[ -e $folder/bridge-was-there ]] || ip link delete docker0 2>/dev/null || true
    # What is mounted below, if the engine was killed.
    awk -v below="$folder/" 'index($2, below) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r -n 1 umount -l
    rm -rf "$folder"
}

# The files of packages that are installed here, and of what they depend on, as Debian installs them; without
# documentation, and without what their scripts would have set up.
base() {
    local name=$1 folder
    shift
    command -v dpkg-query >/dev/null || unavailable "no registry is reached, and this machine is no Debian to copy from"
    local missing=()
    for package in "$@"; do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
    done
    if ((${#missing[@]})); then
        install "${missing[@]}" \
            || unavailable "no registry is reached, and these packages for a base are not here: ${missing[*]}"
    fi
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' RETURN
    apt-cache depends --recurse --installed --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
        --no-enhances "$@" | grep '^[a-z0-9]' | sort -u >"$folder/packages"
    # Where /lib is a link to /usr/lib, packages still name both.
    xargs dpkg-query -L <"$folder/packages" 2>/dev/null | grep '^/.' \
        | grep -Ev '^/usr/share/(doc|man|info|locale|lintian|bug)/' \
        | sed -E 's#^/(bin|sbin|lib|lib32|lib64|libx32)/#/usr/\1/#' >"$folder/all"
    printf '%s\n' /bin /sbin /lib /lib64 >>"$folder/all"
    sort -u "$folder/all" | while IFS= read -r path; do
        # What only root may read is no part of a program.
        if [[ -r $path || -L $path ]]; then printf '%s\0' "${path#/}"; fi
    done >"$folder/files"
    mkdir -p "$folder/tree/etc"
    printf 'root:x:0:0:root:/root:/bin/sh\n' >"$folder/tree/etc/passwd"
    printf 'root:x:0:\n' >"$folder/tree/etc/group"
    # The second part replaces what the first has of the same names.
    tar -c -f "$folder/tar" -C / --no-recursion --null -T "$folder/files"
    tar -r -f "$folder/tar" -C "$folder/tree" etc/passwd etc/group
    docker import "$folder/tar" "$name" >/dev/null
}

case ${1-} in
up | down) [[ $# == 2 ]] || usage ;;
base) [[ $# -ge 3 ]] || usage ;;
*) usage ;;
esac
"$@"
