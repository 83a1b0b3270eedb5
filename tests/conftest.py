"""What every test needs."""

import os
import signal


def pytest_configure() -> None:
    """Let Ctrl-C reach the processes that tests start, and keep compilers out of them.

    A shell that starts the tests in the background has them ignore SIGINT, and so would every
    process of theirs.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # NNCF compiles its quantisers in C++ at their first use, for a minute and more. Without a
    # compiler it computes the same in PyTorch, fast enough for the tests' small models.
    os.environ["CXX"] = "false"
