"""A topic keeps its records: each group reads all of them, and goes on where it had committed.

    python3 examples/topic_reader.py write 10
    python3 examples/topic_reader.py read audit     # reads all
    python3 examples/topic_reader.py read audit     # reads what was written since
    python3 examples/topic_reader.py read billing   # another group: reads all again
"""

import json
import sys
import time

import cola

TOPIC = "events"


def write(client: cola.Client, count: int) -> None:
    # One request, one transaction: after a crash all of them are there, or none.
    events = [json.dumps({"event": number, "at": time.time()}) for number in range(count)]
    client.publish_many(TOPIC, events)
    print(f"{count} events written")


def read(client: cola.Client, group: str) -> None:
    # A new group begins with the first record there is.
    with client.consume(TOPIC, group=group, timeout=0.5) as records:
        last = None
        for record in records:
            print(f"{record.offset}: {record.text}")
            record.ack()  # makes room for the next; a topic loses nothing by it
            last = record
        if last is not None:
            records.commit(last)


def main() -> None:
    task, argument = (sys.argv[1:] + ["", ""])[:2]
    if task not in ("write", "read") or (task == "write" and not (argument or "5").isdecimal()):
        sys.exit(__doc__)
    try:
        with cola.connect() as client:
            client.declare_topic(TOPIC)
            if task == "write":
                write(client, int(argument or 5))
            else:
                read(client, argument or "audit")
    except cola.ColaError as problem:
        sys.exit(f"topic_reader: {problem}")


if __name__ == "__main__":
    main()
