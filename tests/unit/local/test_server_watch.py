"""A server that ended is started again, but not for ever."""

import errno
import os
import sys
import time
from pathlib import Path

import pytest

from local import server_watch
from local.errors import ProcessFailedError
from local.ports import free_port
from local.processes import Command, Process
from local.server import Server
from local.server_watch import ServerWatch


class Program(Server):
    """Runs some Python."""

    def __init__(self, folder: Path, code: str) -> None:
        self.folder, self.code = folder, code
        self.launches = 0
        self.port = free_port()

    def launch(self) -> None:
        self.launches += 1
        command = Command(
            name="program",
            argv=[sys.executable, "-c", self.code],
            environment=dict(os.environ),
            log=self.folder / "program.log",
        )
        self.process = Process(command)
        self.process.start()

    def answers(self) -> bool:
        return True


def check_until(watch: ServerWatch, condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        watch.check()
        time.sleep(0.01)


@pytest.fixture
def said() -> list[str]:
    return []


def test_a_server_that_ends_at_once_is_given_up_with_a_sentence(tmp_path, said, monkeypatch):
    monkeypatch.setattr(server_watch, "MOST_QUICK_ENDS", 2)
    server = Program(tmp_path, "print('the disk is full'); raise SystemExit(3)")
    server.launch()
    watch = ServerWatch(server, said.append)
    with pytest.raises(ProcessFailedError, match="Program has ended 3 times") as caught:
        check_until(watch, lambda: False)
    assert "the disk is full" in caught.value.detail
    assert server.launches == 3
    assert ["in 0.5 s" in said[0], "in 1 s" in said[1], len(said)] == [True, True, 2]


def test_ends_that_are_far_apart_do_not_add_up(tmp_path, said, monkeypatch):
    monkeypatch.setattr(server_watch, "MOST_QUICK_ENDS", 1)
    monkeypatch.setattr(server_watch, "QUICK_SECONDS", 0.0)
    server = Program(tmp_path, "raise SystemExit(3)")
    server.launch()
    check_until(ServerWatch(server, said.append), lambda: server.launches == 4)
    server.stop()


def test_it_keeps_its_address(tmp_path, said, monkeypatch):
    taken = True
    monkeypatch.setattr(server_watch, "is_free", lambda _: not taken)
    server = Program(tmp_path, "import time; time.sleep(60)")
    server.launch()
    port = server.port
    server.process.stop()
    watch = ServerWatch(server, said.append)
    check_until(watch, lambda: "still in use" in "".join(said))
    assert server.launches == 1
    taken = False
    check_until(watch, lambda: server.launches == 2)
    assert server.port == port
    server.stop()


def test_a_full_disk_at_its_start_is_one_of_those_ends(tmp_path, said, monkeypatch):
    server = Program(tmp_path, "import time; time.sleep(60)")
    server.launch()
    server.process.stop()
    with monkeypatch.context() as patch:
        patch.setattr(server, "launch", refuse)
        watch = ServerWatch(server, said.append)
        check_until(watch, lambda: "No space left" in "".join(said))
    check_until(watch, lambda: server.launches == 2)
    server.stop()


def refuse() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")
