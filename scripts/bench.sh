#!/usr/bin/env bash
# Usage: scripts/bench.sh COLA [OPTION…]
#
# Measures the bare store, then a broker of its own, in one run, so that the two can be compared. Options go to the
# second `cola bench`.
set -euo pipefail
cola=${1:?usage: scripts/bench.sh COLA [OPTION…]}
shift
mkdir -p .build
folder=$(mktemp -d .build/bench.XXXXXX)
trap 'rm -rf "$folder"' EXIT

echo "== the store alone"
"$cola" bench --storage --data-dir "$folder/data"
for size in 16 1024; do
    echo "== a broker, $size bytes a message"
    "$(dirname "${BASH_SOURCE[0]}")/with-server.sh" "$cola" "$cola" bench --size "$size" "$@"
done
