"""Copied into kafka-python's tests: the broker runs already, and nothing is to be started, waited for or ended."""


class ExternalService:
    def __init__(self, host, port):
        self.host, self.port = host, port

    def open(self):
        pass

    def close(self):
        pass


class SpawnedService:
    """Only its name is needed."""
