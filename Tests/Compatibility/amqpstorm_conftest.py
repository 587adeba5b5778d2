"""Copied into amqpstorm's functional tests: what they tidy up over RabbitMQ's management API goes over AMQP instead."""
from amqpstorm import AMQPChannelError, Connection
from amqpstorm.tests import HOST, PASSWORD, USERNAME
from amqpstorm.tests.functional import utility


def _delete(kind, names):
    with Connection(HOST, USERNAME, PASSWORD, timeout=5) as connection:
        for name in names:
            with connection.channel() as channel:
                try:
                    getattr(channel, kind).delete(name)
                except AMQPChannelError:
                    pass


utility._delete_queues = lambda _, names: _delete("queue", names)
utility._delete_exchanges = lambda _, names: _delete("exchange", names)
