#!/usr/bin/env bash
# Usage: scripts/bench.sh COLA [OPTION…]
#
# Measures the bare store, then a broker of its own in a temporary folder, in one run, so that the two can be compared.
# Options go to the second `cola bench`.
set -euo pipefail
cola=${1:?usage: scripts/bench.sh COLA [OPTION…]}
shift

# In the repository's build folder and not in /tmp, which may live in memory: the disk is what is measured.
mkdir -p .build
folder=$(mktemp -d .build/bench.XXXXXX)
# The path of a socket may have 107 bytes, so it does not stand in a folder that may lie deep.
socket_folder=$(mktemp -d)
server=
stop() {
    if [[ -n $server ]]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$folder" "$socket_folder"
}
trap stop EXIT

echo "== the store alone"
"$cola" bench --storage --data-dir "$folder/storage"

"$cola" serve --data-dir "$folder/data" --socket "$socket_folder/s" --native off --amqp off --kafka off --http off \
    >"$folder/ready" 2>"$folder/log" &
server=$!
for ((tries = 0; tries < 100; tries++)); do
    if grep -q '^cola ready' "$folder/ready"; then break; fi
    if ! kill -0 "$server" 2>/dev/null; then
        cat "$folder/log" >&2
        exit 1
    fi
    sleep 0.1
done
if ! grep -q '^cola ready' "$folder/ready"; then
    echo "the broker was not ready within 10 s" >&2
    cat "$folder/log" >&2
    exit 1
fi

url="unix://$socket_folder/s"
for size in 16 1024; do
    echo "== a broker, $size bytes a message"
    "$cola" bench --url "$url" --size "$size" "$@"
done
