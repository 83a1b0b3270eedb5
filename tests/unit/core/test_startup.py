import signal
import subprocess
import sys

import pytest
from structlog.testing import capture_logs

from core import startup
from core.errors import BundleError, ServiceDownError
from core.settings import Settings
from core.startup import (
    EXIT_UNUSABLE,
    run_or_explain,
    wait_for_services,
)


@pytest.fixture
def settings():
    return Settings(_env_file=None, connect_timeout=0.05)


@pytest.fixture(autouse=True)
def quick_and_silent(monkeypatch):
    monkeypatch.setattr(startup, "PAUSE_SECONDS", 0.001)
    # pytest's own handlers stay as they are.
    monkeypatch.setattr(startup.logs, "configure", lambda *_: None)


def starting(answers_needed):
    """A service that answers from the n-th question on."""
    asked = []

    def check():
        asked.append(1)
        if len(asked) < answers_needed:
            raise ServiceDownError("Postgres at db:5432 does not answer.")

    return check


def test_a_service_that_is_starting_is_waited_for(settings):
    wait_for_services([starting(1), starting(5)], settings)


def test_a_service_that_stays_away_is_named(settings):
    with pytest.raises(ServiceDownError, match="Postgres at db:5432"):
        wait_for_services([starting(1), starting(10**9)], settings)


@pytest.mark.parametrize("error", [ServiceDownError("S3 is away."), BundleError("No bundle.")])
def test_the_reason_is_one_sentence(error, capsys):
    def program(_):
        raise error

    assert run_or_explain(program) == EXIT_UNUSABLE
    assert capsys.readouterr().err.strip() == error.detail


def test_a_wrong_setting_is_explained(monkeypatch, capsys):
    monkeypatch.setenv("PACKSHOT_ROW_LIMIT", "none")
    assert run_or_explain(lambda _: 0) == EXIT_UNUSABLE
    assert "PACKSHOT_ROW_LIMIT" in capsys.readouterr().err


def test_the_programs_own_exit_code_is_kept():
    assert run_or_explain(lambda _: 7) == 7


def test_a_misspelt_variable_is_named_before_the_program_runs(monkeypatch):
    monkeypatch.setenv("PACKSHOT_LEASE_SECOND", "5")
    with capture_logs() as said:
        assert run_or_explain(lambda _: 7) == 7
    (line,) = (one for one in said if "PACKSHOT_LEASE_SECOND " in one["event"])
    assert line["log_level"] == "warning"
    assert line["event"].endswith("did you mean PACKSHOT_LEASE_SECONDS?")


@pytest.mark.parametrize(
    ("number", "code"), [("1", startup.EXIT_TERMINATED), ("2", -signal.SIGTERM)]
)
def test_the_first_process_of_a_container_ends_at_sigterm_before_it_is_up(number, code):
    # A real process 1 needs a namespace of its own, which CI may not make. Any other one ends by
    # the default action, so the code shows who ended it.
    program = f"""
import os, time
from core import startup

os.getpid = lambda: {number}
startup.run_or_explain(lambda _: print("up", flush=True) or time.sleep(600))
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"up\n"
        process.terminate()
        assert process.wait() == code
