"""Presets: what a request leaves open is as measured, where its model was."""

from dataclasses import replace

import pytest

from catalogue.models import Model
from catalogue.sheets.model import Hints
from catalogue.sheets.readers import read_sheet
from catalogue.validate import check_parameters, validate
from tests.specs import made_by

DRAFT = {"steps": 2, "guidance_scale": 1.0, "scheduler": "euler"}
BEST = {"steps": 30, "guidance_scale": 4.0, "scheduler": "unipc"}


@pytest.fixture
def measured(limits):
    return replace(limits, presets={"draft": DRAFT, "best": BEST})


def test_a_preset_stands_for_steps_guidance_and_scheduler(measured):
    values, issues = check_parameters({"preset": "draft"}, measured)
    assert not issues
    assert {name: values[name] for name in DRAFT} == DRAFT
    assert values["width"] == measured.defaults["width"]
    assert "preset" not in values


def test_guidance_that_ends_before_it_begins_is_refused(limits):
    _, issues = check_parameters({"guidance_start": 0.6, "guidance_end": 0.4}, limits)
    assert [(one.column, one.message) for one in issues] == [
        (
            "guidance_end",
            "Guidance would never be on, as it ends at 0.4 of the schedule and begins at 0.6. Set "
            "guidance_end above guidance_start, or guidance_scale to 1.",
        )
    ]
    _, issues = check_parameters({"guidance_end": 1.5}, limits)
    assert [one.message for one in issues] == ["1.5 is not between 0 and 1."]


def test_without_a_preset_the_defaults_stay(measured):
    values, issues = check_parameters({"preset": None}, measured)
    assert not issues
    assert values["steps"] == measured.defaults["steps"]


def test_what_is_said_itself_wins(measured):
    values, issues = check_parameters({"preset": "best", "steps": 9}, measured)
    assert not issues
    assert {name: values[name] for name in BEST} == BEST | {"steps": 9}


def test_a_preset_that_the_model_has_not_is_refused_with_those_that_it_has(measured):
    _, issues = check_parameters({"preset": "fast"}, measured)
    assert [(one.column, one.message) for one in issues] == [
        ("preset", "This model has no preset 'fast'; it has draft, best.")
    ]


def test_a_model_that_nobody_measured_has_none(limits):
    _, issues = check_parameters({"preset": "draft"}, replace(limits, model="the model 'Mine'"))
    assert [(one.column, one.message) for one in issues] == [
        (
            "preset",
            "The model 'Mine' has no presets, as nobody has measured them yet (`packshot model "
            "presets`). Name steps, guidance_scale and scheduler instead.",
        )
    ]


def test_rows_of_each_model_have_its_own(limits, measured):
    other = replace(limits, presets={"draft": DRAFT | {"steps": 3}})
    models = {
        "one": Model(made_by=made_by("r1", name="one"), limits=measured, tokens=None),
        "two": Model(made_by=made_by("r2", name="two"), limits=other, tokens=None),
    }
    text = "sku,prompt,model,steps\nA,a,one,\nB,b,two,\nC,c,two,8\n"
    sheet = read_sheet(text.encode(), hints=Hints(models=list(models)))
    order, issues = validate(sheet, {"preset": "draft"}, models)
    assert not issues
    assert [(one.spec.steps, one.spec.scheduler) for one in order.wanted] == [
        (2, "euler"), (3, "euler"), (8, "euler"),
    ]  # fmt: skip
    _, issues = validate(sheet, {"preset": "best"}, models)
    assert [(one.line, one.column) for one in issues] == [(3, "preset")]
