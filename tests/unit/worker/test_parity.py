"""A bundle is published only if it draws what diffusers draws."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bundles.manifest import Manifest, TokenMergingPlan
from bundles.manifest_file import load_manifest
from core.errors import BundleError
from modelkit.evaluation.parity import check_parity
from modelkit.export.build import build
from modelkit.progress import Progress
from tests.support.made_once import MadeOnce
from tests.support.microscopic import save_microscopic

Spoil = Callable[[Path], None]


@pytest.fixture
def source(microscopic: Path) -> Path:
    return microscopic


@pytest.fixture
def bundle(made_once: MadeOnce) -> Path:
    """Its weights are halves."""
    return made_once.bundle()


@pytest.fixture
def changed(made_once: MadeOnce) -> Path:
    """Tokens are merged, and the decoder is INT8: its images are others on purpose."""
    return made_once.bundle(vae="int8", token_merging=TokenMergingPlan(ratios=(0.5,)))


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def another_model(bundle: Path, part: str) -> None:
    """Put a part of a model with other weights into a bundle."""
    folder = bundle.parent / "another"
    build(save_microscopic(folder / "source", seed=1), folder / "bundle")
    shutil.rmtree(bundle / part)
    shutil.copytree(folder / "bundle" / part, bundle / part)


SPOILED: dict[str, tuple[str, Spoil]] = {
    "scaling": (
        "the decoder|the image",
        lambda bundle: edit(bundle / "vae_decoder" / "config.json", scaling_factor=0.3),
    ),
    "unet": ("the UNet|the image", lambda bundle: another_model(bundle, "unet")),
    "schedule": (
        "the image",
        lambda bundle: edit(
            bundle / "scheduler" / "scheduler_config.json", beta_end=0.2, beta_schedule="linear"
        ),
    ),
}


def test_a_good_bundle_passes(bundle: Path, source: Path):
    found = check_parity(bundle, load_manifest(bundle), source)
    (figure,) = found.figures
    assert figure.decibels >= 40
    assert "32×32 pixels in 2 steps of ddim" in str(found)


def test_one_that_is_changed_on_purpose_passes_part_by_part(changed: Path, source: Path):
    found = check_parity(changed, load_manifest(changed), source)
    assert [figure.name for figure in found.figures] == ["the UNet", "the decoder", "the image"]


@pytest.mark.parametrize("fault", SPOILED)
def test_a_fault_is_found(bundle: Path, source: Path, tmp_path: Path, fault: str):
    sentence, spoil = SPOILED[fault]
    broken = shutil.copytree(bundle, tmp_path / "broken")
    spoil(broken)
    with pytest.raises(BundleError, match=rf"not published\. Compared: .*({sentence}) .* dB"):
        check_parity(broken, load_manifest(broken), source)


@pytest.mark.parametrize("fault", ["scaling", "schedule"])
def test_a_fault_is_found_beside_changes_on_purpose(
    changed: Path, source: Path, tmp_path: Path, fault: str
):
    broken = shutil.copytree(changed, tmp_path / "broken")
    SPOILED[fault][1](broken)
    with pytest.raises(BundleError, match="does not draw what diffusers draws"):
        check_parity(broken, load_manifest(broken), source)


def test_what_is_refused_is_not_left_behind(source: Path, tmp_path: Path):
    def verify(bundle: Path, manifest: Manifest, source: Path, say: Progress) -> None:
        SPOILED["scaling"][1](bundle)
        check_parity(bundle, manifest, source, say)

    with pytest.raises(BundleError, match="report it as a fault of packshot"):
        build(source, tmp_path / "tiny", verify=verify)
    assert list(tmp_path.iterdir()) == []
