import time
from contextlib import suppress
from pathlib import Path

import pytest

from ops.heartbeat import Heartbeat


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "health"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, as a list of one."""
    now = [1000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    return now


def test_the_file_is_as_old_as_the_work_that_stands_still(file: Path, clock: list[float]):
    heartbeat = Heartbeat(str(file))
    first, second = (heartbeat.watch(lambda: None) for _ in range(2))
    assert file.stat().st_mtime == 1000
    clock[0] = 1010
    first()
    assert file.stat().st_mtime == 1000
    clock[0] = 1020
    second()
    assert file.stat().st_mtime == 1010


def test_a_pass_that_fails_is_a_pass(file: Path, clock: list[float]):
    def fail() -> None:
        raise OSError

    work = Heartbeat(str(file)).watch(fail)
    clock[0] = 1010
    with suppress(OSError):
        work()
    assert file.stat().st_mtime == 1010


def test_without_a_file_the_work_is_done_all_the_same():
    done: list[int] = []
    Heartbeat("").watch(lambda: done.append(1))()
    assert done == [1]
