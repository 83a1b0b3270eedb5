"""The training loop: it learns, it stops, it goes on where it was."""

import json
import signal

import pytest
import torch
from torch import nn

from core.errors import BundleError
from modelkit.training.course import Course
from modelkit.training.fit import fit
from modelkit.training.recipe import TrainingRecipe


def recipe(**changes) -> TrainingRecipe:
    values = {"steps": 60, "batch": 8, "learning_rate": 0.2, "average_decay": 0.5}
    return TrainingRecipe(**values | changes)


def course(folder, *, steps=60, resume=False) -> Course:
    return Course("line", folder / "checkpoint.pt", steps=steps, resume=resume)


def problem(module: nn.Module):
    """The loss of a line that should be y = 3x."""

    def loss(number: int) -> torch.Tensor:
        x = torch.randn(8, 1, generator=torch.Generator().manual_seed(number))
        return (module(x) - 3 * x).square().mean()

    return loss


def line() -> nn.Module:
    module = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(module.weight)
    return module


def test_the_average_of_the_weights_learns(tmp_path):
    module = line()
    fit(module, problem(module), course(tmp_path), recipe()).copy_to(module)
    assert float(module.weight.detach()) == pytest.approx(3, abs=0.2)


def test_an_interrupted_training_ends_where_an_uninterrupted_one_does(tmp_path):
    (tmp_path / "whole").mkdir()
    whole, halves = line(), line()
    fit(whole, problem(whole), course(tmp_path / "whole"), recipe())

    plain = problem(halves)

    def interrupted(number: int) -> torch.Tensor:
        if number == 20:
            signal.raise_signal(signal.SIGINT)
        return plain(number)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fit(halves, interrupted, course(tmp_path), recipe())
    assert signal.getsignal(signal.SIGINT) is before
    fresh = line()
    rest = course(tmp_path, resume=True)
    assert rest.step == 21
    fit(fresh, problem(fresh), rest, recipe())
    assert float(fresh.weight.detach()) == pytest.approx(float(whole.weight.detach()), abs=1e-6)


def test_accumulated_batches_are_one_step(tmp_path):
    (tmp_path / "one").mkdir()
    one, two = line(), line()
    data = torch.randn(16, 1, generator=torch.Generator().manual_seed(1))

    def half(number: int) -> torch.Tensor:
        x = data[8 * (number % 2) :][:8]
        return (two(x) - 3 * x).square().mean()

    fit(one, lambda _: (one(data) - 3 * data).square().mean(),
        course(tmp_path / "one", steps=3), recipe(steps=3))  # fmt: skip
    fit(two, half, course(tmp_path, steps=3), recipe(steps=3, accumulate=2))
    assert torch.allclose(one.weight, two.weight, atol=1e-6)


def test_frozen_parameters_stay(tmp_path):
    module = nn.Sequential(line(), line())
    nn.init.ones_(module[0].weight).requires_grad_(False)
    fit(module, problem(module), course(tmp_path), recipe())
    assert module[0].weight.item() == 1


def test_the_log_has_the_loss(tmp_path):
    module = line()
    fit(module, problem(module), course(tmp_path), recipe())
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 10, 20, 30, 40, 50]
    assert lines[-1]["loss"] < lines[0]["loss"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": None}, "either minutes or steps"),
        ({"minutes": 1.0}, "either minutes or steps"),
        ({"steps": 0}, "steps must be above 0"),
        ({"batch": 0}, "batch must be above 0"),
        ({"learning_rate": -1.0}, "learning rate must be above 0"),
        ({"average_decay": 1.0}, "from 0 to below 1"),
    ],
)
def test_numbers_that_make_no_training(changes, message):
    with pytest.raises(BundleError, match=message):
        recipe(**changes)
