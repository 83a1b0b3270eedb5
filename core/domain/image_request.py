"""One image that a caller asks for: its spec, and what is no part of it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from core.domain.image_spec import ImageSpec, ModelInput


@dataclass(frozen=True, kw_only=True)
class ImageRequest:
    """One image that a caller asks for, validated."""

    spec: ImageSpec
    """Its seed as the caller gave it."""
    variant: int = 1
    sku: str = ""
    line: int | None = None
    row: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    """File names by channel: see `core.db.models.Job.files`."""
    warning: str | None = None
    deadline_at: datetime | None = None
    approximate: bool = False
    """Whether it may begin with the latents of a near prompt's image."""
    callback_url: str | None = None
    """Where its end is told; no part of what it is."""
    reads: ModelInput = field(default_factory=ModelInput)
    """What of it the bundle's model sees."""

    def fingerprint(self, bundle_revision: str) -> str:
        """Digest what decides this image, computed from the first step on."""
        return self.spec.fingerprint(bundle_revision, variant=self.variant, reads=self.reads)

    def approximate_fingerprint(self, bundle_revision: str) -> str:
        """Digest what decides it when it may begin with another's latents."""
        return self.spec.fingerprint(
            bundle_revision, variant=self.variant, reads=self.reads, approximate=True
        )

    def scope(self, bundle_revision: str) -> str:
        """Digest what it must share with an image whose latents it begins with."""
        return self.spec.scope(bundle_revision, variant=self.variant, reads=self.reads)

    def decided(self, digest: str) -> ImageSpec:
        """Return the spec with its seed, decided by what `fingerprint` returns."""
        return self.spec.decided(digest, self.variant)

    def job(self, digest: str) -> dict[str, Any]:
        """Return the columns of `core.db.models.Job` that say what is wanted; see `decided`."""
        shown = ("line", "row", "sku", "variant", "files", "warning")
        named = (*shown, "deadline_at", "callback_url")
        return self.decided(digest).document() | {name: getattr(self, name) for name in named}
