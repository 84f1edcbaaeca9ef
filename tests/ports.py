"""Ports for servers that are given one in their settings, and keep it over restarts."""

import random
import socket

_OURS = range(20_000, 32_000)
"""Below what the system hands out: the next outgoing connection might get such a port while its server is away."""


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    for port in random.SystemRandom().sample(_OURS, 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("a hundred ports, and none is free")
