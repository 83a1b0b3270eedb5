"""What is sent is taken or refused with a reason: no value of JSON breaks the check itself."""

import importlib
import inspect
import pkgutil
from contextlib import suppress

import pytest
from pydantic import BaseModel, ValidationError

import api.schemas

VALUES = (None, True, 1, 1.5, "x", "", [], [None], {}, {"a": None})


def models() -> list[type[BaseModel]]:
    names = [found.name for found in pkgutil.walk_packages(api.schemas.__path__, "api.schemas.")]
    found = {
        model
        for name in names
        for _, model in inspect.getmembers(importlib.import_module(name), inspect.isclass)
        if issubclass(model, BaseModel) and model.__module__ == name
    }
    return sorted(found, key=lambda model: model.__name__)


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_a_field_takes_or_refuses_any_value(model):
    for field in model.model_fields:
        for value in VALUES:
            # Anything else that is raised is answered with 500.
            with suppress(ValidationError):
                model.model_validate({field: value})
