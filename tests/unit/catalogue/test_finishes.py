"""What requests say of photographs: read in one form, and what does not belong is named."""

import pytest

from catalogue.finishes import check_drawn_over, check_mode, read_finish
from catalogue.issues import Issues
from core.domain.image_spec import ImageSpec, ModelInput
from core.domain.photograph_spec import Anchor, ImageMode, PhotographSpec, Shadow
from tests.specs import DEFAULTS, made_by

MODEL = made_by("r1")


def columns(issues: Issues) -> set[str | None]:
    return {one.column for one in issues}


def test_without_wishes_it_is_a_square_on_white():
    issues = Issues()
    wanted, width, height = read_finish({"background": None, "width": None}, issues)
    assert (wanted.background, width, height) == ("#ffffff", 1500, 1500)
    assert not issues


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("white", "#ffffff"),
        ("#FFF", "#ffffff"),
        ("F4f1EA", "#f4f1ea"),
        ("Transparent", "transparent"),
        ("none", "transparent"),
    ],
)
def test_equal_backgrounds_are_one(said: str, read: str):
    assert read_finish({"background": said}, Issues())[0].background == read


@pytest.mark.parametrize(
    ("fields", "column"),
    [
        ({"background": "beige"}, "background"),
        ({"background": "#12345"}, "background"),
        ({"width": 15}, "width"),
        ({"height": 5001}, "height"),
        ({"margin": 0.4, "ground_line": 0.3, "anchor": Anchor.GROUND}, "fill"),
    ],
)
def test_what_cannot_be_used_is_named(fields: dict[str, object], column: str):
    issues = Issues()
    read_finish(fields, issues)
    assert columns(issues) == {column}


def test_fields_of_the_other_mode_are_named_each():
    issues = Issues()
    check_mode(ImageMode.CUTOUT, {"steps", "prompt", "background", "width", "sku"}, issues)
    assert columns(issues) == {"steps", "prompt"}
    issues = Issues()
    check_mode(ImageMode.TEXT, {"steps", "prompt", "background", "source", "width"}, issues)
    assert columns(issues) == {"background", "source"}
    issues = Issues()
    check_mode(ImageMode.SCENE, {"steps", "prompt", "background", "source", "approximate"}, issues)
    assert columns(issues) == {"background", "approximate"}
    issues = Issues()
    check_mode(ImageMode.EDIT, {"steps", "prompt", "strength", "mask", "fill", "shadow"}, issues)
    assert columns(issues) == {"fill", "shadow"}
    for mode in (ImageMode.TEXT, ImageMode.CUTOUT):
        issues = Issues()
        check_mode(mode, {"strength", "blend"}, issues)
        assert columns(issues) == {"strength", "blend"}
    issues = Issues()
    read_finish({"strength": 0.5, "blend": False}, issues, ImageMode.SCENE)
    assert columns(issues) == {"strength"}
    issues = Issues()
    read_finish({"blend": True, "shadow": Shadow.OWN}, issues, ImageMode.SCENE)
    assert columns(issues) == {"shadow"}


@pytest.mark.parametrize(
    ("strength", "values", "column"),
    [
        (0.2, {"steps": 4}, "strength"),
        (0.5, {"steps": 1}, "strength"),
        (1.0, {"steps": 4, "scheduler": "pndm"}, "scheduler"),
    ],
)
def test_what_cannot_be_drawn_over_a_photograph_is_named(strength, values, column):
    issues = Issues()
    photograph = PhotographSpec(source="ab" * 32, strength=strength)
    check_drawn_over(ImageSpec(**DEFAULTS | values).over(photograph), MODEL, issues, line=3)
    assert [(one.line, one.column) for one in issues] == [(3, column)]


def test_a_model_without_an_encoder_of_images_begins_with_none():
    issues = Issues()
    decodes = made_by("r1", name="tiny", reads=ModelInput(encodes_pictures=False))
    plain = ImageSpec(**DEFAULTS | {"steps": 4})
    check_drawn_over(plain, decodes, issues)
    assert not issues
    photograph = PhotographSpec(source="ab" * 32, strength=0.5)
    check_drawn_over(plain.over(photograph), decodes, issues, line=2)
    assert [(one.line, one.column) for one in issues] == [(2, "model")]
    assert "'tiny' cannot begin with a picture" in next(iter(issues)).message


def test_one_step_is_enough_to_draw_over_a_photograph():
    issues = Issues()
    photograph = PhotographSpec(source="ab" * 32, strength=0.25)
    check_drawn_over(ImageSpec(**DEFAULTS | {"steps": 4}).over(photograph), MODEL, issues)
    assert not issues


def test_products_stand_on_the_ground_of_scenes_unless_somebody_says_otherwise():
    issues = Issues()
    wanted, width, height = read_finish({"fill": None}, issues, ImageMode.SCENE)
    assert (wanted.anchor, wanted.shadow) == (Anchor.GROUND, Shadow.CONTACT)
    assert (wanted.fill, wanted.ground_line) == (0.62, 0.86)
    assert (width, height) == (1500, 1500)
    said = {"anchor": Anchor.CENTRE, "shadow": Shadow.NONE, "fill": 0.5}
    wanted, *_ = read_finish(said, issues, ImageMode.SCENE)
    assert (wanted.anchor, wanted.shadow, wanted.fill) == (Anchor.CENTRE, Shadow.NONE, 0.5)
    assert not issues
