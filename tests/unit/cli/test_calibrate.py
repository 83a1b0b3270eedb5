"""`packshot cache calibrate`: the table of its kinds of pairs."""

from rich.console import Console

from cli.commands.calibrate import _relations
from modelkit.evaluation.calibration import MeasuredPair, Pair


def measured(relation: str, step: int, *, good: bool, psnr: float) -> MeasuredPair:
    return MeasuredPair(
        pair=Pair(relation=relation, target="a red mug", source="a blue mug"),
        similarity=0.9 if relation == "near" else 0.2,
        step=step,
        psnr=psnr,
        ssim=0.9,
        good=good,
        good_in_full=True,
    )


def test_kinds_of_pairs_of_which_too_many_images_went_wrong_are_marked():
    rows = [
        measured(relation, step, good=relation == "near" or step == 2, psnr=40.0 - step)
        for relation in ("near", "far")
        for step in (2, 10)
    ]
    console = Console(width=100)
    with console.capture() as shown:
        console.print(_relations(rows, 0.01))
    lines = [line.split() for line in shown.get().splitlines()]
    assert lines == [
        ["pairs", "similarity", "K", "=", "2", "K", "=", "10"],
        ["near", "0.90", "38.0", "30.0"],
        ["far", "0.20", "38.0", "30.0", "✗"],
    ]
