#!/usr/bin/env bash
# The demo cluster of docker/compose.yaml, with a server that was built here (or `source`, as scripts/image.sh has it):
#
#     scripts/cluster.sh show COLA      brings it up, kills something now and then, and shows how it goes, until Ctrl-C
#     scripts/cluster.sh test COLA      10,000 messages through it while a worker and the broker are killed; looks at
#                                       every count, and at the image by itself
#
# Both take down all that they brought up, however they end. `test` is left out, with a line that says why, where there
# is no Docker engine and none can be started.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [[ $# != 2 || ! $1 =~ ^(show|test)$ ]]; then
    sed -n '4,6s/^#     //p' scripts/cluster.sh >&2
    exit 64
fi
task=$1
executable=$2
begun=$SECONDS

say() { echo "cluster: $*"; }

# Said behind the logs, as the last line.
fail() {
    failure=$*
    exit 1
}
trap 'failure="this failed: $BASH_COMMAND"' ERR

# CONDITION WHAT SECONDS: waits until the command CONDITION succeeds.
wait_for() {
    local until=$((SECONDS + $3))
    until "$1"; do
        ((SECONDS < until)) || fail "waited $3 s for $2"
        sleep 0.2
    done
}

# In /tmp, as the path of a socket may have 107 bytes.
folder=$(mktemp -d /tmp/cola-cluster.XXXXXX)
export COMPOSE_PROJECT_NAME=cola-demo COLA_TAG=latest
if [[ $task == test ]]; then
    COMPOSE_PROJECT_NAME=cola-test-$$
    COLA_TAG=test-$$
    export COLA_NATIVE_PORT=0 COLA_AMQP_PORT=0 MESSAGES=5000 RATE=250 PAUSE=0.003 QUIET=0
fi
compose=(docker-compose)
single=cola-single-$$
failed=yes
# What runs beside, each in a session of its own.
beside=()

# What takes longer than this hangs.
docker() { timeout 120 docker "$@"; }
compose() { timeout 180 "${compose[@]}" -f docker/compose.yaml "$@"; }
container() { compose ps -q "$1"; }

finish() {
    trap '' INT TERM
    for process in ${beside[@]+"${beside[@]}"}; do
        kill -- "-$process" 2>/dev/null || true
        wait "$process" 2>/dev/null || true
    done
    if [[ -n ${is_up-} ]]; then
        if [[ $task == test && -n $failed ]]; then
            if docker inspect "$single" >/dev/null 2>&1; then docker logs --tail 40 "$single" >&2 || true; fi
            [[ -z $(compose ps -q 2>/dev/null) ]] || compose logs --tail=40 --no-color >&2 || true
        fi
        compose down -v --remove-orphans -t 10 >"$folder/down" 2>&1 || { cat "$folder/down" >&2; }
        if [[ $task == test ]]; then
            docker rm -f -v "$single" >/dev/null 2>&1 || true
            docker volume rm "$single" >/dev/null 2>&1 || true
            docker image rm "cola:$COLA_TAG" "cola-demo:$COLA_TAG" >/dev/null 2>&1 || true
        fi
    fi
    scripts/engine.sh down "$folder/engine"
    rm -rf "$folder"
    [[ -z ${failure-} ]] || echo "cluster: $failure" >&2
}
trap finish EXIT
trap 'failed=; echo; say "taking it down"; if [[ $task == show ]]; then exit 0; else exit 130; fi' INT
trap 'failed=; exit 143' TERM

if ! settings=$(scripts/engine.sh up "$folder/engine" 2>"$folder/why"); then
    why=$(tail -n 1 "$folder/why")
    if [[ $task == test ]]; then
        say "skipped: ${why#engine: }"
        exit 0
    fi
    echo "$why" >&2
    exit 69
fi
eval "$settings"
if docker compose version >/dev/null 2>&1; then compose=(docker compose); fi
is_up=yes
# With a shell, as things are killed from within.
KIND=slim scripts/image.sh "$executable" "$COLA_TAG" demo
say "the images are built, after $((SECONDS - begun)) s"

bring_up() {
    if ! compose up -d --no-build >"$folder/up" 2>&1; then
        cat "$folder/up" >&2
        fail "the containers did not start, see above; other ports are COLA_NATIVE_PORT=17672 COLA_AMQP_PORT=15672"
    fi
    say "all containers run, after $((SECONDS - begun)) s"
}

# --- show

show() {
    bring_up
    local ask="${compose[*]} -f docker/compose.yaml"
    cat <<TEXT

Look at it from another terminal, in this folder:

${settings:+${settings//export/    export}
}    $ask exec broker cola queues      # what waits where
    $ask exec broker cola top         # the same, live; q quits
    $ask exec broker cola connections
    $ask logs -f monitor
    $ask top workers                  # its processes, which come and go with the load
    docker/kill.sh worker             # or broker

Something is killed every ten seconds. Of what is confirmed nothing may be missing; some of it may come again.
Ctrl-C takes it all down.

TEXT
    setsid docker/kill.sh forever &
    beside+=($!)
    # Without what each worker says of a broker that is away.
    # shellcheck disable=SC2016
    setsid bash -c '"$@" | grep --line-buffered -v "warning a worker cannot go on"' _ \
        "${compose[@]}" -f docker/compose.yaml logs -f --tail=5 tally producer-native producer-amqp workers &
    beside+=($!)
    wait $!
}

# --- test

last_line() { docker logs --tail 1 "$1" 2>&1; }

# Of the tally's last line: `done: amqp=2513 native=2613 pending=4 again=0`.
counted() { last_line "$tally" | tr ' ' '\n' | sed -n "s/^$1=//p"; }
done_of_all() {
    local amqp native
    amqp=$(counted amqp)
    native=$(counted native)
    echo $((${amqp:-0} + ${native:-0}))
}

state() { docker inspect -f "{{.State.$2}}" "$1"; }
health() { docker inspect -f '{{.State.Health.Status}}' "$1"; }
broker_is_healthy() { [[ $(health "$broker") == healthy ]]; }
broker_is_back() { [[ $(docker inspect -f '{{.RestartCount}}' "$broker") == 1 ]] && broker_is_healthy; }
is_done() { (($(done_of_all) >= wanted)); }
producers_have_ended() { [[ $(state "$native" Status) == exited && $(state "$amqp" Status) == exited ]]; }
processes() { docker exec "$workers" sh -c 'pidof python3 | wc -w'; }
pool_has_grown() { (($(processes) >= 2)); }
pool_is_empty() { (($(processes) == 0)); }
# How many are in each queue, ready or not.
messages() { docker exec "$broker" cola queues --json | tr -d ' \n' | grep -o '"messages":[0-9]*' | cut -d : -f 2; }
queues_are_empty() { [[ $(messages) == $'0\n0' ]]; }

test_cluster() {
    bring_up
    broker=$(container broker)
    native=$(container producer-native)
    amqp=$(container producer-amqp)
    workers=$(container workers)
    tally=$(container tally)

    wait_for pool_has_grown "a second worker" 60
    wanted=500 && wait_for is_done "500 messages to be done" 120
    docker/kill.sh worker
    wanted=1000 && wait_for is_done "1,000 messages to be done" 120
    # On a machine that has much else to do the workers may be so late; what is counted below is the same.
    [[ $(state "$native" Running) == true || $(state "$amqp" Running) == true ]] \
        || say "all was published before the broker is killed: this machine is too busy to show more"
    docker/kill.sh broker
    wait_for broker_is_back "the broker to be started again" 60
    wait_for producers_have_ended "the producers" 180
    for producer in "$native" "$amqp"; do
        [[ $(state "$producer" ExitCode) == 0 && $(last_line "$producer") == *": $MESSAGES confirmed" ]] \
            || fail "a producer ended with exit code $(state "$producer" ExitCode): $(last_line "$producer")"
    done
    wanted=$((2 * MESSAGES)) && wait_for is_done "all $wanted messages to be done" 240
    wait_for queues_are_empty "jobs and done to be empty, and to be the only queues" 60
    [[ $(counted pending) == 0 && $(counted native) == "$MESSAGES" && $(counted amqp) == "$MESSAGES" ]] \
        || fail "$MESSAGES were published by each producer, but: $(last_line "$tally")"
    wait_for pool_is_empty "the workers to end when nothing is left to do" 60
    say "$(last_line "$tally")"
    say "$((2 * MESSAGES)) messages, after $((SECONDS - begun)) s: confirmed all, done all, nothing left in the queues"

    compose down -v --remove-orphans -t 10 >"$folder/down" 2>&1 || { cat "$folder/down" >&2; fail "it did not stop"; }
    local ours=label=com.docker.compose.project=$COMPOSE_PROJECT_NAME left
    left=$(docker ps -aq --filter "$ours"; docker volume ls -q --filter "$ours"; docker network ls -q --filter "$ours")
    [[ -z $left ]] || fail "these containers, volumes or networks are left: $left"
}

image_is() { [[ $(health "$single") == "$1" ]]; }
image_is_healthy() { image_is healthy; }
image_is_unhealthy() { image_is unhealthy; }
signal_server() { docker exec "$single" sh -c "kill -$1 \$(pidof cola)"; }
has_no_zombie() { ! docker exec "$single" sh -c 'cat /proc/[0-9]*/stat' 2>/dev/null | grep -q ') Z '; }

# As somebody uses it who has the image alone.
test_image() {
    local said
    docker run -d --name "$single" --network none -v "$single:/var/lib/cola" \
        --health-interval=1s --health-timeout=2s --health-retries=2 "cola:$COLA_TAG" >/dev/null
    wait_for image_is_healthy "the image to be healthy" 60
    docker exec "$single" cola declare queue hello
    docker exec "$single" cola publish --queue hello 'it stays' >/dev/null
    docker exec "$single" sh -c 'sleep 0.1 & exit'
    sleep 0.3
    wait_for has_no_zombie "a child that lost its parent to be collected" 10
    # Killed after five seconds, if it does not stop by itself: exit code 137.
    docker stop -t 5 "$single" >/dev/null
    said=$(state "$single" ExitCode)
    [[ $said == 0 ]] || fail "docker stop ended the server with exit code $said"
    docker start "$single" >/dev/null
    wait_for image_is_healthy "the image to be healthy again" 60
    said=$(docker exec "$single" cola consume --queue hello --count 1)
    [[ $said == 'it stays' ]] || fail "what was in the volume should be there after a restart, but: $said"
    signal_server STOP
    wait_for image_is_unhealthy "the health check to notice a server that does nothing" 60
    signal_server CONT
    wait_for image_is_healthy "the health check to notice that it goes on" 60
    docker rm -f -v "$single" >/dev/null
    docker volume rm "$single" >/dev/null
    said=$(docker images --format '{{.Repository}} {{.Size}}' | grep -E '^(cola|cola-demo|cola-base|debian) ' | sort -u)
    say "the image by itself is as it should be; sizes: ${said//$'\n'/, }"
}

if [[ $task == show ]]; then show; else
    test_image
    test_cluster
    failed=
    say "passed in $((SECONDS - begun)) s"
fi
