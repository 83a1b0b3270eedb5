"""The sheet that shows two bundles' images side by side."""

import numpy as np
import pytest

from bundles.manifest import Manifest
from cli.pictures.comparison_sheet import (
    BLOCK_ROWS,
    LARGEST,
    MOST_ROWS,
    SheetLayout,
    difference,
    draw_comparison,
)
from modelkit.evaluation.comparison import Evaluated, Task

RED, BLUE = (200, 0, 0), (0, 0, 200)


def judged(name: str, images: list[np.ndarray], **each: list[float]) -> Evaluated:
    manifest = Manifest(name=name, revision="0" * 64, source="made-up")
    return Evaluated(manifest=manifest, images=images, scores={}, each=each)


def flat(colour: tuple[int, int, int], edge: int = 32) -> np.ndarray:
    return np.full((edge, edge, 3), colour, np.uint8)


def task(count: int) -> Task:
    return Task(prompts=[f"a mug number {n}, 100 % wool ☕" for n in range(count)], first_seed=0)


def test_equal_images_differ_by_nothing_and_small_differences_show():
    assert (difference(flat(RED), flat(RED)) == 255).all()
    assert difference(flat((100, 100, 100)), flat((110, 100, 0))).tolist()[0][0] == [175, 255, 0]


def test_both_images_and_their_difference_stand_side_by_side_the_worst_first():
    images = [flat(RED), flat(BLUE)]
    others = [flat(RED), flat(RED)]
    alike = judged("int8", images, psnr=[100.0, 3.0], ssim=[1.0, 0.1])
    sheet = draw_comparison(alike, judged("fp32", others), task(2))
    layout = SheetLayout(cell=(32, 32), columns=3, rows=2)
    seen = []
    for row in range(2):
        left, top = layout.corner(row)
        seen.append([sheet.getpixel((left + layout.offset(c) + 16, top + 16)) for c in (1, 2, 3)])
    assert seen == [[BLUE, RED, (0, 255, 0)], [RED, RED, (255, 255, 255)]]
    assert sheet.size == layout.size


def test_one_bundle_s_images_stand_alone():
    sheet = draw_comparison(judged("one", [flat(RED)]), None, task(1))
    layout = SheetLayout(cell=(32, 32), columns=1, rows=1)
    left, top = layout.corner(0)
    assert sheet.getpixel((left + layout.offset(1) + 16, top + 16)) == RED
    assert sheet.size == layout.size


@pytest.mark.parametrize("count", [1, BLOCK_ROWS, BLOCK_ROWS + 1, 3 * MOST_ROWS])
def test_however_many_images_the_sheet_ends(count: int):
    sheet = draw_comparison(judged("one", [flat(RED)] * count), None, task(count))
    rows = min(count, MOST_ROWS)
    assert sheet.size == SheetLayout(cell=(32, 32), columns=1, rows=rows).size


def test_large_images_are_reduced_in_proportion():
    wide = np.zeros((300, 600, 3), np.uint8)
    sheet = draw_comparison(judged("one", [wide]), None, task(1))
    assert sheet.size == SheetLayout(cell=(LARGEST, LARGEST // 2), columns=1, rows=1).size
