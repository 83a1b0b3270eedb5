"""What every test needs."""

import signal


def pytest_configure() -> None:
    """Let Ctrl-C reach the processes that tests start.

    A shell that starts the tests in the background has them ignore SIGINT, and so would every
    process of theirs.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
