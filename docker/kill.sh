#!/usr/bin/env bash
# Kills something in the demo cluster with SIGKILL, as a crash would, and says what:
#
#     docker/kill.sh worker       one of the programs that `cola run` has started in the container `workers`
#     docker/kill.sh broker       the server; its container is started again by the engine
#     docker/kill.sh forever      one or the other every ten seconds, until Ctrl-C
#
# From within the containers, so it needs neither root nor an engine on this machine. (`docker kill` would be an order
# to stop, and a container that was told to is not started again.)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
if docker compose version >/dev/null 2>&1; then compose=(docker compose); else compose=(docker-compose); fi

# SERVICE SCRIPT: runs it in the container of the service; prints the process that it has killed.
within() {
    timeout 20 docker exec "$("${compose[@]}" ps -q "$1")" sh -c "$2" 2>/dev/null
}

worker() {
    local process
    # shellcheck disable=SC2016  # the container's shell is to read it
    if process=$(within workers 'process=$(pidof -s python3) && kill -9 $process && echo $process'); then
        echo "kill -9 of a worker, process $process in its container"
    else
        echo "kill: no worker runs, as there is nothing to do" >&2
        return 75
    fi
}

# The server is what the container's first process has started; what else has its name are its own children and those
# who ask it something. The container ends with it, and often before the shell in there has said anything more.
broker() {
    local process
    # shellcheck disable=SC2016
    process=$(within broker 'for process in $(pidof cola); do
        read -r _ _ _ parent _ </proc/$process/stat
        if [ "$parent" = 1 ]; then echo "$process"; kill -9 "$process"; fi
    done' || true)
    if [[ -z $process ]]; then
        echo "kill: there is no server in the container of the broker now" >&2
        return 75
    fi
    echo "kill -9 of the broker, process $process in its container"
}

if [[ ! ${1-} =~ ^(worker|broker|forever)$ ]]; then
    sed -n '4,6s/^#     //p' kill.sh >&2
    exit 64
fi
if [[ -z $("${compose[@]}" ps -q broker 2>/dev/null) ]]; then
    echo "kill: the demo cluster does not run; start it with: make cluster" >&2
    exit 69
fi
case $1 in
worker | broker) "$1" ;;
forever)
    while sleep 10; do
        if ((RANDOM % 3)); then worker || true; else broker || true; fi
    done
    ;;
esac
