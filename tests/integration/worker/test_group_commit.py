"""Threads share transactions, and nobody pays for another's mistake."""

import threading
from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from tests.integration.shop import poll
from worker.group_commit import LOCKED, GroupCommit

pytestmark = pytest.mark.own_database

THREADS = 20


class Work:
    """Writes numbers into a table; the first transaction waits until it is let go."""

    def __init__(self, database):
        self.groups = []
        self.gate = threading.Event()
        self.commits = GroupCommit(database, self)

    def __call__(self, session, numbers):
        self.groups.append(list(numbers))
        if len(self.groups) == 1:
            self.gate.wait(60)
        session.execute(text("insert into number values (:n)"), [{"n": n} for n in numbers])
        if 13 in numbers:
            raise ValueError("unlucky")
        return [10 * number for number in numbers]

    def run_together(self, numbers):
        """Hold the first, let the others gather behind it; give the futures in their order."""
        with ThreadPoolExecutor(THREADS) as pool:
            first = pool.submit(self.commits.run, numbers[0])
            poll(lambda: self.groups)
            others = [pool.submit(self.commits.run, number) for number in numbers[1:]]
            poll(lambda: len(self.commits._waiting) == len(others))
            self.gate.set()
        return [first, *others]


@pytest.fixture
def stored(database):
    with database.session() as session:
        session.execute(text("create table number (n integer)"))

    def stored():
        with database.session() as session:
            return sorted(session.execute(text("select n from number")).scalars())

    return stored


@pytest.fixture
def work(database):
    return Work(database)


def test_what_arrives_during_a_transaction_shares_the_next(work, stored):
    futures = work.run_together(range(12))
    assert [future.result() for future in futures] == [10 * number for number in range(12)]
    assert stored() == list(range(12))
    assert [len(group) for group in work.groups] == [1, 11]


def test_one_that_breaks_the_transaction_fails_alone(work, stored):
    futures = work.run_together(range(15))
    with pytest.raises(ValueError, match="unlucky"):
        futures.pop(13).result()
    assert [future.result() for future in futures] == [n * 10 for n in range(15) if n != 13]
    assert stored() == [number for number in range(15) if number != 13]


def test_when_postgres_is_away_all_hear_it_at_once(database):
    calls = []

    def away(_, numbers):
        calls.append(numbers)
        if len(calls) == 1:
            gate.wait(60)
            return numbers
        raise OperationalError("insert", {}, Exception("the server closed the connection"))

    gate = threading.Event()
    commits = GroupCommit(database, away)
    with ThreadPoolExecutor(THREADS) as pool:
        first = pool.submit(commits.run, 0)
        poll(lambda: calls)
        others = [pool.submit(commits.run, number) for number in range(1, 6)]
        poll(lambda: len(commits._waiting) == len(others))
        gate.set()
    assert first.result() == 0
    for future in others:
        with pytest.raises(OperationalError):
            future.result()
    assert len(calls) == 2, "nobody tries alone what cannot work"


def test_closing_waits_for_what_is_being_committed_and_lets_no_other_begin(database):
    done = []

    def work(_session, numbers):
        gate.wait(60)
        done.extend(numbers)
        return numbers

    gate = threading.Event()
    commits = GroupCommit(database, work)

    def run(number):
        threading.Thread(target=commits.run, args=(number,), daemon=True).start()

    run(0)
    poll(commits._committing.locked)
    with ThreadPoolExecutor(1) as pool:
        closed = pool.submit(commits.close)
        assert not wait([closed], timeout=0.05).done
        gate.set()
        closed.result()
    assert done == [0]
    run(1)
    poll(lambda: len(commits._waiting) == 1)
    assert done == [0]


def test_what_is_locked_waits_and_nobody_with_it(database):
    locked, asked = {13}, []

    def work(_session, numbers):
        asked.extend(numbers)
        return [LOCKED if number in locked else 10 * number for number in numbers]

    commits = GroupCommit(database, work)
    with ThreadPoolExecutor(1) as pool:
        unlucky = pool.submit(commits.run, 13)
        poll(lambda: asked.count(13) > 2)
        assert [commits.run(number) for number in range(5)] == [0, 10, 20, 30, 40]
        assert not unlucky.done()
        locked.clear()
        assert unlucky.result() == 130
