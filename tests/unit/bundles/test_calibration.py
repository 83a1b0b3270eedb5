"""From which similarity on images may begin with others' latents."""

import json
from pathlib import Path

import pytest

from bundles.manifest import Manifest
from bundles.manifest_file import load_manifest, save_manifest
from core.domain.approximation import NIRVANA, Threshold, most_steps
from modelkit.evaluation.calibration import (
    WINDOW,
    MeasuredPair,
    Pair,
    choose_thresholds,
    make_pairs,
    record_thresholds,
    summary,
    write_calibration,
)

MANIFEST = Manifest(name="other", revision="1" * 64, source="nowhere", prompts=("a red mug, 3d",))


def measured(similarity: float, *, good: bool = True, step: int = 10, full: bool = True):
    pair = Pair(relation="colour", target="a red mug", source="a blue mug")
    return MeasuredPair(
        pair=pair,
        similarity=similarity,
        step=step,
        psnr=30.0,
        ssim=0.9,
        good=good,
        good_in_full=full,
    )


def evenly(count: int, **changes) -> list[MeasuredPair]:
    """Give pairs of similarity 1 down to 0."""
    return [measured(1 - place / count, **changes) for place in range(count)]


def threshold(rows: list[MeasuredPair], tolerance: float = 0.01) -> float | None:
    found = choose_thresholds(rows, 20, tolerance=tolerance)
    return found[0].similarity if found else None


def test_without_losses_everything_that_was_measured_is_allowed_and_nothing_beyond():
    assert threshold(evenly(200)) == pytest.approx(0.005)


def test_one_loss_among_a_hundred_is_within_a_point_and_two_are_not():
    rows = evenly(200)
    rows[50] = measured(rows[50].similarity, good=False)
    assert threshold(rows) == pytest.approx(0.005)
    rows[90] = measured(rows[90].similarity, good=False)
    limit = threshold(rows)
    assert limit == pytest.approx(rows[90].similarity)
    assert most_steps(rows[90].similarity, 20, [Threshold(share=0.5, similarity=limit)]) == 0


def test_losses_farther_apart_than_the_window_do_not_add_up():
    rows = evenly(400)
    for place in (50, 50 + WINDOW, 50 + 2 * WINDOW):
        rows[place] = measured(rows[place].similarity, good=False)
    assert threshold(rows) == pytest.approx(0.002)


def test_what_the_full_run_gets_wrong_too_is_no_loss():
    assert threshold(evenly(200, good=False, full=False)) is not None


def test_a_k_that_loses_from_the_first_is_never_allowed():
    assert threshold(evenly(200, good=False), tolerance=0.0) is None


def test_each_k_has_a_threshold_of_its_own():
    rows = evenly(200, step=2) + [
        measured(one.similarity, good=one.similarity > 0.6) for one in evenly(200)
    ]
    found = choose_thresholds(rows, 20, tolerance=0.01)
    assert [one.share for one in found] == [0.5, 0.1]
    assert found[0].similarity == pytest.approx(0.6, abs=0.02)
    assert found[1].similarity < 0.01


def test_means_are_of_one_k_or_one_relation():
    rows = [measured(0.9), measured(0.7, good=False), measured(0.1, step=2)]
    assert summary(rows, 10)["good"] == 0.5
    assert summary(rows, 10, "colour")["similarity"] == pytest.approx(0.8)


def test_the_starters_pairs_differ_as_they_say():
    starter = MANIFEST.model_copy(update={"family": "starter"})
    pairs = make_pairs(starter, 3)
    assert len({pair.target for pair in pairs}) == 3
    assert {pair.relation for pair in pairs} == {
        "other words", "colour", "background", "pattern", "kind", "colour and background",
        "everything",
    }  # fmt: skip
    assert make_pairs(starter, 3) == pairs
    for pair in pairs:
        assert pair.product is not None
        if pair.relation == "colour":
            assert pair.product.colour.value not in pair.source.split(" on a ")[0].split()


def test_other_bundles_draw_their_own_prompts():
    pairs = make_pairs(MANIFEST, 5)
    assert {pair.target for pair in pairs} == {"a red mug, 3d"}
    sources = {pair.relation: pair.source for pair in pairs}
    assert sources["fewer words"] == "a red mug"
    assert sources["more words"] == "a red mug, 3d, studio light"
    assert "red" not in sources["colour"]
    assert all(pair.product is None for pair in pairs)


def test_a_calibration_is_in_the_manifest_and_leaves_the_revision(tmp_path: Path):
    save_manifest(MANIFEST, tmp_path)
    assert load_manifest(tmp_path).approximate_thresholds == NIRVANA
    table = (Threshold(share=0.5, similarity=0.8),)
    record_thresholds(tmp_path, table)
    found = load_manifest(tmp_path)
    assert found.approximate_thresholds == table
    assert found.revision == MANIFEST.revision


def test_a_bundle_that_allows_nothing_says_so_in_its_manifest(tmp_path: Path):
    save_manifest(MANIFEST, tmp_path)
    record_thresholds(tmp_path, ())
    assert load_manifest(tmp_path).approximate_thresholds == ()


def test_the_report_names_every_pair(tmp_path: Path):
    file = tmp_path / "calibration.json"
    write_calibration(file, MANIFEST, [measured(0.9)], [Threshold(share=0.5, similarity=0.8)])
    content = json.loads(file.read_text())
    assert content["thresholds"] == [{"share": 0.5, "similarity": 0.8}]
    assert content["pairs"][0]["source"] == "a blue mug"
