"""Servers that hang: stopped with SIGSTOP, which their clients see as silence."""

import contextlib
from collections.abc import Iterator

import psutil

from local.server import Server


@contextlib.contextmanager
def frozen(server: Server) -> Iterator[None]:
    """Stop a server and all its children while the block runs."""
    assert server.process is not None
    first = psutil.Process(server.process.pid)
    # Its first process first: it makes no more of them then.
    first.suspend()
    family = [first, *first.children(recursive=True)]
    for process in family[1:]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.suspend()
    try:
        yield
    finally:
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()
