#!/usr/bin/env bash
# static.sh OUTPUT: what `make build` compiled, linked once more into a program that needs no library of the machine.
#
# glibc's warnings that looking up names of hosts and users needs its shared libraries are left out: without them
# numeric addresses, /etc/hosts and DNS work, and users of workers are found in /etc/passwd.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

output=${1:?scripts/static.sh OUTPUT}
objects=$(swift build -c release --static-swift-stdlib --show-bin-path)/cola.product/Objects.LinkFileList
if [[ ! -f $objects ]]; then
    echo "static: $objects is not there; run \`make build\` first" >&2
    exit 66
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# SwiftPM compiles the entry point under another name.
if ! swiftc -static-executable -emit-executable -O -o "$output" "@$objects" -lsqlite3 -lyaml -lz -lzstd -llz4 -lsnappy \
    -lstdc++ -lm \
    -Xlinker --gc-sections -Xlinker --defsym=main=cola_main >"$log" 2>&1; then
    cat "$log" >&2
    exit 70
fi
strip "$output"
