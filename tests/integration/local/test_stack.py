import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import redis

from local.errors import AlreadyRunningError, ProcessFailedError
from local.lock import running
from local.service import Restart, Service
from local.stack import Stack
from tests.support.small_disk import small_disk

# What `packshot up` does, with a worker that leaves its settings and process id behind.
SCRIPT = """
import sys
from pathlib import Path
from local.errors import StackError
from local.service import Service
from local.stack import Stack

code = '''
import os, pathlib, time
home = pathlib.Path(os.environ["PACKSHOT_HOME"])
(home / "worker").write_text(str(os.getpid()))
time.sleep(600)
'''

def services(environment):
    worker = Path(environment["PACKSHOT_HOME"]) / "worker"
    worker.unlink(missing_ok=True)
    return [Service(name="worker", argv=[sys.executable, "-c", code], ready=worker.exists)]

try:
    with Stack(Path(sys.argv[1]), services, urls={"API": "http://127.0.0.1:8000"}) as stack:
        print(*stack.processes().values(), flush=True)
        stack.wait()
except KeyboardInterrupt:
    print("stopped", flush=True)
except StackError as error:
    print(error, flush=True)
    sys.exit(1)
"""


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def eventually(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not within the time"
        time.sleep(0.05)


def processes_in(home: Path) -> list[int]:
    """Return every process that was started with this home's folder in its settings or words."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                text = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
            except OSError:
                continue
            if str(home).encode() in text and is_alive(int(folder.name)):
                found.append(int(folder.name))
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, copy_postgres: Callable[[Path], None]) -> Path:
    home = tmp_path_factory.mktemp("home")
    copy_postgres(home / "postgres")
    return home


@contextmanager
def supervisor(home: Path) -> Iterator[subprocess.Popen[str]]:
    """Run SCRIPT until its stack is up; `pids` of all that it started are on its first line."""
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(home)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_nothing_outlives_a_killed_supervisor_and_the_data_do(home: Path):
    with supervisor(home) as first:
        pids = [int(word) for word in first_line(first).split()]
        assert len(pids) == 4
        assert all(is_alive(pid) for pid in pids)
        first.kill()
        # At once, while the killed one's Postgres may still be writing its checkpoint.
        with supervisor(home) as second:
            assert len(first_line(second).split()) == 4
            assert not any(is_alive(pid) for pid in pids)
            second.kill()
    eventually(lambda: not processes_in(home))
    assert running(home) is None


def test_a_second_stack_on_the_same_data_says_so(home: Path):
    with supervisor(home) as first:
        first_line(first)
        with supervisor(home) as second:
            second_says = second.communicate(timeout=60)[0]
            assert second.returncode == 1
        assert f"already runs on {home} (process {first.pid})" in second_says
        assert "http://127.0.0.1:8000" in second_says
        assert "PACKSHOT_HOME" in second_says
        assert first.poll() is None

        record = running(home)
        assert record is not None
        assert record["pid"] == first.pid
        assert record["environment"]["PACKSHOT_S3_BUCKET"] == "packshot"
        assert stat.S_IMODE((home / "stack.json").stat().st_mode) == 0o600

        first.send_signal(signal.SIGTERM)
        assert first.communicate(timeout=60)[0].strip() == "stopped"
    assert processes_in(home) == []
    assert running(home) is None
    assert not (home / "stack.json").exists()


def test_a_signal_while_it_starts_stops_what_was_started(home: Path):
    with supervisor(home) as process:
        eventually(lambda: len(processes_in(home)) > 1)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
    assert processes_in(home) == []


def test_a_recycled_worker_comes_back_and_a_dead_service_is_named(home: Path):
    said: list[str] = []
    settings = {"PACKSHOT_BUNDLE": "/bundles/starter"}
    code = "import os; print(os.environ['PACKSHOT_BUNDLE'], os.environ['PACKSHOT_BROKER_URL'])"

    def services(environment: dict[str, str]) -> list[Service]:
        return [Service(name="worker", argv=[sys.executable, "-c", code])]

    with Stack(home, services, settings=settings, say=said.append) as stack:
        with psycopg.connect(
            stack.environment["PACKSHOT_DATABASE_URL"].replace("+psycopg", "")
        ) as connection:
            assert connection.execute("SHOW fsync").fetchone() == ("on",)

        def worker_was_back() -> bool:
            stack.check()
            return len(said) == 2

        eventually(worker_was_back)
        assert "/bundles/starter redis://" in (home / "logs" / "worker.log").read_text()

    assert processes_in(home) == []


def test_a_server_that_died_comes_back_with_its_data_at_its_address(home: Path):
    said: list[str] = []
    with Stack(home, say=said.append) as stack:
        url = stack.environment["PACKSHOT_DATABASE_URL"].replace("+psycopg", "")
        broker = stack.environment["PACKSHOT_BROKER_URL"]
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
        redis.Redis.from_url(broker).set("kept", "1")
        before = stack.processes()
        for name in before:
            os.kill(before[name], signal.SIGKILL)

        def all_are_back() -> bool:
            stack.check()
            if set(before.values()) & set(stack.processes().values()):
                return False
            try:
                with psycopg.connect(url, connect_timeout=2) as connection:
                    found = connection.execute("SELECT number FROM kept").fetchone()
                return found == (1,) and redis.Redis.from_url(broker).get("kept") == b"1"
            except (psycopg.Error, redis.RedisError):
                return False

        eventually(all_are_back, seconds=180)
    assert any("valkey ended (signal SIGKILL)" in line for line in said)
    assert processes_in(home) == []


def test_servers_that_a_full_disk_ended_come_back_when_there_is_room(
    tmp_path: Path, copy_postgres: Callable[[Path], None]
):
    said: list[str] = []
    with small_disk(tmp_path) as disk:
        copy_postgres(tmp_path / "home" / "postgres")
        with Stack(tmp_path / "home", say=said.append) as stack:
            url = stack.environment["PACKSHOT_DATABASE_URL"].replace("+psycopg", "")
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
            before = stack.processes()["postgres"]
            with disk.full():
                with (
                    psycopg.connect(url) as connection,
                    pytest.raises(psycopg.OperationalError, match="No space left on device"),
                ):
                    connection.execute(
                        "CREATE TABLE large AS SELECT repeat('x', 1000) FROM generate_series(1,1e5)"
                    )
                os.kill(before, signal.SIGKILL)

                def has_ended() -> bool:
                    stack.check()
                    return len(said) > 0

                eventually(has_ended)

            def is_back() -> bool:
                stack.check()
                try:
                    with psycopg.connect(url, connect_timeout=2) as connection:
                        return connection.execute("SELECT number FROM kept").fetchone() == (1,)
                except psycopg.Error:
                    return False

            eventually(is_back, seconds=180)
        assert processes_in(tmp_path / "home") == []


def test_a_failed_start_leaves_nothing(home: Path):
    def services(environment: dict[str, str]) -> list[Service]:
        return [
            Service(
                name="migrate",
                argv=[sys.executable, "-c", "raise SystemExit('no')"],
                restart=Restart.ONCE,
            )
        ]

    with pytest.raises(ProcessFailedError, match="migrate ended"), Stack(home, services):
        pytest.fail("it started")  # pragma: no cover
    assert processes_in(home) == []
    assert running(home) is None


def test_a_number_that_another_process_has_now_does_no_harm(home: Path):
    """After a power cut the file names a process that is gone; here it is this one."""
    (home / "postgres" / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n")
    with Stack(home) as stack:
        assert "postgres" in stack.processes()


def test_a_signal_that_was_ignored_stays_ignored(home: Path):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with Stack(home):
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_stack_refuses_in_the_same_process_too(home: Path):
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with Stack(home) as stack:
        with pytest.raises(AlreadyRunningError, match=f"process {os.getpid()}"):
            Stack(home).start()
        assert json.loads((home / "stack.json").read_text())["pid"] == os.getpid()
        assert len(stack.processes()) == 3
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
