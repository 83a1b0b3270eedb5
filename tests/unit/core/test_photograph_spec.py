"""What decides an image of a photograph, and what does not."""

from dataclasses import replace

import pytest

from core.db.models import Generation
from core.domain.image_spec import ImageSpec, ModelInput
from core.domain.photograph_spec import (
    CUTOUT_REVISION,
    Anchor,
    ImageMode,
    PhotographSpec,
    Shadow,
    is_address,
    is_digest,
)
from tests.specs import DEFAULTS

DIGEST = "ab" * 32
PHOTOGRAPH = PhotographSpec(source=DIGEST)
SPEC = ImageSpec.cutout(PHOTOGRAPH, width=1500, height=1500)

OTHERS = {
    "source": "cd" * 32,
    "background": "#000000",
    "shadow": Shadow.OWN,
    "anchor": Anchor.GROUND,
    "fill": 0.5,
    "margin": 0.1,
    "enlarge": True,
    "mask": "ef" * 32,
}


def digest(**changes: object) -> str:
    return replace(SPEC, photograph=replace(PHOTOGRAPH, **changes)).fingerprint(CUTOUT_REVISION)


@pytest.mark.parametrize("name", OTHERS)
def test_each_wish_decides_the_image(name: str):
    assert digest(**{name: OTHERS[name]}) != digest()


def test_size_and_revision_decide_it_too():
    assert replace(SPEC, width=1600).fingerprint(CUTOUT_REVISION) != digest()
    assert SPEC.fingerprint("cutout-0") != digest()


def test_a_ground_line_decides_it_only_where_products_stand_on_it():
    assert digest(ground_line=0.8) == digest()
    ground = {"anchor": Anchor.GROUND}
    assert digest(ground_line=0.8, **ground) != digest(**ground)


def test_what_only_models_see_is_not_in_it():
    seen = SPEC.canonical(reads=ModelInput(taught=("<mug>",)))
    assert set(seen) == {"mode", "width", "height", "photograph"}
    drawn = replace(SPEC, prompt="a mug", steps=9, seed=4, scheduler="ddim", guidance_scale=7.0)
    assert drawn.fingerprint(CUTOUT_REVISION) == digest()


def test_a_text_image_has_no_trace_of_photographs():
    drawn = ImageSpec(**DEFAULTS)
    assert not {"mode", "photograph"} & set(drawn.canonical())
    assert drawn.mode is ImageMode.TEXT


def test_it_comes_out_of_a_row_as_it_was_put_there():
    wanted = replace(
        SPEC, photograph=PhotographSpec(source="https://shop.example/a.jpg", **{
            name: value for name, value in OTHERS.items() if name != "source"
        })
    )  # fmt: skip
    row = Generation(
        **wanted.decided("f" * 64).document(),
        tenant="shop",
        fingerprint="f",
        bundle_revision=CUTOUT_REVISION,
    )
    assert row.spec == wanted
    assert wanted.noise_seed == 0


def test_addresses_and_digests_are_told_apart():
    assert is_digest(DIGEST)
    assert not is_digest("https://shop.example/a.jpg")
    assert is_address("https://shop.example/a.jpg")
    assert not is_address(DIGEST)
