"""One message there and back.

    COLA_URL=tcp://127.0.0.1:7672 python3 examples/hello.py
"""

import cola

with cola.connect() as client:
    client.declare_queue("hello")
    # Returns when the message is on the server's disk, or its consumer has acknowledged it.
    client.publish("hello", "world", headers={"lang": "en"})
    for delivery in client.consume("hello", timeout=1):
        print(delivery.text, delivery.headers)
        delivery.ack()
