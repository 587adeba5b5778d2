#!/usr/bin/env bash
# Usage: scripts/test-node-client.sh COLA
#
# Runs the tests of clients/node, which start brokers of their own. Where there is no Node.js 18 or later it says so,
# and they are left out.
set -euo pipefail
if (($# != 1)); then
    echo "usage: scripts/test-node-client.sh COLA" >&2
    exit 64
fi
cola=$(realpath "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/../clients/node"
if ! version=$(node --version 2>/dev/null); then
    echo "test-node-client: there is no Node.js; the tests of clients/node are left out" >&2
    exit 0
fi
major=${version#v}
if ((${major%%.*} < 18)); then
    echo "test-node-client: Node.js $version is too old, 18 is needed; the tests of clients/node are left out" >&2
    exit 0
fi
command -v tsc >/dev/null ||
    echo "test-node-client: there is no tsc; the types of clients/node are not checked" >&2
COLA_BIN=$cola exec node --test test/*.test.js
