# A worker of mode `stream` in awk, in the format `native`: mawk -W interactive -f stream.awk, or gawk -f stream.awk.
# Only for bodies of one line: whoever expects others has to count bytes (protocol/native.md).
/^msg / {
    number = $3
    getline body
    print "ack " number
    fflush()
}
