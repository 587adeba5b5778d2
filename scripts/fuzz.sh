#!/usr/bin/env bash
# Usage: scripts/fuzz.sh TARGET [SECONDS]
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
if [[ -z $target || ! -f Fuzz/$target.swift ]]; then
    echo "usage: scripts/fuzz.sh TARGET [SECONDS], where TARGET is one of:" $(basename -s .swift -a Fuzz/*.swift) >&2
    exit 64
fi
command -v swift >/dev/null || PATH=$PATH:/opt/swift/usr/bin
# Or the backtracer outlives a crash, with our output open.
export SWIFT_BACKTRACE=enable=no

scratch=.build-fuzz
mapfile -t modules < <(grep -oE '^(package |internal )?import Cola[A-Za-z]+' "Fuzz/$target.swift" | awk '{ print $NF }')
for module in "${modules[@]}"; do
    swift build -c release --sanitize=address --scratch-path "$scratch" --target "$module" -Xswiftc -sanitize=fuzzer
done

# SwiftPM names the package after its folder, and `package` declarations are visible under that name alone.
package=$(grep -F '"-module-name","ColaCore"' "$scratch/release.yaml" | grep -oP '"-package-name","\K[^"]+' | head -1)
# The C modules below the Swift ones, as SwiftPM passes them.
mapfile -t maps < <(grep -oP '"-fmodule-map-file=\K[^"]+' "$scratch/release.yaml" | sort -u |
    while read -r map; do [[ -e $map ]] && printf -- '-Xcc\n-fmodule-map-file=%s\n' "$map"; done)
mapfile -t includes < <(grep -oP '"-I","\K[^"]+/include' "$scratch/release.yaml" | sort -u | sed 's/^/-I/')
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

swiftc -O -swift-version 6 -warnings-as-errors -parse-as-library -package-name "$package" -module-name "Fuzz$target" \
    -sanitize=fuzzer,address -I "$scratch/release/Modules" "${includes[@]}" "${maps[@]}" \
    "Fuzz/$target.swift" "${objects[@]}" -o "$scratch/$target"

# New inputs go to the first folder; the committed ones are read only.
mkdir -p "$scratch/corpus/$target" "$scratch/crashes" "Fuzz/corpus/$target"
ASAN_OPTIONS=detect_leaks=0 "$scratch/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=4096 \
    -print_final_stats=1 -artifact_prefix="$scratch/crashes/$target-" "$scratch/corpus/$target" "Fuzz/corpus/$target"
echo "fuzz: $target found nothing in $seconds s"
