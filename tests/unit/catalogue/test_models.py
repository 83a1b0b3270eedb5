"""Rows that name models: each is checked against its own, and a product's models are left alone."""

from dataclasses import replace
from pathlib import Path

import pytest

import starter
from catalogue.models import Model, check_model
from catalogue.prompts.tokens import TokenLimit
from catalogue.sheets.model import Hints
from catalogue.sheets.readers import read_rows, read_sheet
from catalogue.validate import validate
from core.domain.image_spec import ModelInput
from core.domain.schedulers import StepLimits
from tests.specs import made_by


@pytest.fixture
def models(limits):
    """A small model that is the default, and a large one with one scheduler and other defaults."""
    large = replace(
        limits,
        model="the model 'large'",
        smallest=256,
        largest=512,
        defaults={**limits.defaults, "width": 256, "height": 256, "steps": 9, "scheduler": "lcm"},
        schedulers={"lcm": StepLimits(most=50)},
        unsuited={"ddim": "its images are noise"},
    )
    distilled = made_by("r2", name="large", reads=ModelInput(embeds_guidance=True))
    return {
        "small": Model(made_by=made_by("r1", name="small"), limits=limits, tokens=None),
        "large": Model(made_by=distilled, limits=large, tokens=None),
    }


def read(text, models, **hints):
    return read_sheet(text.encode(), hints=Hints(models=list(models), **hints))


def check(text, models, fields=None, **hints):
    return validate(read(text, models, **hints), fields or {}, models)


def test_a_row_has_the_defaults_of_its_model_and_what_the_request_says(models):
    text = "sku,prompt,model,steps\nA,a,large,\nB,b,,\nC,c, LARGE ,7\nD,d,small,6\n"
    order, issues = check(text, models, {"guidance_scale": 2.0})
    assert not issues
    assert [
        (one.model.name, one.model.revision, one.spec.width, one.spec.steps, one.spec.scheduler)
        for one in order.wanted
    ] == [
        ("large", "r2", 256, 9, "lcm"),
        ("small", "r1", 64, 4, "ddim"),
        ("large", "r2", 256, 7, "lcm"),
        ("small", "r1", 64, 6, "ddim"),
    ]
    assert {one.spec.guidance_scale for one in order.wanted} == {2.0}
    assert order.wanted[0].model.reads.embeds_guidance


def test_a_row_wins_over_the_request_and_that_over_the_default(models):
    order, issues = check("sku,prompt,model\nA,a,\nB,b,small\n", models, {"model": "large"})
    assert not issues
    assert [one.model.name for one in order.wanted] == ["large", "small"]


def test_one_prompt_of_two_models_is_two_images_and_of_two_names_of_one_is_one(models):
    models["again"] = replace(models["small"], made_by=made_by("r1", name="again"))
    order, _ = check("sku,prompt,model\nA,a,small\nB,a,large\nC,a,again\n", models)
    small, large, again = (one.fingerprint() for one in order.wanted)
    assert small == again != large


def test_what_one_model_refuses_is_refused_for_its_rows_with_its_limits(models):
    text = (
        "sku,prompt,model,width,scheduler,steps\n"
        "A,a,large,64,,\nB,b,small,64,,\nC,c,large,,ddim,\nD,d,large,,,60\nE,e,small,512,,60\n"
    )
    order, issues = check(text, models)
    assert [(one.line, one.column) for one in issues] == [
        (2, "width"),
        (4, "scheduler"),
        (5, "steps"),
        (6, "width"),
    ]
    messages = [one.message for one in issues]
    assert "64 pixels cannot be made by the model 'large': it makes 256 to 512" in messages[0]
    assert "The model 'large' does not work with the scheduler 'ddim'" in messages[1]
    assert "1 to 50 steps with the model 'large', and 60 were asked for" in messages[2]
    assert [one.sku for one in order.wanted] == ["B"]


def test_what_the_request_says_is_held_against_the_models_of_the_rows(models):
    rows = "".join(f"S{number},mug,large\n" for number in range(3))
    order, issues = check(f"sku,prompt,model\n{rows}", models, {"width": 512})
    assert not issues, "the default model, which no row names, need not make it"
    assert {one.spec.width for one in order.wanted} == {512}
    order, issues = check(f"sku,prompt,model\n{rows}Z,a,small\nY,b,small\n", models, {"width": 512})
    assert [(one.line, one.column) for one in issues] == [(5, "width")]
    order, issues = check("sku,prompt\nA,a\nB,b\n", models, {"width": 512})
    assert [(one.line, one.column) for one in issues] == [(None, "width")]
    assert order.wanted == []


@pytest.mark.parametrize("name", ["nobody", "Larg", "5", "large,small"])
def test_a_name_that_is_no_models_is_named_with_those_that_are(models, name):
    order, issues = check(f'sku,prompt,model\nA,a,large\nB,b,"{name}"\n', models)
    (issue,) = issues
    assert (issue.line, issue.column) == (3, "model")
    assert f"There is no model {name.lower()!r} here; there are small, large." in issue.message
    assert ("Did you mean 'large'?" in issue.message) == (name == "Larg")
    assert len(order.wanted) == 1
    assert check_model("nobody", {"only": models["small"]}) == (
        "There is no model 'nobody' here; there is only."
    )


def test_of_a_request_too(models):
    for text in ("sku,prompt\nA,a\n", "sku,prompt,model\nA,a,\n"):
        order, issues = check(text, models, {"model": "nobody"})
        (issue,) = issues
        assert (issue.line, issue.column) == (None, "model")
        assert "there are small, large" in issue.message
        assert order.wanted == []


def test_rows_of_json_name_models(models):
    rows = [{"sku": "A", "prompt": "a", "model": "large"}, {"sku": "B", "prompt": "b"}]
    order, issues = validate(read_rows(rows, Hints(models=list(models))), {}, models)
    assert not issues
    assert [one.model.name for one in order.wanted] == ["large", "small"]
    rows = [{"sku": "A", "prompt": "a", "model": {"name": "large"}}]
    _, issues = validate(read_rows(rows, Hints(models=list(models))), {}, models)
    assert [one.column for one in issues] == ["model"]


SHOPS = "sku,title,Model\nA,Red mug,X-200\nB,Blue mug,\n"


def test_a_products_model_is_none_of_ours_and_that_is_said(models):
    sheet = read(SHOPS, models)
    order, issues = validate(sheet, {}, models)
    assert not issues
    assert {one.model.name for one in order.wanted} == {"small"}
    assert "model" not in sheet.reading.columns
    (said,) = (one.message for one in sheet.warnings if one.column == "Model")
    assert "names none of the models that make images (small, large)" in said
    assert order.wanted[0].row["Model"] == "X-200"


def test_it_is_ours_where_a_row_names_one_of_ours_or_somebody_says_so(models):
    _, issues = check(SHOPS.replace("B,Blue mug,", "B,Blue mug,Large"), models)
    (issue,) = issues
    assert (issue.line, issue.column) == (2, "Model")
    assert '{"model": ""}' in issue.message
    _, issues = check(SHOPS, models, columns={"model": "Model"})
    assert [one.line for one in issues] == [2]
    _, issues = check("sku,prompt,Model\nA,a,X-200\n", models)
    assert len(issues) == 1, "a sheet with prompts was written for packshot"
    order, issues = check("sku,prompt,Model\nA,a,X-200\n", models, columns={"model": ""})
    assert not issues
    assert len(order.wanted) == 1


def test_prompts_are_fitted_to_what_the_row_s_model_reads(models):
    folder = Path(starter.__file__).parent / "weights" / "tokenizer"
    short, long = (TokenLimit(folder, max_tokens=number) for number in (7, 77))
    models = {
        "small": replace(models["small"], tokens=short),
        "large": replace(models["large"], tokens=long),
    }
    prompt = "a red mug and a blue mug and a green mug"
    order, _ = check(f"sku,prompt,model\nA,{prompt},small\nB,{prompt},large\n", models)
    assert [bool(one.warning) for one in order.wanted] == [True, False]
    assert "reads 5 tokens" in order.wanted[0].warning


def test_a_row_with_a_mask_is_the_inpainting_models_with_its_defaults_and_limits(models):
    models["small"] = replace(models["small"], masked_by="large")
    sheet = read("sku,prompt,model\nA,a,\nB,b,small\nC,c,large\n", models)
    order, issues = validate(sheet, {}, models, masked={2, 4})
    assert not issues
    assert [(one.model.name, one.spec.width) for one in order.wanted] == [
        ("large", 256),
        ("small", 64),
        ("large", 256),
    ]
    _, issues = validate(sheet, {"scheduler": "ddim"}, models, masked={2})
    found = {(one["line"], one["column"]) for one in issues.documents()}
    assert (2, "scheduler") in found
    assert 3 not in {line for line, _ in found}


def test_pixels_that_workers_have_no_memory_for_are_refused_where_they_are_asked_for(models):
    limits = replace(models["small"].limits, most_pixels=64 * 64)
    models["small"] = replace(models["small"], limits=limits)
    text = "sku,prompt,width,height,model\nA,a,,,\nB,b,128,32,\nC,c,128,64,\nD,d,512,512,large\n"
    _, issues = check(text, models)
    (issue,) = issues.documents()
    assert (issue["line"], issue["column"]) == (4, "width")
    assert "128 × 64 pixels take more memory" in issue["message"]
    assert "4,096 pixels at most, for example 64 in both directions" in issue["message"]
