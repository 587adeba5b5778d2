#!/bin/sh
# A worker of mode `stream` in plain sh: a line is a message, a line is an answer (protocol/workers.md).
while read -r line; do
    number=${line#*:}                  # {"delivery":7,…
    number=${number%%,*}
    case $line in
        *'"body":""'*) printf '{"reject":%s,"reason":"there is nothing in it"}\n' "$number" ;;
        *) printf '{"done":%s,"result":"%s characters of JSON"}\n' "$number" "${#line}" ;;
    esac
done
