"""What decides a scene, and what its background alone decides."""

from dataclasses import replace

import pytest

from core.db.models import Generation
from core.domain.image_spec import ImageSpec, ModelInput
from core.domain.photograph_spec import Anchor, ImageMode, PhotographSpec, Shadow
from core.lifecycle.forecast import work, work_over
from tests.specs import DEFAULTS, made_by, wanted

PHOTOGRAPH = PhotographSpec(source="ab" * 32, anchor=Anchor.GROUND, shadow=Shadow.CONTACT)


def scene(photograph: PhotographSpec = PHOTOGRAPH, *, width: int = 1500, **values: object):
    """Ask for a scene; `values` are those of its background and of the request."""
    background = wanted("on a table", **values)
    spec = background.spec.with_product(photograph, width=width, height=1500)
    return replace(background, spec=spec)


def test_what_is_drawn_of_it_is_the_text_image():
    background = ImageSpec(**DEFAULTS)
    spec = background.with_product(PHOTOGRAPH, width=1500, height=1200)
    assert (spec.mode, spec.width, spec.height) == (ImageMode.SCENE, 1500, 1200)
    assert spec.drawn == background
    assert background.drawn is background
    cutout = ImageSpec.cutout(PHOTOGRAPH, width=9, height=9)
    assert cutout.drawn is cutout


def test_products_and_canvases_share_their_backgrounds_seed():
    seeds = {
        one.decided(one.fingerprint()).seed
        for one in (
            scene(),
            scene(replace(PHOTOGRAPH, source="cd" * 32, fill=0.4)),
            scene(width=900),
            scene(sku="MUG"),
        )
    }
    assert len(seeds) == 1
    others = [scene(variant=2), scene(steps=9), scene(negative_prompt="people", guidance_scale=3)]
    assert len({one.decided("").seed for one in others} | seeds) == 4


def test_seeds_that_somebody_names_are_kept():
    assert scene(seed=7).decided("").seed == 7
    assert scene(seed=7, variant=3).decided("").drawn == wanted("on a table", seed=9).spec


@pytest.mark.parametrize(
    "other",
    [
        scene(replace(PHOTOGRAPH, source="cd" * 32)),
        scene(replace(PHOTOGRAPH, fill=0.4)),
        scene(replace(PHOTOGRAPH, ground_line=0.7)),
        scene(width=1600),
        scene(steps=9),
        scene(seed=3),
        scene(variant=2),
        replace(scene(), model=made_by("r2")),
    ],
)
def test_each_wish_decides_the_scene(other):
    assert other.fingerprint() != scene().fingerprint()


def test_a_colour_behind_the_product_decides_nothing():
    assert scene(replace(PHOTOGRAPH, background="#000000")).fingerprint() == scene().fingerprint()


def test_a_worker_that_knows_the_decided_seed_comes_to_the_same_digest():
    for one in (scene(), scene(variant=2), scene(seed=5, variant=2)):
        reads = ModelInput(taught=("<mug>",))
        asked = replace(one, model=made_by("r1", reads=reads))
        decided = asked.decided(asked.fingerprint())
        assert decided.fingerprint("r1", reads=reads) == asked.fingerprint()


def test_it_comes_out_of_a_row_as_it_was_put_there():
    decided = scene().decided("")
    row = Generation(
        **decided.document(), tenant="shop", fingerprint="f", bundle_revision="r1", lane="bulk"
    )
    assert row.spec == decided
    assert row.spec.drawn == decided.drawn


def test_its_work_is_its_backgrounds():
    assert work(scene().spec, ModelInput()) == work(wanted("on a table").spec, ModelInput())


def test_a_blend_is_another_scene_of_the_same_background():
    blend = replace(PHOTOGRAPH, blend=True, strength=0.8)
    assert scene(blend).fingerprint() != scene().fingerprint()
    assert scene(blend).fingerprint() != scene(replace(blend, strength=0.7)).fingerprint()
    assert scene(blend).spec.drawn == scene().spec.drawn
    # Its shadow is the model's.
    assert scene(replace(blend, shadow=Shadow.NONE)).fingerprint() == scene(blend).fingerprint()
    assert work_over(scene(blend, steps=10).spec, ModelInput()) == 8 * 64 * 64
    assert work_over(scene().spec, ModelInput()) == 0
