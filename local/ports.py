"""Choosing loopback ports."""

import socket
from pathlib import Path

from local.errors import PortTakenError

LOOPBACK = "127.0.0.1"


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Tell whether a server could listen on this TCP port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do, so that connections of a stopped server in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def free_port(host: str = LOOPBACK) -> int:
    """Ask the system for a free TCP port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


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
