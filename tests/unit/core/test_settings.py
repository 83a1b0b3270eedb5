"""Every setting is described, and named where people look for it."""

import re
from pathlib import Path

import pytest

from core.settings import Settings

ROOT = Path(__file__).parents[3]
NAMES = [f"PACKSHOT_{name.upper()}" for name in Settings.model_fields]


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_setting_has_a_sentence(name: str):
    description = Settings.model_fields[name].description
    assert description
    assert description.endswith(".")


def test_the_example_names_every_setting_and_no_other():
    text = (ROOT / ".env.example").read_text()
    assert sorted(re.findall(r"^#?\s?(PACKSHOT_\w+)=", text, re.MULTILINE)) == sorted(NAMES)


def test_the_example_gives_the_defaults():
    text = (ROOT / ".env.example").read_text()
    given = dict(re.findall(r"^# (PACKSHOT_\w+)=(.*)$", text, re.MULTILINE))
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else str(field.default)
        assert given[f"PACKSHOT_{name.upper()}"] == default


def test_the_guide_explains_every_setting():
    text = (ROOT / "docs" / "settings.md").read_text()
    for name, field in Settings.model_fields.items():
        assert f"| `PACKSHOT_{name.upper()}` |" in text
        assert (field.description or "") in text
