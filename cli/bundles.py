"""The bundles of this home folder."""

from pathlib import Path

from bundles.workshop import recover
from core.settings import Settings


def bundles_folder(settings: Settings) -> Path:
    """Return where `packshot model build` puts bundles."""
    return settings.home.expanduser().resolve() / "bundles"


def find_bundle(text: str, settings: Settings) -> Path:
    """Return the folder of a bundle that is named by its path, or by its name in this home."""
    recover(bundles_folder(settings))
    named = bundles_folder(settings) / text
    return named if named.is_dir() and not Path(text).is_dir() else Path(text)
