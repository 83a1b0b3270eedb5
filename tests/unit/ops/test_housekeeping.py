import threading

from sqlalchemy.exc import OperationalError

from ops.housekeeping import repeat_until


class Sweeper:
    """Fails in every way first, then stops the loop."""

    def __init__(self, stopped, *errors):
        self.stopped = stopped
        self.errors = list(errors)
        self.passes = 0

    def sweep(self):
        self.passes += 1
        if self.errors:
            raise self.errors.pop(0)
        self.stopped.set()


def test_sweeping_goes_on_whatever_happens():
    stopped = threading.Event()
    away = OperationalError("select", {}, Exception("away"))
    sweeper = Sweeper(stopped, away, away, ValueError("a bug"))
    repeat_until(stopped, sweeper.sweep, 0)
    assert sweeper.passes == 4


def test_a_stopped_sweeper_makes_no_further_pass():
    stopped = threading.Event()
    stopped.set()
    sweeper = Sweeper(stopped)
    repeat_until(stopped, sweeper.sweep, 0)
    assert sweeper.passes == 0
