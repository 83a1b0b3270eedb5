"""What every test needs."""

import ctypes
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog

from core.cpus import usable_cpus
from core.settings import get_settings
from tests.support import costs
from tests.support.converted_once import convert_once
from tests.support.made_once import MadeOnce

if TYPE_CHECKING:
    import torch

SS_DISABLE = 2


def pytest_configure() -> None:
    """Pass Ctrl-C on to the processes that tests start, and keep compilers and threads out of them.

    A shell that starts the tests in the background has them ignore SIGINT, and so would every
    process of theirs.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # NNCF compiles its quantisers in C++ at their first use, for a minute and more. Without a
    # compiler it computes the same in PyTorch, fast enough for the tests' small models.
    os.environ["CXX"] = "false"
    # A layer of a microscopic model takes PyTorch less time than waking a second thread for it:
    # threads that wait for each other took ten times the processors' time that one thread takes.
    # It is read where PyTorch is loaded, here and in the processes that tests start.
    os.environ["OMP_NUM_THREADS"] = "1"
    # Left alone, structlog prints: while pytest puts another sys.stdout in the place of one that a
    # server's thread prints to, Python frees that under the thread's feet, and the process dies.
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def pytest_xdist_auto_num_workers() -> int:
    """Run one process more than there are cores: tests often wait for servers."""
    return usable_cpus() + 1


@pytest.hookimpl(tryfirst=True)  # before `-m "not slow"` looks at the marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what is slow, and begin with the files that take longest, as costs.json has it."""
    costs.arrange(items, shared=hasattr(config, "workerinput"))


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


@pytest.fixture(autouse=True)
def _settings_of_this_test() -> Iterator[None]:
    """Let what asks for the settings read this test's environment, not that of one before it."""
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> MadeOnce:
    """Make sources and bundles that all processes of this run share."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    return MadeOnce(folder / "made-once")


@pytest.fixture(scope="session", autouse=True)
def _converted_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Convert the parts of microscopic models once, where the tests of this process build any."""
    with pytest.MonkeyPatch.context() as patch:
        if assembly := sys.modules.get("modelkit.export.assembly"):
            convert_once(assembly, tmp_path_factory.mktemp("converted-once"), patch)
        yield


@pytest.fixture(scope="session")
def microscopic(made_once: MadeOnce) -> Path:
    """A whole diffusers folder of a few kilobytes; copy it before changing anything."""
    return made_once.source()


@pytest.fixture
def inputs() -> "dict[str, torch.Tensor]":
    """Three rows for the microscopic UNet."""
    import torch

    random = torch.Generator().manual_seed(0)
    return {
        "sample": torch.randn(3, 4, 8, 8, generator=random),
        "timestep": torch.tensor([3.0, 500.0, 998.0]),
        "encoder_hidden_states": torch.randn(3, 7, 16, generator=random),
    }


def knowing_int8(source: Path, target: Path) -> Path:
    """Copy a model to a folder that says how it becomes INT8, which is quick then."""
    shutil.copytree(source, target)
    profile = target / "packshot.json"
    content = json.loads(profile.read_text())
    content["build"] = {"quantisation": {"bias_correction": "fast", "samples": 8}}
    profile.write_text(json.dumps(content))
    return target
