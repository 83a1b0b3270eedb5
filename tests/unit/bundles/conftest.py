"""The microscopic model: as a source, and as a bundle."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def microscopic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete model in diffusers' layout; copy it before changing anything."""
    from bundles.microscopic import save_microscopic

    return save_microscopic(tmp_path_factory.mktemp("source") / "tiny")
