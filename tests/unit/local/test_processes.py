import errno
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from local.errors import ProcessFailedError
from local.processes import Command, Process


def python(tmp_path: Path, code: str, **changes) -> Process:
    command = Command(
        name="child",
        argv=[sys.executable, "-c", code],
        environment=dict(os.environ),
        log=tmp_path / "child.log",
        **changes,
    )
    return Process(command)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def eventually(condition, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not within the time"
        time.sleep(0.02)


def test_readiness_is_polled_until_it_is_true(tmp_path: Path):
    process = python(tmp_path, "import time; open('ready', 'w'); time.sleep(60)", folder=tmp_path)
    process.start()
    try:
        process.wait_until((tmp_path / "ready").exists, seconds=20)
        assert process.exit_code() is None
    finally:
        process.stop()
    assert process.exit_code() == -signal.SIGTERM


def test_an_early_end_is_reported_with_the_last_words_of_this_run(tmp_path: Path):
    (tmp_path / "child.log").write_text("from an earlier run\n")
    process = python(tmp_path, "print('no room left'); raise SystemExit(3)")
    process.start()
    with pytest.raises(ProcessFailedError) as caught:
        process.wait_until(lambda: False, seconds=20)
    sentence = str(caught.value)
    assert "child ended (exit code 3)" in sentence
    assert "no room left" in sentence
    assert str(tmp_path / "child.log") in sentence
    assert "earlier run" not in sentence
    process.stop()


def test_a_process_that_never_becomes_ready_is_reported_with_the_reason(tmp_path: Path):
    process = python(tmp_path, "import time; time.sleep(60)")

    def refuse() -> bool:
        raise ConnectionError("refused")

    process.start()
    with pytest.raises(ProcessFailedError, match=r"not ready after 0\.1 s \(refused\)"):
        process.wait_until(refuse, seconds=0.1)
    process.stop()


def test_a_missing_program_is_reported(tmp_path: Path):
    process = Process(
        Command(name="child", argv=["/nowhere/program"], environment={}, log=tmp_path / "child.log")
    )
    process.start()
    with pytest.raises(ProcessFailedError, match="/nowhere/program"):
        process.wait_until(lambda: False, seconds=20)
    process.stop()


def test_a_deaf_process_is_killed_after_its_time(tmp_path: Path):
    process = python(
        tmp_path,
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "open('deaf', 'w'); time.sleep(60)",
        folder=tmp_path,
        stop_seconds=0.2,
    )
    process.start()
    process.wait_until((tmp_path / "deaf").exists, seconds=20)
    process.stop()
    assert process.exit_code() == -signal.SIGKILL


def test_hurry_cuts_the_waiting_short(tmp_path: Path):
    process = python(
        tmp_path,
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "open('deaf', 'w'); time.sleep(60)",
        folder=tmp_path,
        stop_seconds=60,
    )
    process.start()
    process.wait_until((tmp_path / "deaf").exists, seconds=20)
    hurry = threading.Event()
    hurry.set()
    process.stop(hurry)
    assert process.exit_code() == -signal.SIGKILL


def test_grandchildren_go_with_the_child(tmp_path: Path):
    code = (
        "import pathlib, subprocess, sys, time; "
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
        "pathlib.Path('pid').write_text(str(child.pid)); time.sleep(60)"
    )
    process = python(tmp_path, code, folder=tmp_path)
    process.start()
    pid_file = tmp_path / "pid"
    process.wait_until(lambda: pid_file.exists() and bool(pid_file.read_text()), seconds=20)
    grandchild = int(pid_file.read_text())
    process.stop()
    eventually(lambda: not is_alive(grandchild))


def test_a_child_dies_with_a_killed_parent(tmp_path: Path):
    code = (
        "import os, pathlib, sys, time\n"
        "from local.processes import Command, Process\n"
        f"home = pathlib.Path({str(tmp_path)!r})\n"
        "process = Process(Command(name='child', environment={}, log=home / 'child.log',\n"
        "    argv=[sys.executable, '-c', 'import time; print(1, flush=True); time.sleep(60)']))\n"
        "process.start()\n"
        "process.wait_until(lambda: (home / 'child.log').stat().st_size > 0, seconds=20)\n"
        "print(process.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_alive(child)
        parent.kill()
    eventually(lambda: not is_alive(child))


def test_a_large_log_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("local.processes.LOG_BYTES", 10)
    (tmp_path / "child.log").write_text("much of an earlier run")
    process = python(tmp_path, "print('new')")
    process.start()
    assert process.wait(20) == 0
    process.stop()
    assert (tmp_path / "child.log").read_text() == "new\n"
    assert (tmp_path / "child.log.1").read_text() == "much of an earlier run"


def test_a_log_that_a_full_disk_has_no_room_for_twice_stays_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("local.processes.LOG_BYTES", 10)
    log, aside = tmp_path / "child.log", tmp_path / "child.log.1"
    log.write_text("much of an earlier run")
    process = python(tmp_path, "")

    def in_part(_log: Path, copy: Path) -> None:
        copy.write_text("much of")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("shutil.copyfile", in_part)
        process.rotate_log()
    assert (log.read_text(), aside.exists()) == ("much of an earlier run", False)
    process.rotate_log()
    assert (log.read_text(), aside.read_text()) == ("", "much of an earlier run")


def test_a_log_that_becomes_large_is_put_aside_while_it_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr("local.processes.LOG_BYTES", 1000)
    log, aside = tmp_path / "child.log", tmp_path / "child.log.1"
    code = """
        import sys, time
        for number in range(10_000_000):
            print(f"line {number}", flush=True)
            time.sleep(0.001)
    """
    process = python(tmp_path, textwrap.dedent(code))
    process.start()
    try:
        for _ in range(3):
            before = aside.read_text() if aside.exists() else ""
            eventually(lambda: log.stat().st_size > 1500)
            process.rotate_log()
            eventually(lambda: log.stat().st_size > 0)
            # It goes on at the beginning of the file: no hole, and nothing of before.
            assert not log.read_bytes().startswith(b"\0")
            assert log.stat().st_size < 1500
            assert aside.read_text() != before
    finally:
        process.stop()
    assert "line " in process.last_words()
