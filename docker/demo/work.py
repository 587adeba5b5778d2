"""A worker of mode `stream` (protocol/workers.md): takes a while for each message, and hands it on."""

import json
import os
import sys
import time

# As if it were hard, seconds.
PAUSE = float(os.environ.get("PAUSE", "0.005"))

print("a worker starts", file=sys.stderr, flush=True)
for line in sys.stdin:
    message = json.loads(line)
    time.sleep(PAUSE)
    result = json.loads(message["body"])
    print(json.dumps({"done": message["delivery"], "result": result}), flush=True)
print("a worker ends, as there is nothing to do", file=sys.stderr, flush=True)
