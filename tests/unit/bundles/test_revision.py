"""A bundle's identity: what was ordered, and what measuring made of it."""

from pathlib import Path

import pytest

from bundles.manifest import Quantisation
from modelkit.export.source import revision_of

ORDER = "ab" * 32
FOUND = Quantisation(smooth_quant_alpha=0.7, samples=96, kept=("conv_in",))


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    for part in ("unet", "vae_decoder"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "openvino_model.bin").write_bytes(part.encode())
        (tmp_path / part / "config.json").write_text("{}")
    return tmp_path


def test_what_follows_from_its_order_is_known_by_it(bundle):
    assert revision_of(ORDER, bundle, []) == ORDER


def test_the_same_result_of_the_same_order_is_the_same_bundle(bundle):
    first = revision_of(ORDER, bundle, [FOUND])
    (bundle / "unet" / "config.json").write_text('{"written": "again"}')
    assert revision_of(ORDER, bundle, [FOUND]) == first != ORDER


def test_another_order_another_finding_or_other_weights_are_another_bundle(bundle):
    other = FOUND.model_copy(update={"kept": ()})
    revisions = {
        revision_of(ORDER, bundle, [FOUND]),
        revision_of("cd" * 32, bundle, [FOUND]),
        revision_of(ORDER, bundle, [other]),
        revision_of(ORDER, bundle, [FOUND, other]),
    }
    (bundle / "unet" / "openvino_model.bin").write_bytes(b"others")
    assert len(revisions | {revision_of(ORDER, bundle, [FOUND])}) == 5
