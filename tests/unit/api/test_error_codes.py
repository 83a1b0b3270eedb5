"""Every error code is documented, with whether a retry helps."""

import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import api
import catalogue
import core
from core.errors import PackshotError

FRAMEWORK = {"bad_request": False, "method_not_allowed": False}
"""Codes of what the web framework refuses itself: `api.problems.http_problem`."""
GUIDE = Path(__file__).parents[3] / "docs" / "api-keys-and-limits.md"


def errors() -> dict[str, bool]:
    """Find every error that a caller may see, by its code."""
    for package in (api, catalogue, core):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    found: dict[str, bool] = {}
    waiting = [PackshotError]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.__module__.partition(".")[0] in {"api", "catalogue", "core"}:
            assert found.setdefault(kind.code, kind.retry_helps) is kind.retry_helps, kind
    return found


@pytest.fixture(scope="module")
def documented() -> dict[str, bool]:
    rows = re.findall(
        r"^\| `([a-z0-9_]+)` \| [^|]+ \| (yes|no) \|", GUIDE.read_text(), re.MULTILINE
    )
    return {code: helps == "yes" for code, helps in rows}


def test_the_guide_says_of_every_code_whether_a_retry_helps(documented):
    assert documented == errors() | FRAMEWORK
