"""The parameters of an image are declared once: everything else that has them is made from that."""

import ast
import inspect
import subprocess
import sys
import tomllib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from api.schemas.jobs import JobView
from api.schemas.parameters import DecidedParameters, RequestedParameters
from api.schemas.requests import JobRequest, SheetFields
from api.schemas.sheets import PreviewImage
from bundles.manifest import Defaults
from catalogue import mapping
from catalogue.checks import CHECKS
from cli.commands.submit import submit
from core.db.models import Generation, ImageParameters, Job
from core.domain.image_request import ImageRequest
from core.domain.image_spec import (
    NO_PARAMETERS,
    PARAMETERS,
    ImageSpec,
    ModelInput,
    guided_steps,
)
from core.domain.seeds import derived_seed
from core.lifecycle.claims import Claim
from tests.specs import DEFAULTS
from worker.rows import RowRequest

ROOT = Path(__file__).parents[3]
SPEC = ImageSpec(**DEFAULTS | {"guidance_scale": 3.0, "seed": 5})
NAMES = set(PARAMETERS)
OF_A_ROW = {"prompt"}
"""What a request says of each image, and not of all of a sheet."""


def other(value: Any) -> Any:
    return f"{value}x" if isinstance(value, str) else value + 1


def test_tables_have_a_column_of_each():
    assert set(ImageParameters.model_fields) == NAMES | NO_PARAMETERS
    assert set(Job.__table__.c.keys()) >= NAMES
    assert set(Generation.__table__.c.keys()) >= NAMES


def test_schemas_have_a_field_of_each():
    assert set(RequestedParameters.model_fields) == NAMES - OF_A_ROW
    assert set(SheetFields.model_fields) >= NAMES - OF_A_ROW
    assert set(JobRequest.model_fields) >= NAMES
    assert set(DecidedParameters.model_fields) == NAMES
    assert set(JobView.model_fields) >= NAMES
    assert set(PreviewImage.model_fields) >= NAMES


def test_sheets_read_and_check_each():
    assert set(mapping.PARAMETERS) == NAMES - OF_A_ROW | {"variants"}
    assert set(mapping.KNOWN) >= NAMES
    assert set(CHECKS) >= NAMES


def test_a_model_has_a_default_of_each_that_no_request_must_give():
    assert set(Defaults.model_fields) >= NAMES - OF_A_ROW - {"seed"}


def test_the_command_has_an_option_of_each():
    assert set(inspect.signature(submit).parameters) >= NAMES - OF_A_ROW


@pytest.mark.parametrize("carrier", [ImageRequest, Claim, RowRequest])
def test_what_carries_a_spec_repeats_none_of_it(carrier: type):
    names = {one.name: one.type for one in fields(carrier)}
    assert names["spec"] is ImageSpec
    assert not NAMES & set(names)


@pytest.mark.parametrize("name", PARAMETERS)
def test_each_decides_the_fingerprint(name: str):
    changed = replace(SPEC, **{name: other(getattr(SPEC, name))})
    assert changed.fingerprint("r1") != SPEC.fingerprint("r1")
    assert (changed.scope("r1") == SPEC.scope("r1")) == (name == "prompt")


def test_when_guidance_is_on_says_nothing_without_guidance():
    unguided = replace(SPEC, guidance_scale=1.0)
    limited = replace(unguided, guidance_start=0.1, guidance_end=0.4)
    assert limited.fingerprint("r1") == unguided.fingerprint("r1")
    embedded = ModelInput(embeds_guidance=True)
    assert replace(SPEC, guidance_end=0.4).fingerprint("r1", reads=embedded) == SPEC.fingerprint(
        "r1", reads=embedded
    )


@pytest.mark.parametrize(
    ("steps", "interval", "guided"),
    [(10, (0.0, 1.0), 10), (10, (0.0, 0.5), 5), (10, (0.25, 0.75), 5), (3, (0.5, 0.6), 0)],
)
def test_guided_steps_are_those_that_begin_in_the_interval(steps, interval, guided):
    assert guided_steps(steps, interval) == guided


def test_a_spec_is_taken_from_a_row_as_it_was_put_there():
    row = Generation(**SPEC.document(), tenant="shop", fingerprint="f", bundle_revision="r1")
    assert row.spec == SPEC


def test_a_seed_that_nobody_gave_comes_from_the_fingerprint():
    free = replace(SPEC, seed=None)
    digest = free.fingerprint("r1", variant=2)
    assert free.decided(digest, 2).noise_seed == derived_seed(digest)
    assert SPEC.decided(digest, 2).noise_seed == SPEC.noise_seed + 1
    with pytest.raises(ValueError, match="not decided"):
        _ = free.noise_seed


def test_no_other_class_declares_them():
    declaring = set()
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for room in settings["tool"]["mypy"]["packages"]:
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.ClassDef):
                    continue
                lines = [one for one in node.body if isinstance(one, ast.AnnAssign)]
                declared = {one.target.id for one in lines if isinstance(one.target, ast.Name)}
                if len(declared & NAMES) > len(NAMES) // 2:
                    declaring.add(node.name)
    # A bundle's manifest names the defaults that its model has, in a format of its own.
    assert declaring == {"ImageSpec", "Defaults"}


ONE_MORE = """
from dataclasses import dataclass, field, fields
from core.domain import image_spec

before = image_spec.ImageSpec
@dataclass(frozen=True, kw_only=True)
class ImageSpec(before):
    strength: float = field(default=1.0, metadata={"description": "How much is drawn anew."})

image_spec.ImageSpec = ImageSpec
image_spec.PARAMETERS = {
    one.name: one for one in fields(ImageSpec) if one.name not in image_spec.NO_PARAMETERS
}

from api.schemas.requests import BatchRequest, JobRequest
from api.schemas.jobs import JobView
from catalogue.mapping import PARAMETERS
from core.lifecycle.claims import _READ
from core.db.models import Generation, Job

for schema in (JobRequest, BatchRequest, JobView):
    assert "strength" in schema.model_fields, schema
assert JobRequest(prompt="a mug", strength=0.5).parameters()["strength"] == 0.5
for table in (Job, Generation):
    assert "strength" in table.__table__.c, table
assert "strength" in PARAMETERS and "strength" in _READ
values = dict(
    prompt="a mug", negative_prompt="", width=64, height=64, steps=4, guidance_scale=1.0,
    scheduler="ddim", seed=1,
)
assert Generation(**values).strength == 1.0
assert Generation(**values, strength=0.5).spec == ImageSpec(**values, strength=0.5)
# What is stored is still found.
assert ImageSpec(**values).fingerprint("r1") == before(**values).fingerprint("r1")
assert ImageSpec(**values, strength=0.5).fingerprint("r1") != before(**values).fingerprint("r1")
"""


def test_one_more_field_is_one_more_everywhere():
    subprocess.run([sys.executable, "-c", ONE_MORE], check=True, cwd=ROOT)
