"""Ports for the servers that tests start."""

import random
import socket
from pathlib import Path
from typing import Final

_FIRST: Final = 15000
_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """A port on 127.0.0.1 that nobody uses now, and that no outgoing connection will take meanwhile."""
    end = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else 32768
    while True:
        port = random.randrange(_FIRST, max(end, _FIRST + 1000))
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
