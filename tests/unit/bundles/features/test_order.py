"""Models that cannot keep features, and orders that make no sense, are refused in a sentence."""

import json
import shutil
from pathlib import Path

import pytest

from core.errors import BundleError
from modelkit.export.build import build
from modelkit.export.order import check, take_order
from modelkit.features.order import BlockCacheOrder, DeepCacheOrder


@pytest.fixture
def source(microscopic: Path, tmp_path: Path) -> Path:
    """A model of twelve steps that a test may change."""
    folder = Path(shutil.copytree(microscopic, tmp_path / "source"))
    edit(folder / "packshot.json", steps=12)
    return folder


def edit(path: Path, **changes: object) -> None:
    content = json.loads(path.read_text())
    known = content.get("defaults", content)
    known.update(changes)
    path.write_text(json.dumps(content))


def refuse(source: Path, order, sentence: str) -> None:
    with pytest.raises(BundleError, match=sentence):
        build(source, source.parent / "built", caching=order)
    assert [path.name for path in source.parent.iterdir()] == ["source"], "nothing is begun"


@pytest.mark.parametrize("order", [DeepCacheOrder(interval=3), BlockCacheOrder(threshold=0.5)])
def test_a_model_of_few_steps(source, order):
    edit(source / "packshot.json", steps=9)
    refuse(source, order, r"it draws in 9 steps, and under 10 steps nothing stays alike")


def test_a_model_that_embeds_its_guidance(source):
    edit(source / "unet" / "config.json", time_cond_proj_dim=8)
    refuse(source, DeepCacheOrder(interval=3), "distilled to draw in a few steps")


def test_a_pipeline_of_few_steps(source):
    edit(source / "model_index.json", _class_name="LatentConsistencyModelPipeline")
    refuse(source, DeepCacheOrder(interval=3), "distilled to draw in a few steps")


@pytest.mark.parametrize("interval", [1, 0, 13])
def test_an_interval_that_is_none(source, interval: int):
    refuse(source, DeepCacheOrder(interval=interval), "give a number from 2 to the model's 12")


def test_a_branch_that_is_not_there(source):
    refuse(source, DeepCacheOrder(interval=3, branch=9), "deepcache-branch from 0 to 3")


@pytest.mark.parametrize("threshold", [0.0, -1.0, float("nan")])
def test_a_threshold_that_allows_nothing(source, threshold: float):
    refuse(source, BlockCacheOrder(threshold=threshold), "give a number above 0")


def test_block_cache_needs_the_disk_for_its_graphs(source, monkeypatch):
    monkeypatch.setattr(
        "modelkit.export.resources.require_disk", lambda folder, size, purpose: sizes.append(size)
    )
    sizes: list[int] = []
    for order in (None, DeepCacheOrder(interval=3), BlockCacheOrder(threshold=0.5)):
        check(take_order(source, precision="fp32", token_merging=None, unet=None, caching=order),
              source.parent / "built", None)  # fmt: skip
    plain, deep, block = sizes
    assert plain == deep
    weights = source / "unet" / "diffusion_pytorch_model.safetensors"
    assert block - plain == pytest.approx(2 * weights.stat().st_size, rel=0.2)
