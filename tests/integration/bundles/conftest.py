"""The microscopic model, as the tests of making bundles need it."""

import shutil
import warnings
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def microscopic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete model in diffusers' layout."""
    from bundles.microscopic import save_microscopic

    return save_microscopic(tmp_path_factory.mktemp("source") / "tiny")


@pytest.fixture(scope="session")
def bundle(microscopic: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle that packshot makes of it, with whole weights."""
    from modelkit.export.build import build

    target = tmp_path_factory.mktemp("bundles") / "tiny"
    build(microscopic, target, precision="fp32")
    return target


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
