"""How far work is, where there is no terminal: a line now and then, with the time that is left."""

from types import SimpleNamespace

import pytest

from cli import progress as module
from cli.progress import ShownStages


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock))
    return clock


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]):
    def lines() -> list[str]:
        """Give what was said since the last time."""
        return capsys.readouterr().err.splitlines()

    return lines


def test_what_is_left_is_what_the_pieces_so_far_took(clock, lines):
    with ShownStages() as stages:
        stages.stage("draw pictures", 10)
        clock.seconds += 40
        stages.advance(2)
        assert lines() == ["draw pictures …", "draw pictures: 2 of 10, about 160 s left"]
        clock.seconds += 60
        stages.advance(6)
        assert lines() == ["draw pictures: 8 of 10, about 25 s left"]


def test_lines_come_now_and_then_however_many_pieces_there_are(clock, lines):
    with ShownStages() as stages:
        stages.stage("calibrate", 100)
        for _ in range(100):
            clock.seconds += ShownStages.line_seconds / 10
            stages.advance()
    said = lines()[1:]
    assert len(said) == 10
    assert said[0] == "calibrate: 10 of 100, about 270 s left"
    assert said[-1] == "calibrate: 100 of 100, about 0 s left"


def test_each_stage_begins_its_own_account(clock, lines):
    with ShownStages() as stages:
        stages.stage("slow", 2)
        clock.seconds += 1000
        stages.advance()
        stages.stage("quick", 4)
        clock.seconds += ShownStages.line_seconds
        stages.advance()
    assert lines() == [
        "slow …", "slow: 1 of 2, about 1000 s left", "quick …", "quick: 1 of 4, about 90 s left",
    ]  # fmt: skip


def test_a_stage_that_takes_more_pieces_than_announced_has_nothing_left(clock, lines):
    with ShownStages() as stages:
        stages.stage("search", 2)
        clock.seconds += ShownStages.line_seconds
        stages.advance(3)
    assert lines()[-1] == "search: 3 of 2, about 0 s left"


def test_nothing_is_foretold_of_a_stage_without_a_total(clock, lines):
    with ShownStages() as stages:
        stages.stage("download", None)
        clock.seconds += ShownStages.line_seconds
        stages.advance(5)
    assert lines() == ["download …", "download: 5"]
