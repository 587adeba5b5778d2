#!/usr/bin/env bash
# Usage: scripts/with-server.sh COLA COMMAND [ARGUMENT…]
#
# Runs COMMAND while a broker of its own is up, in temporary folders, and ends with COMMAND's exit code. COMMAND finds
# the broker in COLA_URL (what the command line reads) and COLA_TEST_URL (what the clients' tests read).
set -euo pipefail
if (($# < 2)); then
    echo "usage: scripts/with-server.sh COLA COMMAND [ARGUMENT…]" >&2
    exit 64
fi
cola=$1
shift

# The data lies in the repository's build folder and not in /tmp, which may be memory: a bench measures the disk. The
# socket lies in /tmp, since its path may have 107 bytes and the repository may lie deep.
mkdir -p "$(dirname "${BASH_SOURCE[0]}")/../.build"
folder=$(mktemp -d "$(cd "$(dirname "${BASH_SOURCE[0]}")/../.build" && pwd)/with-server.XXXXXX")
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
trap 'exit 130' INT
trap 'exit 143' TERM

: >"$folder/ready"
"$cola" serve --data-dir "$folder/data" --socket "$socket_folder/s" --native off --amqp off --kafka off --http off \
    >"$folder/ready" 2>"$folder/log" &
server=$!
for ((tries = 0; tries < 200; tries++)); do
    if grep -q '^cola ready' "$folder/ready" || ! kill -0 "$server" 2>/dev/null; then break; fi
    sleep 0.05
done
if ! grep -q '^cola ready' "$folder/ready"; then
    echo "with-server: the broker did not become ready; it said:" >&2
    cat "$folder/log" >&2
    exit 1
fi

export COLA_URL="unix://$socket_folder/s" COLA_TEST_URL="unix://$socket_folder/s"
code=0
"$@" || code=$?
# A broker that died on the way fails the run even where the command did not notice.
if ! kill -0 "$server" 2>/dev/null; then
    echo "with-server: the broker ended by itself; it said:" >&2
    cat "$folder/log" >&2
    exit 1
fi
exit "$code"
