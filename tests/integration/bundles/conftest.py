"""The microscopic model, as the tests of making bundles need it."""

import shutil
import warnings
from pathlib import Path

import pytest

from tests.support.made_once import MadeOnce


@pytest.fixture(scope="session")
def bundle(made_once: MadeOnce) -> Path:
    """The bundle that packshot makes of the microscopic model, with whole weights."""
    return made_once.bundle(precision="fp32")


@pytest.fixture(scope="session")
def converted(microscopic: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What optimum-intel makes of it: the layout of converted models on the Hub."""
    folder = tmp_path_factory.mktemp("converted") / "tiny-ov"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from optimum.intel import OVStableDiffusionPipeline

        pipeline = OVStableDiffusionPipeline.from_pretrained(
            microscopic, export=True, compile=False, load_in_8bit=False
        )
        pipeline.save_pretrained(folder)
        pipeline.model_save_dir.cleanup()
    shutil.copyfile(microscopic / "packshot.json", folder / "packshot.json")
    return folder
