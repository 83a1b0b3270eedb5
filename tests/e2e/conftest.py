"""The command on a home folder of its own, with a model that costs next to nothing."""

from pathlib import Path

import pytest

from tests.e2e.command import Packshot
from tests.support.made_once import MadeOnce


@pytest.fixture(scope="session")
def bundle(made_once: MadeOnce) -> Path:
    """A microscopic bundle."""
    return made_once.bundle()


@pytest.fixture
def packshot(tmp_path: Path, bundle: Path) -> Packshot:
    """The command on a home folder that nobody used before."""
    packshot = Packshot(home=tmp_path / "home", bundle=bundle, folder=tmp_path)
    # Each takes seconds to start; `packshot up` is tested with as many as there are by default.
    packshot.environment["PACKSHOT_API_PROCESSES"] = "1"
    return packshot
