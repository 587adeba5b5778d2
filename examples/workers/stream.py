"""A worker of mode `stream` in Python, with nothing but its standard library (protocol/workers.md)."""
import json
import sys

for line in sys.stdin:
    message = json.loads(line)
    answer = {"done": message["delivery"]}
    if message.get("body") is None:
        answer = {"reject": message["delivery"], "reason": "the body is no text"}
    elif message["body"] == "later" and message["attempt"] == 1:
        answer = {"retry": message["delivery"], "delay": 100, "reason": "not at the first attempt"}
    else:
        answer["result"] = message["body"].upper()
    print(json.dumps(answer), flush=True)
