"""Choosing loopback ports."""

import random
import socket
from pathlib import Path

from local.errors import PortTakenError

LOOPBACK = "127.0.0.1"

# Below what Linux (32768 on) and macOS (49152 on) give to outgoing connections: one of those would
# otherwise take the port between the moment it is chosen and the moment its server listens.
SERVERS = range(15_000, 32_000)


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Check whether a server could listen on this TCP port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do, so that connections of a stopped server in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def free_port(host: str = LOOPBACK) -> int:
    """Choose a free TCP port, and keep other processes from choosing it for a minute.

    Raises:
        PortTakenError: There is none.
    """
    for port in random.sample(SERVERS, k=len(SERVERS)):
        if _reserve(port, host):
            return port
    raise PortTakenError(
        f"No port between {SERVERS.start} and {SERVERS.stop - 1} is free on {host}. "
        "Stop some of what listens there.",
        port=SERVERS.start,
    )


def _reserve(port: int, host: str) -> bool:
    """Leave a closed connection behind on a port, if nothing uses that.

    While it is in TIME_WAIT, a second reservation fails, but a server, which sets SO_REUSEADDR, can
    listen. The way is that of https://github.com/Yelp/ephemeral-port-reserve.
    """
    with socket.socket() as listener, socket.socket() as caller:
        try:
            listener.bind((host, port))
        except OSError:
            return False
        # Only now: set before, it would let `bind` share what another process has reserved.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.listen(1)
        caller.connect((host, port))
        listener.accept()[0].close()  # the side that closes first is the one in TIME_WAIT
        return True


def wanted_port(port: int, *, name: str, choose_with: str, host: str = LOOPBACK) -> int:
    """Return `port` if it is free.

    Raises:
        PortTakenError: It is not; the message names the port and what `choose_with` changes.
    """
    if not is_free(port, host):
        raise PortTakenError(
            f"Port {port}, wanted for {name}, is in use on {host}. "
            f"Stop what uses it, or choose another port with {choose_with}.",
            port=port,
        )
    return port


def remembered_port(file: Path) -> int:
    """Return the port noted in `file` if it is free, else a new one, and note that.

    A server then keeps its address across restarts, and with it the URLs already handed out.
    """
    try:
        port = int(file.read_text())
    except (FileNotFoundError, ValueError):
        port = 0
    if not (port and is_free(port)):
        port = free_port()
        file.write_text(f"{port}\n")
    return port
