"""One image that a caller asks for: its spec, its model, and what is no part of it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from core.domain.image_spec import ImageSpec, ModelInput
from core.domain.photograph_spec import PROMPTED


@dataclass(frozen=True, kw_only=True)
class ModelRevision:
    """The model that makes an image, as its bundle is at the moment."""

    name: str
    """What requests call it; no part of what the image is."""
    revision: str
    """Of its bundle; a new one never serves an old one's images."""
    reads: ModelInput = field(default_factory=ModelInput)
    """What of a request it sees."""


@dataclass(frozen=True, kw_only=True)
class ImageRequest:
    """One image that a caller asks for, validated."""

    spec: ImageSpec
    """Its seed as the caller gave it."""
    model: ModelRevision
    variant: int = 1
    sku: str = ""
    line: int | None = None
    row: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    """File names by channel: see `core.db.models.Job.files`."""
    alt_text: str = ""
    """What stands for the image where it is not seen; no part of what it is."""
    warning: str | None = None
    deadline_at: datetime | None = None
    approximate: bool = False
    """Whether it may begin with the latents of a near prompt's image."""
    callback_url: str | None = None
    """Where its end is told; no part of what it is."""

    def fingerprint(self) -> str:
        """Digest what decides this image, computed from the first step on."""
        if self.spec.mode in PROMPTED:
            # With its seed, which what is drawn decides: a worker that has fetched a photograph
            # knows no other, and has to come to the same digest.
            return self.decided("").fingerprint(self.model.revision, reads=self.model.reads)
        return self.spec.fingerprint(
            self.model.revision, variant=self.variant, reads=self.model.reads
        )

    def approximate_fingerprint(self) -> str:
        """Digest what decides it when it may begin with another's latents."""
        return self.spec.fingerprint(
            self.model.revision, variant=self.variant, reads=self.model.reads, approximate=True
        )

    def scope(self) -> str:
        """Digest what it must share with an image whose latents it begins with."""
        return self.spec.scope(self.model.revision, variant=self.variant, reads=self.model.reads)

    def decided(self, digest: str) -> ImageSpec:
        """Return the spec with its seed, decided by what `fingerprint` returns.

        A scene's is decided by its background alone, so that a catalogue shares one; an edit's by
        all but its photograph.
        """
        if self.spec.mode in PROMPTED:
            digest = self.spec.drawn.fingerprint(
                self.model.revision, variant=self.variant, reads=self.model.reads
            )
        return self.spec.decided(digest, self.variant)

    def job(self, digest: str) -> dict[str, Any]:
        """Return the columns of `core.db.models.Job` that say what is wanted; see `decided`."""
        shown = ("line", "row", "sku", "variant", "files", "alt_text", "warning")
        named = (*shown, "deadline_at", "callback_url")
        columns = self.decided(digest).document() | {name: getattr(self, name) for name in named}
        return columns | {"model": self.model.name, "bundle_revision": self.model.revision}
