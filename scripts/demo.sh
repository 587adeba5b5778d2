#!/bin/sh
# The body of `make demo`: scripts/demo.sh PATH-OF-COLA
set -eu
here=$(dirname "$0")
python=${PYTHON:-python3}
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
    echo "demo: needs Python 3.9 or later as python3 (apt-get install python3), or PYTHON=/path/to/python3" >&2
    exit 69
fi
PYTHONPATH="$here/../clients/python" exec "$python" "$here/demo.py" "$@"
