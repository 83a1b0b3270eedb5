"""What is left of a build that is killed, and what the next one makes of it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bundles.manifest import FILE_NAME
from bundles.manifest_file import load_manifest
from bundles.workshop import Workshop, recover
from cli.bundles import find_bundle
from core.settings import Settings
from modelkit.export.build import build

ROOT = Path(__file__).parents[3]
PATIENCE_SECONDS = 300

KILL = "import os, signal; die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"

BEFORE_THE_UNET = f"""{KILL}
from bundles.workshop import Workshop
part = Workshop.part
Workshop.part = lambda self, name: die() if name == "unet" else part(self, name)
"""

BETWEEN_THE_RENAMES = f"""{KILL}
from pathlib import Path
replace = Path.replace
Path.replace = lambda self, to: die() if self.name == "bundle" else replace(self, to)
"""

BUILD = """
import sys
from pathlib import Path
from modelkit.export.build import build
build(Path(sys.argv[1]), Path(sys.argv[2]), precision="fp32")
"""


def build_until(death: str, source: Path, target: Path) -> None:
    """Build in a process of its own, which kills itself at some place."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", death + BUILD, str(source), str(target)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A bundle that is to be replaced; next to nothing of one."""
    folder = tmp_path / "bundles" / "mine"
    folder.mkdir(parents=True)
    (folder / FILE_NAME).write_text(f'{{"name": "old", "revision": "{"a" * 64}", "source": "old"}}')
    return folder


def test_a_killed_build_leaves_the_old_bundle_and_the_next_one_resumes(microscopic, old):
    build_until(BEFORE_THE_UNET, microscopic, old)
    assert load_manifest(old).name == "old"
    made = Workshop(old, key="").bundle / "vae_decoder" / "openvino_model.bin"
    before = made.stat()

    manifest = build(microscopic, old, precision="fp32")
    after = (old / "vae_decoder" / "openvino_model.bin").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert load_manifest(old) == manifest
    assert [path.name for path in old.parent.iterdir()] == ["mine"]


def test_a_build_that_is_killed_while_it_replaces_the_old_bundle_loses_neither(microscopic, old):
    build_until(BETWEEN_THE_RENAMES, microscopic, old)
    assert not old.exists()
    assert load_manifest(old).name == "old", "looking for it brings it back"

    made = Workshop(old, key="").bundle / "unet" / "openvino_model.bin"
    before = made.stat().st_ino
    manifest = build(microscopic, old, precision="fp32")
    assert (old / "unet" / "openvino_model.bin").stat().st_ino == before
    assert load_manifest(old) == manifest
    assert [path.name for path in old.parent.iterdir()] == ["mine"]


@pytest.fixture
def aside(old: Path) -> Path:
    """The old bundle as a build leaves it that is killed between the two renames."""
    workshop = Workshop(old, key="before")
    with workshop:
        (workshop.bundle / FILE_NAME).write_text("new")
        old.replace(workshop.folder / "old")
    return old


def test_another_build_brings_it_back_before_it_forgets_the_first(aside):
    with Workshop(aside, key="after") as workshop:
        assert load_manifest(aside).name == "old"
        assert not any(workshop.bundle.iterdir())


def test_by_its_name_it_is_found_again(aside, tmp_path):
    assert find_bundle("mine", Settings(_env_file=None, home=tmp_path)) == aside
    assert load_manifest(aside).name == "old"


def test_what_was_replaced_before_the_death_is_cleaned_up(aside):
    workshop = Workshop(aside, key="before")
    workshop.bundle.replace(aside)
    recover(aside.parent)
    assert (aside / FILE_NAME).read_text() == "new"
    assert not (workshop.folder / "old").exists()


def test_nothing_is_recovered_where_nothing_was_built(tmp_path):
    recover(tmp_path / "nowhere")
    assert not list(tmp_path.iterdir())
