"""What every test needs."""

import ctypes
import os
import signal

import pytest

SS_DISABLE = 2


def pytest_configure() -> None:
    """Let Ctrl-C reach the processes that tests start, and keep compilers out of them.

    A shell that starts the tests in the background has them ignore SIGINT, and so would every
    process of theirs.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # NNCF compiles its quantisers in C++ at their first use, for a minute and more. Without a
    # compiler it computes the same in PyTorch, fast enough for the tests' small models.
    os.environ["CXX"] = "false"


class SignalStack(ctypes.Structure):
    """`stack_t` of sigaltstack(2)."""

    _fields_ = (("sp", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


def pytest_runtest_call(item: pytest.Item) -> None:
    """Let signals that a test raises run on the ordinary stack.

    OpenVINO gives each thread that loads its CPU plugin a stack for signals, and frees it with
    the last `Core`, in whatever thread that happens: a Ctrl-C then ends the process at once.
    """
    none = SignalStack(sp=None, flags=SS_DISABLE, size=0)
    ctypes.CDLL(None).sigaltstack(ctypes.byref(none), None)
