"""Counts the words of texts, as a worker of each mode (protocol/workers.md):

    exec     command: [python3, words.py, exec]
    stream   command: [python3, words.py, stream]
    client   command: [python3, -m, cola, worker, words]

What it answers is JSON: the offset of the message, and how often each word is in its text.
"""
import json
import os
import re
import sys
import time
from collections import Counter

WORD = re.compile(r"[^\W\d_]+")
PAUSE = float(os.environ.get("PAUSE", "0"))  # seconds, as if it were harder


def count(text: str, offset: int) -> str:
    time.sleep(PAUSE)
    return json.dumps({"offset": offset, "words": Counter(word.lower() for word in WORD.findall(text))})


if __name__ != "__main__":
    import cola

    @cola.worker("paragraphs", result_queue="counts")
    def words(message):
        return count(message.body.decode("utf-8", "replace"), message.offset)

elif sys.argv[1:] == ["exec"]:
    print(count(sys.stdin.buffer.read().decode("utf-8", "replace"), int(os.environ["COLA_OFFSET"])))

elif sys.argv[1:] == ["stream"]:
    for line in sys.stdin:
        message = json.loads(line)
        answer = {"done": message["delivery"]}
        if "body" in message:
            answer["result"] = count(message["body"], message["offset"])
        else:  # body_base64: the text is not UTF-8
            answer = {"reject": message["delivery"], "reason": "the body is no text"}
        print(json.dumps(answer), flush=True)
else:
    sys.exit(__doc__)
