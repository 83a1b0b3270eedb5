"""What decides an edit, and what a model draws of it."""

from dataclasses import replace

import pytest

from core.db.models import Generation
from core.domain.image_spec import ImageSpec, ModelInput
from core.domain.photograph_spec import ImageMode, PhotographSpec
from core.lifecycle.forecast import work
from tests.specs import DEFAULTS, made_by, wanted

PHOTOGRAPH = PhotographSpec(source="ab" * 32, mask="cd" * 32, strength=0.5)


def edit(photograph: PhotographSpec = PHOTOGRAPH, **values: object):
    drawn = wanted("in the snow", **values)
    return replace(drawn, spec=drawn.spec.over(photograph))


def test_what_is_drawn_of_it_is_its_prompts_image():
    text = ImageSpec(**DEFAULTS)
    spec = text.over(PHOTOGRAPH)
    assert (spec.mode, spec.width, spec.height) == (ImageMode.EDIT, text.width, text.height)
    assert spec.drawn == text


@pytest.mark.parametrize(
    "other",
    [
        edit(replace(PHOTOGRAPH, source="ef" * 32)),
        edit(replace(PHOTOGRAPH, mask="ef" * 32)),
        edit(replace(PHOTOGRAPH, mask=None)),
        edit(replace(PHOTOGRAPH, strength=0.6)),
        edit(steps=9),
        edit(seed=3),
        edit(variant=2),
        edit(width=128),
        wanted("in the snow"),
        replace(edit(), model=made_by("r2")),
    ],
)
def test_each_wish_decides_the_edit(other):
    assert other.fingerprint() != edit().fingerprint()


def test_a_placement_decides_nothing_of_it():
    assert edit(replace(PHOTOGRAPH, fill=0.4)).fingerprint() == edit().fingerprint()


def test_a_strength_that_is_none_leaves_other_digests_as_they_were():
    plain = PhotographSpec(source="ab" * 32)
    assert "strength" not in plain.canonical()
    stored = {name: value for name, value in plain.document().items() if name != "strength"}
    assert PhotographSpec.of(stored) == plain


def test_a_worker_that_knows_the_decided_seed_comes_to_the_same_digest():
    for one in (edit(), edit(variant=2), edit(seed=5, variant=2)):
        reads = ModelInput(taught=("<mug>",))
        asked = replace(one, model=made_by("r1", reads=reads))
        decided = asked.decided(asked.fingerprint())
        assert decided.fingerprint("r1", reads=reads) == asked.fingerprint()


def test_it_comes_out_of_a_row_as_it_was_put_there():
    decided = edit().decided("")
    row = Generation(
        **decided.document(), tenant="shop", fingerprint="f", bundle_revision="r1", lane="bulk"
    )
    assert row.spec == decided


def test_its_work_is_what_its_strength_leaves_of_the_steps():
    whole = work(wanted("in the snow", steps=8).spec, ModelInput())
    assert work(edit(steps=8).spec, ModelInput()) == whole / 2
