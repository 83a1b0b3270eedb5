import pytest
import torch
from torch import nn

from modelkit.training.course import Average, Course, decayed
from starter.scenes.team import ALONE, Team, run_team


def test_the_learning_rate_warms_up_and_ends_at_its_floor():
    rates = [decayed(step / 100, peak=1e-3, floor=0.03) for step in range(101)]
    assert max(rates) == pytest.approx(1e-3)
    assert rates[0] < 1e-4
    assert rates[1:] == sorted(rates[1:], reverse=True)
    assert rates[-1] == pytest.approx(3e-5)


def test_a_course_ends_with_its_minutes(tmp_path):
    shares = list(Course("x", tmp_path / "x.pt", minutes=0.001, resume=False))
    assert shares[0] == 0
    assert shares == sorted(shares)
    assert shares[-1] < 1


def test_only_what_its_clock_counts_is_spent(tmp_path):
    seconds = iter([0.0, 0.0, 5.0, 6.0, 7.0, 70.0])
    course = Course("x", tmp_path / "x.pt", minutes=1, resume=False, clock=lambda: next(seconds))
    assert list(course) == [0, 0, pytest.approx(1 / 60)]
    assert (course.step, course.spent) == (3, 64)


def test_a_course_goes_on_where_it_was_saved(tmp_path):
    course = Course("x", tmp_path / "x.pt", minutes=0.0005, resume=False)
    for _ in course:
        pass
    course.save(model={"weight": torch.ones(1)})
    again = Course("x", tmp_path / "x.pt", minutes=0.001, resume=True)
    assert (again.step, again.spent) == (course.step, course.spent)
    assert next(iter(again)) == pytest.approx(course.spent / 0.06)
    assert again.restored is not None
    assert again.restored["model"]["weight"] == 1
    assert Course("x", tmp_path / "x.pt", minutes=1, resume=False).step == 0
    assert [path.name for path in tmp_path.iterdir()] == ["x.pt"]


def test_a_course_of_steps_ends_with_them_and_goes_on_with_the_rest(tmp_path):
    course = Course("x", tmp_path / "x.pt", steps=4, resume=False)
    assert list(course) == [0, 0.25, 0.5, 0.75]
    course.step = 3
    course.save()
    assert list(Course("x", tmp_path / "x.pt", steps=5, resume=True)) == [0.6, 0.8]


def test_a_budget_is_either_minutes_or_steps(tmp_path):
    for given in ({}, {"minutes": 1, "steps": 1}):
        with pytest.raises(ValueError, match="minutes or in steps"):
            Course("x", tmp_path / "x.pt", resume=False, **given)


class Told:
    """A `Progress` that remembers."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int | None]] = []
        self.done = 0

    def stage(self, name: str, total: int | None) -> None:
        self.stages.append((name, total))

    def advance(self, n: int = 1) -> None:
        self.done += n


def test_progress_counts_what_an_earlier_run_did(tmp_path):
    course = Course("x", tmp_path / "x.pt", steps=2, resume=False)
    list(course)
    course.save()
    told = Told()
    list(Course("train x", tmp_path / "x.pt", steps=6, resume=True, say=told))
    assert (told.stages, told.done) == ([("train x", 6)], 6)


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_the_training(tmp_path, loss):
    course = Course("x", tmp_path / "x.pt", minutes=1, resume=False)
    with pytest.raises(FloatingPointError, match="x: the loss is"):
        course.record(torch.tensor(loss))


def test_the_average_follows_and_comes_back():
    module = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(module.weight)
    average = Average(module, 0.5)
    nn.init.ones_(module.weight)
    for _ in range(20):
        average.update(module)
    other, restored = nn.Linear(1, 1, bias=False), Average(module, 0.5)
    restored.load_state_dict(average.state_dict())
    restored.copy_to(other)
    assert float(other.weight.detach()) == pytest.approx(1, abs=1e-4)


def test_what_cannot_be_averaged_is_left_alone():
    module = nn.Linear(1, 1, bias=False)
    module.bits = nn.Parameter(torch.tensor([8]), requires_grad=False)
    average = Average(module, 0.5)
    nn.init.ones_(module.weight)
    average.update(module)
    average.copy_to(module)
    assert module.bits.tolist() == [8]


def work(team: Team, folder) -> None:
    module = nn.Linear(2, 1, bias=False)
    module.weight.grad = torch.full((1, 2), float(team.rank))
    number = team.average(module, 10.0 * team.rank)
    (folder / f"{team.rank}").write_text(f"{module.weight.grad.tolist()} {number}")


def test_who_trains_alone_keeps_its_gradients():
    module = nn.Linear(2, 1)
    assert ALONE.average(module, 0.5) == 0.5
    assert ALONE.leads


def test_a_team_agrees_on_gradients_and_clock(tmp_path):
    run_team(2, tmp_path, work, tmp_path)
    assert (tmp_path / "0").read_text() == (tmp_path / "1").read_text() == "[[0.5, 0.5]] 5.0"
