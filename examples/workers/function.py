"""Functions as workers: `python -m cola worker function --processes 4`, by itself or below `cola serve`.

What a function returns goes to the queue of results. What it raises is remembered with the message, which is tried
again later; one that kills its process is found alone, and takes no other with it.
"""

import cola


@cola.worker("texts", result_queue="counts", attempts=5)
def count(message):
    text = message.text
    if not text.strip():
        raise cola.Reject("there is nothing to count")
    return f"{len(text.split())} words"


if __name__ == "__main__":
    cola.run_workers(count, processes=4)
