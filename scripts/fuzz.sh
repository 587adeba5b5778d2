#!/usr/bin/env bash
# Usage: scripts/fuzz.sh TARGET [SECONDS]
#        scripts/fuzz.sh --check        whether all targets compile with what `swift build` made for debugging
#
# Feeds Fuzz/TARGET.swift with libFuzzer, address checks on, for SECONDS (60), beginning with Fuzz/corpus/TARGET. Ends
# with an exit code other than 0 when an input crashes it, takes over 10 s or over 2 GiB; the input is then in
# .build-fuzz/crashes. To run one input again: .build-fuzz/TARGET FILE
#
# SwiftPM builds the modules that the target imports, instrumented, in a folder of their own. The target itself is built
# by hand: SwiftPM gives every executable a `main`, and here libFuzzer brings it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=${1:-}
seconds=${2:-60}
# YAML: how a program is compiled that uses the modules of that build.
#
# SwiftPM names the package after its folder, and `package` declarations are visible under that name alone. The C
# modules below the Swift ones are given as SwiftPM passes them.
module_flags() {
    printf '%s\n' -swift-version 6 -warnings-as-errors -parse-as-library -package-name
    grep -F '"-module-name","ColaCore"' "$1" | grep -oP '"-package-name","\K[^"]+' | head -1
    grep -oP '"-I","\K[^"]+/include' "$1" | sort -u | sed 's/^/-I/'
    grep -oP '"-fmodule-map-file=\K[^"]+' "$1" | sort -u |
        while read -r map; do [[ -e $map ]] && printf -- '-Xcc\n-fmodule-map-file=%s\n' "$map"; done
}

command -v swift >/dev/null || PATH=$PATH:/opt/swift/usr/bin
if [[ $target == --check ]]; then
    mapfile -t flags < <(module_flags .build/debug.yaml)
    for file in Fuzz/*.swift; do
        swiftc -typecheck -module-name "Fuzz$(basename "$file" .swift)" -I .build/debug/Modules "${flags[@]}" "$file"
    done
    exit
fi
if [[ -z $target || ! -f Fuzz/$target.swift ]]; then
    echo "usage: scripts/fuzz.sh --check, or scripts/fuzz.sh TARGET [SECONDS], where TARGET is one of:" \
        $(basename -s .swift -a Fuzz/*.swift) >&2
    exit 64
fi
# Or the backtracer outlives a crash, with our output open.
export SWIFT_BACKTRACE=enable=no

scratch=.build-fuzz
mapfile -t modules < <(grep -oE '^(package |internal )?import Cola[A-Za-z]+' "Fuzz/$target.swift" | awk '{ print $NF }')
for module in "${modules[@]}"; do
    swift build -c release --sanitize=address --scratch-path "$scratch" --target "$module" -Xswiftc -sanitize=fuzzer
done

mapfile -t flags < <(module_flags "$scratch/release.yaml")
# Of this package only what the target needs: the rest may be left from another target, and older than what it uses.
mapfile -t others < <(swift package --scratch-path "$scratch" describe --type json | python3 -c '
import json, sys
targets = {target["name"]: target.get("target_dependencies", []) for target in json.load(sys.stdin)["targets"]}
needed, found = set(), sys.argv[1:]
while found:
    name = found.pop()
    if name not in needed:
        needed.add(name)
        found += targets[name]
print("\n".join(sorted(set(targets) - needed)))' "${modules[@]}")
mapfile -t objects < <(find "$scratch"/release/*.build -name '*.o' -not -path '*-tool.build/*' \
    $(printf -- ' -not -path */%s.build/*' "${others[@]}"))

swiftc -O -module-name "Fuzz$target" -sanitize=fuzzer,address -I "$scratch/release/Modules" "${flags[@]}" \
    "Fuzz/$target.swift" "${objects[@]}" -o "$scratch/$target"

# New inputs go to the first folder; the committed ones are read only.
mkdir -p "$scratch/corpus/$target" "$scratch/crashes" "Fuzz/corpus/$target"
ASAN_OPTIONS=detect_leaks=0 "$scratch/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=4096 \
    -print_final_stats=1 -artifact_prefix="$scratch/crashes/$target-" "$scratch/corpus/$target" "Fuzz/corpus/$target"
echo "fuzz: $target found nothing in $seconds s"
