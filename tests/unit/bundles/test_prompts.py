import pytest

from bundles.manifest import Manifest
from modelkit.export.configuration import read_configuration
from modelkit.export.order import describe
from modelkit.export.source import Profile, read_profile
from modelkit.prompts import (
    CALIBRATION,
    EVALUATION,
    calibration_prompts,
    evaluation_prompts,
    is_starter,
)
from starter import SOURCE
from starter.data.attributes import split_products
from starter.data.captions import NAMES, canonical_caption


def manifest(**values) -> Manifest:
    return Manifest(**{"name": "shoes", "source": "acme/shoes", "revision": "0" * 64} | values)


def test_the_starter_is_calibrated_on_captions_of_products_it_was_trained_on():
    prompts = calibration_prompts(read_profile(SOURCE), 200)
    assert len(set(prompts)) > 190
    assert not set(prompts) & {canonical_caption(product) for product in split_products()[1]}
    names = {name for names in NAMES.values() for name in names}
    assert all(any(name in prompt.lower() for name in names) for prompt in prompts)


def test_calibration_draws_the_same_again():
    profile = read_profile(SOURCE)
    assert calibration_prompts(profile, 12) == calibration_prompts(profile, 12)


@pytest.mark.parametrize("names", [{"name": "starter"}, {"family": "starter"}])
def test_the_starter_s_family_is_judged_on_held_out_products(names):
    prompts = evaluation_prompts(manifest(**names), 500)
    assert prompts == [canonical_caption(product) for product in split_products()[1]]


def test_a_bundle_of_the_starter_is_known_whatever_it_is_called():
    made = describe(
        SOURCE, source=str(SOURCE), name="mine", revision="0" * 64, precision="int8", size=None,
        configuration=read_configuration(SOURCE),
    )  # fmt: skip
    assert is_starter(made)
    assert not is_starter(manifest())


def test_a_profile_s_prompts_are_used_in_turn():
    profile = Profile(prompts=("a shoe", "a boot"))
    assert calibration_prompts(profile, 3) == ["a shoe", "a boot", "a shoe"]


def test_a_bundle_is_judged_on_the_prompts_that_it_names_each_once():
    assert evaluation_prompts(manifest(prompts=("a shoe", "a boot")), 9) == ["a shoe", "a boot"]


def test_models_that_name_none_get_general_prompts_and_others_to_be_judged_on():
    assert calibration_prompts(Profile(), 5) == list(CALIBRATION[:5])
    assert evaluation_prompts(manifest(), 5) == list(EVALUATION[:5])
    assert not set(CALIBRATION) & set(EVALUATION)
