"""Bundles that keep features between steps: built, run in company, and what they say of it."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest

from bundles.manifest import BlockCache, DeepCache, TokenMergingPlan
from bundles.manifest_file import load_manifest
from bundles.plan import Plan
from bundles.step_plan import step_plan
from core.errors import BundleError
from core.settings import Settings
from modelkit.export.build import build
from modelkit.features.order import BlockCacheOrder, CachingOrder, DeepCacheOrder
from tests.conftest import knowing_int8
from tests.specs import row_request
from worker.engine import Engine
from worker.pipeline import load_pipeline
from worker.rows import RowRequest, RowResult
from worker.walk import Resume

PATIENCE = 300
STEPS = 12


@pytest.fixture(scope="module")
def source(microscopic: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The microscopic model, with steps enough."""
    folder = Path(shutil.copytree(microscopic, tmp_path_factory.mktemp("source") / "tiny"))
    profile = folder / "packshot.json"
    content = json.loads(profile.read_text())
    content["defaults"] |= {"steps": STEPS, "guidance_scale": 2.0}
    profile.write_text(json.dumps(content))
    return folder


def built(source: Path, folder: Path, **options: Any) -> Path:
    build(source, folder, **{"precision": "fp32", **options})
    return folder


ORDERS = [DeepCacheOrder(interval=3), BlockCacheOrder(threshold=0.3)]


@pytest.fixture(scope="module", params=ORDERS, ids=["DeepCache", "Block Cache"])
def bundle(request, source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of each kind, which merges tokens too."""
    order: CachingOrder = request.param
    folder = tmp_path_factory.mktemp("bundles") / "tiny"
    return built(source, folder, caching=order, token_merging=TokenMergingPlan(ratios=(0.5,)))


@pytest.fixture(scope="module")
def plain(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same without."""
    folder = tmp_path_factory.mktemp("bundles") / "plain"
    return built(source, folder, token_merging=TokenMergingPlan(ratios=(0.5,)))


def start(bundle: Path, plan: Plan) -> Engine:
    pipeline = load_pipeline(bundle, Settings(home=bundle.parent / "home"), plan)
    engine = Engine.of_one(pipeline, row_limit=plan.rows, streams=plan.streams)
    engine.start()
    return engine


@pytest.fixture(scope="module")
def engine(bundle: Path) -> Iterator[Engine]:
    engine = start(bundle, Plan(rows=8))
    yield engine
    engine.close()


def request(**changes: Any) -> RowRequest:
    values: dict[str, Any] = {
        "prompt": "a red mug",
        "negative_prompt": "",
        "width": 32,
        "height": 32,
        "steps": STEPS,
        "guidance_scale": 2.0,
        "scheduler": "ddim",
        "seed": 1,
    }
    return row_request(**values | changes)


def draw(engine: Engine, *requests: RowRequest) -> list[RowResult]:
    return [ticket.result(PATIENCE) for ticket in [engine.submit(one) for one in requests]]


def worst(one: RowResult, other: RowResult) -> int:
    """Give the largest difference of two images, in levels of 255."""
    return int(np.abs(one.image.astype(int) - other.image.astype(int)).max())


COMPANY = (
    {"seed": 1},
    {"seed": 2, "steps": 25, "prompt": "a dotted blue lamp"},
    {"seed": 3, "guidance_scale": 1.0, "scheduler": "dpmpp_2m"},
    {"seed": 4, "guidance_start": 0.3, "guidance_end": 0.8},
    {"seed": 5, "steps": 4},
    {"seed": 6, "scheduler": "pndm", "steps": 11},
    {"seed": 7, "solo": True},
    {"seed": 8, "width": 48},
)


def test_the_manifest_has_the_plan_and_the_folder_the_graphs(bundle: Path):
    caching = load_manifest(bundle).feature_caching
    assert isinstance(caching, DeepCache | BlockCache)
    assert caching.variants[0].name == "full"
    whole = (bundle / "unet" / "openvino_model.bin").stat().st_size
    works = [variant.work for variant in caching.variants]
    assert works == sorted(works, reverse=True)
    for variant in caching.variants[1:]:
        graph = bundle / f"unet_{variant.name}" / "openvino_model.xml"
        model = ov.Core().read_model(graph)
        assert set(variant.takes) <= {port.get_any_name() for port in model.inputs}
        assert [port.get_any_name() for port in model.outputs] == ["out_sample", *variant.leaves]
        assert graph.with_suffix(".bin").stat().st_size < whole
        merged = [op for op in model.get_ops() if "token_merging" in op.get_friendly_name()]
        assert merged or caching.method == "blockcache"
    assert len(set(step_plan(caching, STEPS))) > 1


def test_a_row_is_the_same_alone_and_in_company(engine: Engine):
    requests = [request(**changes) for changes in COMPANY]
    alone = [draw(engine, one)[0] for one in requests]
    together = draw(engine, *requests)
    for one, other in zip(alone, together, strict=True):
        assert worst(one, other) <= 1
        assert (one.cheap_steps, one.steps_saved) == (other.cheap_steps, other.steps_saved)


def test_streams_and_fixed_shapes_do_not_change_an_image(bundle: Path, engine: Engine):
    requests = [request(**changes) for changes in COMPANY]
    planned = start(bundle, Plan(rows=2, streams=2, batches=(4, 2), size=(32, 32)))
    try:
        results = draw(planned, *requests)
    finally:
        planned.close()
    for one, other in zip(results, draw(engine, *requests), strict=True):
        assert worst(one, other) <= 1


def test_a_result_says_how_many_steps_were_cheap_and_what_they_saved(engine: Engine):
    caching = engine.models[""].model.feature_caching
    assert caching is not None
    (result,) = draw(engine, request())
    plan = step_plan(caching, STEPS)
    assert (result.steps, result.cheap_steps) == (STEPS, sum(place > 0 for place in plan))
    saved = sum(1 - caching.variants[place].work for place in plan)
    assert result.steps_saved == pytest.approx(saved)
    assert saved > 1


def test_few_steps_are_whole_and_draw_what_a_plain_bundle_draws(engine: Engine, plain: Path):
    few = request(steps=9)
    whole = start(plain, Plan(rows=2))
    try:
        (expected,) = draw(whole, few)
        (many,) = draw(whole, request())
    finally:
        whole.close()
    (result,) = draw(engine, few)
    assert worst(result, expected) <= 1
    assert (result.cheap_steps, result.steps_saved) == (0, 0.0)
    # Keeping features changes an image, but does not make another of it.
    (kept,) = draw(engine, request())
    assert 0 < np.abs(kept.image.astype(int) - many.image.astype(int)).mean() < 20


def test_a_row_that_begins_in_the_middle_begins_in_full(engine: Engine):
    (whole,) = draw(engine, request(keep=(4,)))
    latents = whole.kept[4].astype(np.float32)
    (resumed,) = draw(engine, request(begin=Resume(step=4, latents=latents)))
    assert resumed.steps == STEPS - 4
    assert 0 < resumed.cheap_steps < resumed.steps


def test_nothing_is_kept_of_rows_that_are_gone(engine: Engine):
    draw(engine, request())
    assert not engine._rows


def test_an_order_decides_the_revision(source: Path, bundle: Path, plain: Path):
    assert load_manifest(bundle).revision != load_manifest(plain).revision


def test_a_bundle_may_be_made_of_a_bundle(bundle: Path, tmp_path: Path):
    again = tmp_path / "again"
    build(bundle, again, name="again")
    assert load_manifest(again).feature_caching == load_manifest(bundle).feature_caching
    engine = start(again, Plan(rows=2))
    try:
        (result,) = draw(engine, request())
    finally:
        engine.close()
    assert result.cheap_steps > 0


def test_a_variant_that_is_missing_is_said(bundle: Path, tmp_path: Path):
    broken = Path(shutil.copytree(bundle, tmp_path / "broken"))
    caching = load_manifest(broken).feature_caching
    assert caching is not None
    name = f"unet_{caching.variants[1].name}"
    shutil.rmtree(broken / name)
    with pytest.raises(BundleError, match=f"has no {name}"):
        start(broken, Plan(rows=2))


def test_a_calibrated_unet_is_cut_with_its_scales(source: Path, tmp_path: Path):
    folder = built(
        knowing_int8(source, tmp_path / "source"),
        tmp_path / "int8",
        precision="int8",
        caching=ORDERS[0],
    )
    model = ov.Core().read_model(folder / "unet_shallow" / "openvino_model.xml")
    assert "FakeQuantize" in {op.get_type_name() for op in model.get_ops()}
    constants = [op for op in model.get_ops() if op.get_type_name() == "Constant"]
    assert ov.Type.i8 in {op.get_element_type() for op in constants}
    engine = start(folder, Plan(rows=2))
    try:
        (result,) = draw(engine, request())
    finally:
        engine.close()
    assert result.cheap_steps == 8
