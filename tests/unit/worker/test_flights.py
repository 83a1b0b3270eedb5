"""What several threads want at the same moment is done by one of them."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from worker.scenes.flights import Flights


class OwnError(Exception):
    """Concerns the one who did the work."""


def nothing() -> None:
    """Raise nothing: the work is wanted."""


class Waiters:
    """Lets a test know how many callers came before the work may end."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.came = threading.Semaphore(0)

    def check(self) -> None:
        self.came.release()

    def wait(self) -> None:
        for _ in range(self.number):
            assert self.came.acquire(timeout=60)


def test_everybody_gets_what_one_of_them_made():
    flights, waiters, made = Flights[object](), Waiters(3), []

    def work() -> object:
        waiters.wait()
        made.append(object())
        return made[0]

    with ThreadPoolExecutor(3) as threads:
        runs = [threads.submit(flights.run, "key", work, check=waiters.check) for _ in range(3)]
        results = [one.result(60) for one in runs]
    # Whoever had come to the door, and not yet in, makes another; the others share.
    assert {id(value) for value, _ in results} <= {id(one) for one in made}
    assert sum(is_mine for _, is_mine in results) == len(made)


def test_it_is_forgotten_when_it_is_done():
    flights = Flights[int]()
    numbers = iter(range(5))
    assert flights.run("key", lambda: next(numbers), check=nothing) == (0, True)
    assert flights.run("key", lambda: next(numbers), check=nothing) == (1, True)
    with pytest.raises(ZeroDivisionError):
        flights.run("key", lambda: 1 // 0, check=nothing)
    assert flights.run("key", lambda: next(numbers), check=nothing) == (2, True)


@pytest.mark.parametrize(("error", "is_shared"), [(OwnError(), False), (ValueError(), True)])
def test_errors_are_everybodys_but_those_of_one_alone(error: Exception, is_shared: bool):
    flights = Flights[str](own=(OwnError,))
    inside, gate = threading.Event(), threading.Event()

    def fail() -> str:
        inside.set()
        assert gate.wait(60)
        raise error

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(flights.run, "key", fail, check=nothing)
        assert inside.wait(60)
        second = threads.submit(flights.run, "key", lambda: "made anew", check=gate.set)
        with pytest.raises(type(error)):
            first.result(60)
        if is_shared and isinstance(second.exception(60), ValueError):
            return
        assert second.result(60) == ("made anew", True)


def test_who_has_no_use_for_it_any_more_is_not_kept_waiting():
    def unwanted() -> None:
        raise OwnError

    with pytest.raises(OwnError):
        Flights[str]().run("key", lambda: "made", check=unwanted)
