"""A port of this machine that nothing listens on just now."""

import socket

HOST = "127.0.0.1"


def free_port() -> int:
    """For servers that have to be told one, and cannot leave it to the system."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
