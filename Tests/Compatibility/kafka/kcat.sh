#!/usr/bin/env bash
# kcat, on Debian's librdkafka. Prints `ok CHECK` or `not ok CHECK` for each thing a broker must do for it.
set -u
server=$1:$2
topic=kcat-$$-$RANDOM
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

check() {
    if [[ $2 == "$3" ]]; then echo "ok $1"; else printf 'not ok %s\n# wanted %.100s, got %.100s\n' "$1" "$2" "$3"; fi
}
kcat() { timeout 30 kcat -b "$server" -X topic.metadata.refresh.interval.ms=500 "$@"; }
put() { kcat -P -t "$@" 2>>"$folder/errors"; }
# All that is there, then it ends.
all() { kcat -C -e -q -t "$@" 2>>"$folder/errors"; }
line() { tr '\n' ' ' | sed 's/ $//'; }

check metadata '1 brokers:' "$(kcat -L 2>/dev/null | sed -n 's/^ \(1 brokers:\)$/\1/p')"
put "$topic-keys" -K: <<<$'k1:a\nk2:b\nk3:c'
check keys 'k1=a k2=b k3=c' "$(all "$topic-keys" -f '%k=%s\n' | sort | line)"
check topic-metadata yes "$(kcat -L -J -t "$topic-keys" | grep -q "\"topic\":\"$topic-keys\"" && echo yes)"
for codec in none gzip snappy lz4 zstd; do
    seq 1 2000 | put "$topic-$codec" -z "$codec"
    check "codec-$codec" "$(seq 1 2000 | sha256sum)" "$(all "$topic-$codec" | sha256sum)"
done
put "$topic-headers" -H a=1 -H b=two <<<x
check headers 'a=1,b=two x' "$(all "$topic-headers" -f '%h %s\n')"
seq 1 10 | put "$topic" -p 0
check offset-beginning '1 2 3' "$(all "$topic" -p 0 -o beginning -c 3 | line)"
check offset-absolute '6 7 8 9 10' "$(all "$topic" -p 0 -o 5 | line)"
check offset-tail '9 10' "$(all "$topic" -p 0 -o -2 | line)"
check offset-end '' "$(all "$topic" -p 0 -o end | line)"
check offsets '0 1 2 3 4 5 6 7 8 9' "$(all "$topic" -p 0 -f '%o\n' | line)"
check query-end "$topic [0] offset 10" "$(kcat -Q -t "$topic:0:-1" | grep -o "$topic.*")"
check query-beginning "$topic [0] offset 0" "$(kcat -Q -t "$topic:0:-2" | grep -o "$topic.*")"
check query-by-time "$topic [0] offset 0" "$(kcat -Q -t "$topic:0:1000" | grep -o "$topic.*")"
now=$(date +%s)
near='{ print ($1 / 1000 - now)^2 < 14400 ? "yes" : $1 }'
check timestamps yes "$(all "$topic" -p 0 -c 1 -f '%T\n' | awk -v now="$now" "$near")"
check from-time 10 "$(all "$topic" -p 0 -o "s@$(((now - 120) * 1000))" | wc -l)"
group() { timeout 40 kcat -b "$server" -q -G "$topic-group" -X auto.offset.reset=earliest "$@" "$topic" 2>/dev/null; }
check group "$(seq 1 10 | line)" "$(group -c 10 | line)"
check group-goes-on '' "$(group -e | line)"
seq 11 12 | put "$topic" -p 0
check group-gets-what-is-new '11 12' "$(group -c 2 | line)"
seq 1 1000 | put "$topic-idempotent" -X enable.idempotence=true
check idempotent "$(seq 1 1000 | sha256sum)" "$(all "$topic-idempotent" | sha256sum)"
put "$topic-null" -Z -K: <<<'k:'
check tombstone 'k -1' "$(all "$topic-null" -f '%k %S\n')"
head -c 675000 /dev/urandom | base64 -w0 >"$folder/large"
put "$topic-large" "$folder/large"
check large "$(sha256sum <"$folder/large")" "$(all "$topic-large" -c 1 -D '' | sha256sum)"
seq 1 5 | put "$topic-acks" -X acks=1
seq 6 9 | put "$topic-acks" -X acks=0
check acks "$(seq 1 9 | line)" "$(all "$topic-acks" | line)"
head -c 1500000 /dev/urandom | base64 -w0 >"$folder/larger"
kcat -P -t "$topic-large" -X message.max.bytes=10000000 "$folder/larger" 2>"$folder/refusal"
check too-large yes "$(grep -qi 'too large\|size' "$folder/refusal" && echo yes)"
check errors '' "$(grep -v '^%\|^$' "$folder/errors" | line)"
