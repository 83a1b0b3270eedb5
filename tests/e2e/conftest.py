"""The command on a home folder of its own, with a model that costs next to nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.command import Packshot

MICROSCOPIC = """
import sys
from pathlib import Path
from bundles.microscopic import save_microscopic
save_microscopic(Path(sys.argv[1]))
"""


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A microscopic bundle, built by the command itself."""
    home = tmp_path_factory.mktemp("models")
    source = home / "source"
    packshot = Packshot(home=home, bundle=home / "none", folder=home)
    subprocess.run(
        [sys.executable, "-c", MICROSCOPIC, str(source)], env=packshot.environment, check=True
    )
    built = packshot.run("model", "build", source, "--name", "microscopic")
    assert built.returncode == 0, built.stderr
    return Path(built.stdout.strip())


@pytest.fixture
def packshot(tmp_path: Path, bundle: Path) -> Packshot:
    """The command on a home folder that nobody used before."""
    return Packshot(home=tmp_path / "home", bundle=bundle, folder=tmp_path)
