#!/usr/bin/env bash
# Makes the certificates of the tests anew, in Tests/ColaTLSTests/Certificates. They are good for a hundred years, and
# their keys are everybody's: nothing but tests may trust them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../Tests/ColaTLSTests/Certificates"
rm -f ./*.pem

key() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1"; }

# authority NAME SUBJECT
authority() {
    key "$1-key.pem"
    openssl req -x509 -new -key "$1-key.pem" -subj "$2" -days 36500 -out "$1.pem" \
        -addext 'keyUsage=critical,keyCertSign,cRLSign'
}

# certificate NAME SUBJECT AUTHORITY USAGE [NAMES]
certificate() {
    local name=$1 subject=$2 authority=$3 usage=$4 names=${5:-}
    key "$name-key.pem"
    openssl req -new -utf8 -multivalue-rdn -key "$name-key.pem" -subj "$subject" -out request.pem
    openssl x509 -req -in request.pem -CA "$authority.pem" -CAkey "$authority-key.pem" -days 36500 -out "$name.pem" \
        -extfile <(echo "extendedKeyUsage=$usage"; [[ -z $names ]] || echo "subjectAltName=$names") 2>/dev/null
    rm request.pem
}

authority authority '/O=Cola tests/CN=Authority'
authority stranger '/O=Somebody else/CN=Stranger'
certificate server '/O=Cola tests/CN=localhost' authority serverAuth 'DNS:localhost,IP:127.0.0.1'
certificate renewed '/O=Cola tests/OU=Renewed/CN=localhost' authority serverAuth 'DNS:localhost,IP:127.0.0.1'
certificate client '/C=DE/DC=example/O=Cola, Inc. \"tests\"/OU=#1+UID=7/emailAddress=ana@example.com/CN=Ana Äpfel ' \
    authority clientAuth
certificate stranger-client '/CN=Ana Äpfel' stranger clientAuth
rm -f authority-key.pem stranger-key.pem stranger.pem
