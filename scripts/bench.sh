#!/usr/bin/env bash
# Usage: scripts/bench.sh COLA [OPTION…]
#
# Measures, for small and for large messages, the bare store, then a broker of its own with one and with four producers:
# all in one run and on the disk of the repository (/tmp may be memory), so that the figures can be compared with one
# another. Options go to each `cola bench` of a broker.
set -euo pipefail
if (($# < 1)); then
    echo "usage: scripts/bench.sh COLA [OPTION…]" >&2
    exit 64
fi
cola=$1
shift
mkdir -p .build
folder=$(mktemp -d .build/bench.XXXXXX)
trap 'rm -rf "$folder"' EXIT

echo "load of the machine before: $(cut -d' ' -f1-3 /proc/loadavg)"
echo "== an empty directory: start and memory"
for run in 1 2 3; do
    begun=$(date +%s%N)
    exec 3< <(exec "$cola" serve --data-dir "$folder/empty-$run" --native off 2>/dev/null)
    server=$!
    read -r -t 20 _ <&3
    took=$((($(date +%s%N) - begun) / 1000000))
    memory=$(awk '/^RssAnon|^VmRSS/ { printf "%s %.1f MiB  ", $1, $2 / 1024 }' "/proc/$server/status")
    kill -TERM "$server"
    while kill -0 "$server" 2>/dev/null; do sleep 0.05; done
    exec 3<&-
    echo "ready      after $took ms; $memory"
done
for size in 16 1024; do
    echo "== $size bytes a message: the store alone"
    "$cola" bench --storage --dir "$folder" --size "$size"
    for producers in 1 4; do
        echo "== $size bytes a message: a broker, $producers producer(s), every message confirmed"
        "$cola" bench --dir "$folder" --size "$size" --producers "$producers" --consumers "$producers" \
            --queues "$producers" --count 2000000 "$@" 2>/dev/null
    done
done
