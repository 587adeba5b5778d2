#!/usr/bin/env bash
# Usage: scripts/bench.sh COLA [OPTION…]
#
# Measures, all in one run and on the disk of the repository (/tmp may be memory), so that the figures can be held
# against one another: the load generator against a server that stores nothing, the bare store, then brokers of their
# own under one load after the other. One line each, and every message is confirmed. Options go to each `cola bench` of
# a broker; `--count 10000` makes everything short.
set -euo pipefail
if (($# < 1)); then
    echo "usage: scripts/bench.sh COLA [OPTION…]" >&2
    exit 64
fi
cola=$1
shift
options=("$@")
mkdir -p .build
folder=$(mktemp -d .build/bench.XXXXXX)
trap 'rm -rf "$folder"' EXIT

echo "load of the machine before: $(cut -d' ' -f1-3 /proc/loadavg)"
for run in 1 2 3; do
    begun=$(date +%s%N)
    exec 3< <(exec "$cola" serve --data-dir "$folder/empty-$run" --native off --amqp off --kafka off 2>/dev/null)
    server=$!
    read -r -t 20 _ <&3
    took=$((($(date +%s%N) - begun) / 1000000))
    memory=$(awk '/^RssAnon|^VmRSS/ { printf "%s %.1f MiB  ", $1, $2 / 1024 }' "/proc/$server/status")
    kill -TERM "$server"
    while kill -0 "$server" 2>/dev/null; do sleep 0.05; done
    exec 3<&-
    echo "ready after $took ms on an empty directory; $memory"
done

# One line of the table. $1: what it is called; the rest goes to `cola bench`.
row() {
    local name=$1
    shift
    printf '%s\t%s\n' "$name" "$("$cola" bench --json --dir "$folder" "$@" 2>/dev/null)"
}

loads() {
    for size in 16 1024; do
        row "$size B, nothing stored" --null --size "$size" --count 2000000 "${options[@]}"
        row "$size B, the store alone" --storage --size "$size" --seconds 2
        row "$size B, 1 queue" --size "$size" --count 2000000 "${options[@]}"
        for peers in 10 100; do
            row "$size B, $peers queues and pairs" --size "$size" --producers "$peers" --consumers "$peers" \
                --queues "$peers" --count 1000000 --window 200 --prefetch 200 "${options[@]}"
        done
        row "$size B, published only" --size "$size" --consumers 0 --count 1000000 "${options[@]}"
        row "$size B, published, then drained" --size "$size" --drain --count 1000000 "${options[@]}"
    done
    row "16 B, 1000 a second" --size 16 --rate 1000 --seconds 10 "${options[@]}"
    row "1024 B, 1000 a second" --rate 1000 --seconds 10 "${options[@]}"
    row "1024 B, one at a time" --window 1 --ack-batch 1 --seconds 5 "${options[@]}"
    row "1024 B, a slow consumer" --rate 20000 --consume-rate 2000 --seconds 10 "${options[@]}"
    row "8192 B, many checkpoints" --size 8192 --count 200000 "${options[@]}"
}

loads | python3 -c '
import json, sys

HEAD = ["load", "published/s", "consumed/s", "confirm p50", "p99", "p99.9", "delivery p50", "p99", "p99.9 ms",
        "broker µs", "client µs", "anon MiB", "written B", "backlog", "elided"]
WIDTHS = [31, 12, 11, 12, 9, 9, 13, 9, 9, 10, 10, 9, 10, 9, 7]


def show(cells):
    first, rest = cells[0].ljust(WIDTHS[0]), zip(cells[1:], WIDTHS[1:])
    print(first + "".join(cell.rjust(width) for cell, width in rest), flush=True)


def figure(value, form="%.2f"):
    return "-" if value is None else form % value


show(HEAD)
failed = False
for line in sys.stdin:
    name, _, text = line.rstrip("\n").partition("\t")
    if not text:
        print(name.ljust(WIDTHS[0]) + " failed; run it by hand to see why", flush=True)
        failed = True
        continue
    row = json.loads(text)
    if row.get("storage"):
        commit = row["commit_ms"]
        cells = ["%d" % row["messages_per_second"], "-", figure(commit["p50"]), figure(commit["p99"])] + 4 * ["-"]
        show([name] + cells + [figure(row["cpu_us"])] + 5 * ["-"])
        continue
    confirm, delivery = row["confirm_ms"] or {}, row["delivery_ms"] or {}
    messages = max(row["published"], row["consumed"], 1)
    written, anonymous = row["broker_written_bytes"], row["broker_anon_max"]
    show([
        name, "%d" % row["publish_per_second"], "%d" % row["consume_per_second"],
        *[figure(confirm.get(part)) for part in ("p50", "p99", "p99.9")],
        *[figure(delivery.get(part)) for part in ("p50", "p99", "p99.9")],
        figure(row["broker_cpu_us"]), figure(row["client_cpu_us"]),
        figure(None if anonymous is None else anonymous / 2**20, "%.0f"),
        figure(None if written is None else written / messages, "%.0f"), "%d" % row["backlog_max"],
        figure(row["elided"], "%d")])
sys.exit(failed)
'
