"""The JSON of requests and answers: what is not known is named, no seed is rounded."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from api.schemas import keys, operations, recipes, requests, strict, webhooks
from api.schemas.job_examples import EXAMPLES
from api.schemas.parameters import DecidedParameters
from api.schemas.requests import BatchRequest, JobRequest
from api.submission import retry
from api.submission.modes import check_fields, mode_of
from catalogue.checks import LARGEST_SEED
from catalogue.finishes import read_finish
from catalogue.issues import Issues
from core.domain.photograph_spec import ImageMode

REQUESTS = [
    one
    for module in (keys, operations, recipes, requests, webhooks, retry)
    for one in vars(module).values()
    if isinstance(one, type) and issubclass(one, strict.StrictModel)
]
DECIDED = {"prompt": "a", "negative_prompt": "", "width": 8, "height": 8, "steps": 1,
           "guidance_start": 0.0, "guidance_end": 1.0,
           "guidance_scale": 1.0, "scheduler": "ddim"}  # fmt: skip


def problems(model: type, value: object) -> dict[tuple, str]:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(value)
    return {one["loc"]: one["msg"] for one in caught.value.errors()}


@pytest.mark.parametrize("model", REQUESTS)
def test_every_field_that_is_misspelt_is_named_with_the_nearest(model):
    for name in model.model_fields:
        misspelt = f"{name}{name[-1]}"
        found = problems(model, {misspelt: 1})[misspelt,]
        assert found == f"There is no such field. Did you mean {name!r}?"
    assert problems(model, {"qqxzj": 1})["qqxzj",] == "There is no such field."
    assert problems(model, [1]) == {(): "It must be a JSON object."}


def test_requests_are_found():
    assert {JobRequest, BatchRequest, keys.Rotation, retry.Retry} < set(REQUESTS)


def test_a_field_inside_another_is_named_once_with_its_place():
    value = {"name": "summer", "fields": {"stepps": 4, "steps": "x"}}
    assert problems(recipes.RecipeRequest, value) == {
        ("fields", "stepps"): "There is no such field. Did you mean 'steps'?",
        (
            "fields",
            "steps",
        ): "Input should be a valid integer, unable to parse string as an integer",
    }


@pytest.mark.parametrize("model", [JobRequest, BatchRequest, requests.BatchFields])
@pytest.mark.parametrize("empty", ["", " ", "\t\n"])
def test_an_empty_callback_address_is_refused(model, empty):
    given = {"prompt": "a", "rows": [], "callback_url": empty}
    fields = {name: one for name, one in given.items() if name in model.model_fields}
    assert problems(model, fields) == {
        ("callback_url",): "It is empty. Give an address, or leave the field out."
    }


@given(st.integers(0, LARGEST_SEED))
def test_a_seed_goes_to_javascript_and_back(seed):
    answer = json.loads(DecidedParameters(**DECIDED, seed=seed).model_dump_json())
    # As JavaScript has it.
    assert answer["seed"] == seed
    assert answer["seed_text"] == str(seed)
    again = JobRequest.model_validate({"prompt": "a", "seed": answer["seed_text"]})
    assert again.seed == seed


def test_there_is_an_example_of_each_mode_and_all_are_good():
    read = [JobRequest.model_validate(one) for one in EXAMPLES]
    assert {one.mode or ImageMode.TEXT for one in read} == set(ImageMode)
    for one in read:
        issues = Issues()
        check_fields(one, issues)
        if one.mode:
            read_finish(one.model_dump(), issues, mode_of(one))
        assert not issues, one
    shown = JobRequest.model_json_schema()["examples"]
    assert shown == list(EXAMPLES)
