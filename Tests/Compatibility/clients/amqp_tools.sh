#!/usr/bin/env bash
# rabbitmq-c, by its command-line programs. Prints `ok CHECK` or `not ok CHECK` for each thing a broker must do for it.
set -u
server=("--server=$1" "--port=$2")
queue=amqp-tools-$$
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
printf '#!/bin/sh\ncat; echo\n' >"$folder/line"
chmod +x "$folder/line"

check() {
    if [[ $2 == "$3" ]]; then echo "ok $1"; else printf 'not ok %s\n# wanted %.100s, got %.100s\n' "$1" "$2" "$3"; fi
}
amqp() { timeout 20 "amqp-$1" "${server[@]}" "${@:2}"; }
# Its exit code instead of what it says.
code() { amqp "$@" >/dev/null 2>&1; echo $?; }

check declare-queue "$queue" "$(amqp declare-queue -q "$queue" -d 2>&1)"
check publish 0 "$(code publish -r "$queue" -b hello)"
check get hello "$(amqp get -q "$queue" 2>&1)"
check get-empty 2 "$(code get -q "$queue")"
check publish-persistent 0 "$(code publish -r "$queue" -p -C text/plain -H k:v -b properties)"
check get-persistent properties "$(amqp get -q "$queue" 2>&1)"
printf '1\n2\n3\n' | amqp publish -r "$queue" -l
check consume '1 2 3 ' "$(amqp consume -q "$queue" -c 3 "$folder/line" 2>/dev/null | tr -s '\n' ' ')"
head -c 700000 /dev/urandom | base64 -w0 >"$folder/big"
amqp publish -r "$queue" <"$folder/big"
check large "$(md5sum <"$folder/big")" "$(amqp get -q "$queue" 2>/dev/null | md5sum)"

amqp consume -e amq.topic -r 'a.#' -c 1 cat >"$folder/topic" 2>/dev/null &
consumer=$!
# Its queue has a name of the server's, so that nobody can ask whether it is bound yet.
for _ in $(seq 40); do
    amqp publish -e amq.topic -r a.b.c -b topic
    sleep 0.25
    kill -0 "$consumer" 2>/dev/null || break
done
wait "$consumer"
check exclusive-queue topic "$(cat "$folder/topic")"

amqp publish -r "$queue" -b one
check delete-if-empty 1 "$(code delete-queue -q "$queue" -e)"
check delete-queue 1 "$(amqp delete-queue -q "$queue" 2>&1)"
check missing-queue 1 "$(code get -q "$queue")"
check bad-password 1 "$(code publish --username=guest --password=bad -r "$queue" -b x)"
check bad-vhost 1 "$(code publish --vhost=nope -r "$queue" -b x)"
check url 0 "$(timeout 20 amqp-publish --url="amqp://guest:guest@$1:$2" -r "$queue" -b x >/dev/null 2>&1; echo $?)"
