"""Equal fingerprints mean equal model input, and nothing else does."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.image_spec import ImageSpec, ModelInput
from core.domain.seeds import derived_seed, variant_seed
from core.domain.texts import canonical_text

REQUEST: dict[str, Any] = {
    "prompt": "a red mug",
    "negative_prompt": "blue",
    "width": 128,
    "height": 128,
    "steps": 20,
    "guidance_scale": 3.0,
    "scheduler": "ddim",
    "seed": None,
    "variant": 1,
    "bundle_revision": "r1",
}


def digest(**changes: Any) -> str:
    values = REQUEST | changes
    others = {name: values.pop(name) for name in ("variant", "bundle_revision")}
    reads = values.pop("reads", ModelInput())
    return ImageSpec(**values).fingerprint(**others, reads=reads)


@pytest.mark.parametrize(
    "changes",
    [
        {"prompt": "a blue mug"},
        {"negative_prompt": "red"},
        {"width": 64},
        {"height": 64},
        {"steps": 21},
        {"guidance_scale": 3.5},
        {"guidance_scale": 3.00001},
        {"scheduler": "euler"},
        {"seed": 0},
        {"variant": 2},
        {"bundle_revision": "r2"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_whatever_changes_the_image_changes_the_fingerprint(changes: dict[str, Any]):
    assert digest(**changes) != digest()


@pytest.mark.parametrize("prompt", ["A  Red MUG", " a red mug\n", "a\tred mug"])
def test_what_the_tokenizer_folds_does_not(prompt: str):
    assert digest(prompt=prompt) == digest()


def test_composed_and_decomposed_letters_are_one():
    assert digest(prompt="cafe\u0301") == digest(prompt="caf\u00e9")


def test_without_guidance_the_negative_prompt_is_never_seen():
    assert digest(guidance_scale=1.0, negative_prompt="x") == digest(guidance_scale=0.5)


def test_guidance_begins_right_above_one():
    assert digest(guidance_scale=1.00001) != digest(guidance_scale=1.0)


DISTILLED = ModelInput(embeds_guidance=True)


def test_a_distilled_model_sees_every_guidance_scale_and_no_negative_prompt():
    scales = (0.0, 0.5, 1.0, 3.0)
    assert len({digest(guidance_scale=scale, reads=DISTILLED) for scale in scales}) == 4
    for scale in scales:
        one, other = (
            digest(guidance_scale=scale, negative_prompt=text, reads=DISTILLED) for text in "xy"
        )
        assert one == other


@pytest.mark.parametrize("text", ["a <Cat>", "A <cat>", "a  <Cat>", "a <CAT>!"])
def test_what_a_tokenizer_was_taught_is_told_apart_by_how_it_is_written(text: str):
    taught = ModelInput(taught=("<Cat>",))
    assert digest(prompt=text, reads=taught) != digest(prompt="a <cat>", reads=taught)
    assert digest(prompt="A  mug", reads=taught) == digest(prompt="a mug", reads=taught)


@pytest.mark.parametrize("token", ["<|startoftext|>", "<|endoftext|>"])
def test_clips_special_tokens_are_told_apart_too(token: str):
    assert canonical_text(f"A {token}") != canonical_text(f"A {token.upper()}")
    assert canonical_text(f"A {token}\u0338") != canonical_text(f"A {token[:-1]}\u226f")


def test_a_seed_and_a_variant_are_the_seed_that_they_make():
    assert digest(seed=7, variant=3) == digest(seed=8, variant=2) == digest(seed=9, variant=1)
    assert digest(seed=2**63 - 1, variant=2) == digest(seed=0, variant=1)


@given(st.text())
def test_folding_twice_changes_nothing(text: str):
    assert canonical_text(canonical_text(text)) == canonical_text(text)


@given(st.text(), st.integers(1, 99))
def test_a_derived_seed_fits_postgres_and_torch(prompt: str, variant: int):
    assert 0 <= derived_seed(digest(prompt=prompt, variant=variant)) < 2**63


def test_variants_of_a_given_seed_differ_and_the_first_has_it():
    assert variant_seed(7, 1) == 7
    assert variant_seed(7, 2) == 8
    assert variant_seed(2**63 - 1, 2) == 0
