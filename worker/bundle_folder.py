"""A configured model's bundle on disk, which may be replaced at any time."""

from pathlib import Path

import structlog

from bundles.manifest import Manifest
from bundles.manifest_file import load_manifest, read_mark
from bundles.row_memory import weights_bytes
from core.errors import BundleError

log = structlog.get_logger(__name__)

RETRY_SECONDS = 300.0
"""After which a bundle that could not be loaded is tried again; one that is replaced, at once."""


class BundleFolder:
    """A bundle, as its folder was when it was last looked at."""

    def __init__(self, *, name: str, folder: Path) -> None:
        """Wire it, without a look.

        Args:
            name: The model's.
            folder: The bundle's.
        """
        self.name = name
        self.folder = folder
        self.mark: tuple[int, ...] | None = None
        """Changes when it is replaced."""
        self.manifest: Manifest | None = None
        """None: it cannot be read."""
        self.weight = 0
        """Bytes of its weights."""
        self.failed_at = float("-inf")
        """When it could not be loaded."""

    def refresh(self) -> None:
        """Read the manifest if it was replaced; one that cannot be read is named in the log."""
        mark = read_mark(self.folder)
        if mark == self.mark and (mark or self.manifest):
            return
        manifest = None
        try:
            manifest = load_manifest(self.folder)
        except BundleError as error:
            if mark != self.mark:
                log.error("model not served", model=self.name, reason=error.detail)
        self.mark, self.manifest, self.weight = mark, manifest, weights_bytes(self.folder)
        self.failed_at = float("-inf")

    def loadable(self, now: float) -> bool:
        """Check whether it may be loaded, as far as is known."""
        return self.manifest is not None and now - self.failed_at >= RETRY_SECONDS
