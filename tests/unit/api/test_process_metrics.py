"""What the API's processes counted, of those too that have ended."""

import os
import subprocess
import sys
from pathlib import Path

HOLD = """
from api.process.metrics import process_metrics
from prometheus_client import generate_latest, Counter, Gauge
Gauge("held", "h", multiprocess_mode="livesum").set(5)
Counter("counted", "c").inc(3)
print(generate_latest(process_metrics()).decode())
"""


def hold(folder: Path) -> list[str]:
    """Hold and count something in a process; return what all together have then."""
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", HOLD],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_what_an_ended_process_held_is_not_held_any_more(tmp_path):
    assert "held 5.0" in hold(tmp_path)
    assert "held 5.0" in hold(tmp_path), "and not 10"


def test_what_an_ended_process_counted_stays_counted(tmp_path):
    assert "counted_total 3.0" in hold(tmp_path)
    assert "counted_total 6.0" in hold(tmp_path)
