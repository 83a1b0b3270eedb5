import json
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from bundles.manifest import Defaults, Manifest
from bundles.manifest_file import load_manifest, save_manifest
from core.errors import BundleError
from modelkit.evaluation.comparison import (
    IDENTICAL_DB,
    Subject,
    Task,
    evaluate,
    record_scores,
    write_report,
)
from modelkit.evaluation.similarity import Pixels, psnr
from modelkit.progress import Silent
from starter.data.attributes import split_products
from starter.data.captions import canonical_caption
from starter.data.dataset import draw_pictures

PROMPTS = ["a red mug", "a blue lamp", "a chair"]


def manifest(name: str, **values) -> Manifest:
    return Manifest(name=name, revision="0" * 64, source="made-up", **values)


def noisy(strength: int):
    """A bundle that paints the seed, more or less."""

    def generate(prompts: Sequence[str], seeds: Sequence[int]) -> Iterator[Pixels]:
        for _, seed in zip(prompts, seeds, strict=True):
            rng = np.random.default_rng(seed)
            image = rng.integers(50, 200, (16, 16, 3))
            yield (image + rng.integers(0, strength + 1, image.shape)).astype(np.uint8)

    return generate


class Counting(Silent):
    def __init__(self):
        self.stages: list[list] = []

    def stage(self, name, total):
        self.stages.append([name, total, 0])

    def advance(self, n=1):
        self.stages[-1][2] += n


@pytest.fixture
def task() -> Task:
    return Task(prompts=PROMPTS, first_seed=7)


def test_both_bundles_draw_the_same_prompts_and_seeds_and_are_compared_image_by_image(task):
    say = Counting()
    judged, reference = evaluate(
        Subject(manifest=manifest("int8"), generate=noisy(9)),
        Subject(manifest=manifest("fp32"), generate=noisy(0)),
        task,
        say,
    )
    assert reference is not None
    wanted = [psnr(one, two) for one, two in zip(judged.images, reference.images, strict=True)]
    assert judged.each["psnr"] == wanted
    assert judged.scores["psnr"] == pytest.approx(np.mean(wanted))
    assert 0 < judged.scores["ssim"] < 1
    assert reference.scores == {}
    assert say.stages == [["draw with fp32", 3, 3], ["draw with int8", 3, 3]]


def test_equal_images_do_not_make_the_mean_infinite(task):
    one = Subject(manifest=manifest("one"), generate=noisy(0))
    judged, _ = evaluate(one, one, task, Silent())
    assert judged.scores == {"psnr": IDENTICAL_DB, "ssim": pytest.approx(1)}


def test_without_another_bundle_nothing_is_compared(task):
    judged, reference = evaluate(
        Subject(manifest=manifest("one"), generate=noisy(0)), None, task, Silent()
    )
    assert reference is None
    assert judged.scores == {}


def test_drawn_products_have_their_attributes_and_wrong_ones_are_counted():
    products = split_products()[1][:8]
    pictures = draw_pictures(products, 1, seed=3).pixels

    def generate(prompts, seeds):
        yield from pictures

    prompts = [canonical_caption(product) for product in products]
    subject = Subject(manifest=manifest("starter"), generate=generate)
    right, _ = evaluate(
        subject, None, Task(prompts=prompts, first_seed=0, products=products), Silent()
    )
    assert right.scores == {"attribute_accuracy": 1.0}
    shifted = [*products[1:], products[0]]
    wrong, _ = evaluate(
        subject, None, Task(prompts=prompts, first_seed=0, products=shifted), Silent()
    )
    assert wrong.scores["attribute_accuracy"] < 0.5
    assert sum(counter.total() for counter in wrong.details["mistakes"].values()) > 0


def test_bundles_of_different_sizes_are_not_compared(task):
    small, large = Defaults(width=64, height=64), Defaults(width=128, height=64)
    with pytest.raises(BundleError, match="small draws 64×64 and large 128×64 pixels"):
        evaluate(
            Subject(manifest=manifest("small", defaults=small), generate=noisy(0)),
            Subject(manifest=manifest("large", defaults=large), generate=noisy(0)),
            task,
            Silent(),
        )


def test_the_report_says_everything(task, tmp_path):
    judged, reference = evaluate(
        Subject(manifest=manifest("int8"), generate=noisy(9)),
        Subject(manifest=manifest("fp32"), generate=noisy(0)),
        task,
        Silent(),
    )
    write_report(tmp_path / "evaluation.json", judged, reference, task)
    report = json.loads((tmp_path / "evaluation.json").read_text())
    assert (report["bundle"]["name"], report["against"]["name"]) == ("int8", "fp32")
    assert report["bundle"]["scores"] == judged.scores
    assert [image["prompt"] for image in report["images"]] == PROMPTS
    assert [image["seed"] for image in report["images"]] == [7, 8, 9]
    assert [image["psnr"] for image in report["images"]] == judged.each["psnr"]
    assert [file.name for file in tmp_path.iterdir()] == ["evaluation.json"]


def test_scores_join_those_that_were_recorded_before(tmp_path):
    save_manifest(manifest("int8", scores={"psnr": 30.0, "ssim": 0.9}), tmp_path)
    record_scores(tmp_path, {"ssim": 0.95, "attribute_accuracy": 1.0})
    assert load_manifest(tmp_path).scores == {
        "psnr": 30.0, "ssim": 0.95, "attribute_accuracy": 1.0,
    }  # fmt: skip
    assert [file.name for file in tmp_path.iterdir()] == ["manifest.json"]


def test_scores_need_a_bundle(tmp_path):
    with pytest.raises(BundleError, match="no model bundle"):
        record_scores(tmp_path, {"psnr": 30.0})
