import os
import sys
import time
from pathlib import Path

import pytest

from local.errors import ProcessFailedError
from local.service import Restart, Service
from local.supervisor import Supervisor


def service(name: str, code: str, **changes) -> Service:
    return Service(name=name, argv=[sys.executable, "-c", code], **changes)


class Run:
    """A supervisor on services, with what it said."""

    def __init__(self, folder: Path, *services: Service) -> None:
        self.said: list[str] = []
        self.supervisor = Supervisor(
            services,
            environment={"FOLDER": str(folder)},
            logs=folder / "logs",
            say=self.said.append,
        )

    def __enter__(self) -> Supervisor:
        return self.supervisor

    def __exit__(self, *_: object) -> None:
        self.supervisor.stop()


def check_until(supervisor: Supervisor, condition) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "not within the time"
        supervisor.check()
        time.sleep(0.02)


SLEEP = "import time; time.sleep(60)"
APPEND = "import os; open(os.environ['FOLDER'] + '/order', 'a').write('{}\\n')"


def test_services_start_in_order_and_a_migration_ends_before_the_next(tmp_path: Path):
    late = "import time; time.sleep(0.3); " + APPEND.format("migrate")
    with Run(
        tmp_path,
        service("migrate", late, restart=Restart.ONCE),
        service("worker", APPEND.format("worker") + "; " + SLEEP),
    ) as supervisor:
        supervisor.start()
        order = tmp_path / "order"
        check_until(supervisor, lambda: order.read_text() == "migrate\nworker\n")
        assert list(supervisor.processes()) == ["worker"]


def test_a_failed_migration_stops_the_start(tmp_path: Path):
    with Run(
        tmp_path,
        service("migrate", "raise SystemExit('no such table')", restart=Restart.ONCE),
        service("worker", SLEEP),
    ) as supervisor:
        with pytest.raises(ProcessFailedError, match=r"(?s)migrate ended.*no such table"):
            supervisor.start()
        assert supervisor.processes() == {}


def test_a_service_is_waited_for_until_it_is_ready(tmp_path: Path):
    ready = tmp_path / "order"
    with Run(
        tmp_path,
        service("api", APPEND.format("api") + "; " + SLEEP, ready=ready.exists),
    ) as supervisor:
        supervisor.start()
        assert ready.exists()


def test_a_worker_that_ends_is_brought_back(tmp_path: Path):
    run = Run(tmp_path, service("worker", APPEND.format("run")))
    with run as supervisor:
        supervisor.start()
        order = tmp_path / "order"
        check_until(supervisor, lambda: order.exists() and order.read_text() == "run\nrun\n")
    assert run.said[0].startswith("worker ended (exit code 0); starting it again")


def test_a_worker_that_keeps_ending_at_once_is_started_ever_later(tmp_path: Path):
    run = Run(tmp_path, service("worker", "raise SystemExit(1)"))
    with run as supervisor:
        supervisor.start()
        check_until(supervisor, lambda: len(run.said) == 2)
    assert run.said[0].endswith("in 0.5 s")
    assert run.said[1].endswith("in 1 s")


def test_the_end_of_an_essential_service_is_an_error(tmp_path: Path):
    with Run(tmp_path, service("api", "print('bye')", restart=Restart.NEVER)) as supervisor:
        supervisor.start()
        with pytest.raises(ProcessFailedError, match=r"(?s)api ended \(exit code 0\).*bye"):
            check_until(supervisor, lambda: False)


def test_services_stop_in_reverse_order(tmp_path: Path):
    code = (
        "import os, signal, sys, time\n"
        "def end(*_):\n"
        "    open(os.environ['FOLDER'] + '/order', 'a').write(sys.argv[0] + '{name}\\n')\n"
        "    os._exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "open(os.environ['FOLDER'] + '/{name}', 'w')\n"
        "time.sleep(60)\n"
    )
    names = ("api", "worker", "flower")
    services = [
        service(name, code.replace("{name}", name), ready=(tmp_path / name).exists)
        for name in names
    ]
    with Run(tmp_path, *services) as supervisor:
        supervisor.start()
    order = (tmp_path / "order").read_text().replace("-c", "").split()
    assert order == ["flower", "worker", "api"]


def test_services_get_the_settings_and_their_own_variables(tmp_path: Path):
    code = "import os; open(os.environ['FOLDER'] + '/port', 'w').write(os.environ['PORT'])"
    with Run(
        tmp_path, service("api", code, restart=Restart.ONCE, environment={"PORT": "8000"})
    ) as supervisor:
        supervisor.start()
    assert (tmp_path / "port").read_text() == "8000"
    assert "FOLDER" not in os.environ


NICE = "import os; open(os.environ['FOLDER'] + '/nice', 'w').write(str(os.nice(0)))"


def test_a_service_lets_others_go_first_as_far_as_it_is_told(tmp_path: Path):
    read_group = "; import shutil; shutil.copy('/proc/self/autogroup', os.environ['FOLDER'])"
    code = NICE + (read_group if Path("/proc/self/autogroup").exists() else "")
    nice = service("nice", code, restart=Restart.ONCE, niceness=7)
    with Run(tmp_path, nice) as supervisor:
        supervisor.start()
    assert (tmp_path / "nice").read_text() == str(min(19, os.nice(0) + 7))
    if (tmp_path / "autogroup").exists():
        assert (tmp_path / "autogroup").read_text().split()[-2:] == ["nice", "7"]
