"""Passes to Flower: what lets in, for how long, and what does not."""

from datetime import datetime, timedelta

import pytest

from core import flower_pass
from core.flower_pass import LIFETIMES, Kind, is_valid, make_pass

LOGIN = "watcher:a password"


class Later(datetime):
    by = timedelta()

    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) + cls.by


@pytest.fixture
def wait(monkeypatch):
    monkeypatch.setattr(flower_pass, "datetime", Later)

    def wait(by: timedelta) -> None:
        monkeypatch.setattr(Later, "by", by)

    return wait


@pytest.mark.parametrize("kind", Kind)
def test_a_pass_lets_in_until_it_ends(kind, wait):
    text = make_pass(kind, LOGIN)
    wait(LIFETIMES[kind] - timedelta(seconds=5))
    assert is_valid(text, kind, LOGIN)
    wait(LIFETIMES[kind] + timedelta(seconds=5))
    assert not is_valid(text, kind, LOGIN)


@pytest.mark.parametrize("kind", Kind)
def test_a_pass_is_for_one_thing_and_of_one_login(kind):
    text = make_pass(kind, LOGIN)
    assert not is_valid(text, kind, "watcher:another")
    assert not any(is_valid(text, other, LOGIN) for other in Kind if other is not kind)


def test_its_end_cannot_be_moved():
    end, _, code = make_pass(Kind.TICKET, LOGIN).partition(".")
    later = int(end) + 3600
    for text in (f"{later}.{code}", f"{end}", f"{end}.", f".{code}", "", ".", f" {end}.{code}"):
        assert not is_valid(text, Kind.TICKET, LOGIN)


@pytest.mark.parametrize("end", ["\u0663" * 10, "-1", "1e9", "9" * 5000, "nan", "\ud800"])
def test_what_is_no_pass_is_refused_and_raises_nothing(end):
    assert not is_valid(f"{end}.é", Kind.VISIT, LOGIN)
