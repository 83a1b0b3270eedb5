"""What the API answers, as far as the command needs it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

OPEN_STATES = frozenset({"queued", "running"})


@dataclass(frozen=True, kw_only=True)
class BatchRecord:
    """One sheet."""

    id: str
    name: str
    total: int
    counts: Mapping[str, int]
    """Images by state."""
    warnings: Sequence[Mapping[str, Any]]
    skipped: int = 0
    """Rows that were left out as bad ones."""
    notes: Sequence[Mapping[str, Any]] = ()
    """What is right and good to know of its sheet."""
    detected: Mapping[str, Any] | None = None
    """How its sheet was read."""
    waiting_for_model: int = 0
    """Images whose model no worker serves, while workers serve another one."""

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Read the JSON of a batch."""
        return cls(
            id=body["id"],
            name=body.get("name") or "",
            total=body["total"],
            counts=body["counts"],
            warnings=body.get("warnings") or (),
            skipped=int(body.get("skipped") or 0),
            notes=body.get("notes") or (),
            detected=body.get("detected"),
            waiting_for_model=body.get("waiting_for_model", 0),
        )

    @property
    def finished(self) -> int:
        """Return how many images will not change any more."""
        return self.total - sum(self.counts.get(state, 0) for state in OPEN_STATES)


@dataclass(frozen=True, kw_only=True)
class ImageRecord:
    """Where an image is."""

    url: str
    """Path on the server."""
    content_type: str
    digest: str
    """SHA-256 of the bytes, hex."""


@dataclass(frozen=True, kw_only=True)
class BatchItem:
    """One wanted image."""

    id: str
    line: int | None
    """Line of the sheet."""
    sku: str
    variant: int
    state: str
    cache: str | None
    prompt: str
    error: str | None
    """Why there is no image, in words."""
    picture: ImageRecord | None
    file_name: str | None = None
    """What its file is to be called, where somebody asked for a name."""
    renditions: Mapping[str, str] = field(default_factory=dict)
    """The file's name on each channel that was asked for."""

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Read the JSON of a job."""
        image, error = body.get("image"), body.get("error")
        return cls(
            id=body["id"],
            line=body.get("line"),
            sku=body.get("sku") or "",
            variant=body["variant"],
            state=body["state"],
            cache=body.get("cache"),
            prompt=body["prompt"],
            error=error["message"] if error else None,
            picture=ImageRecord(
                url=image["url"], content_type=image["content_type"], digest=image["digest"]
            )
            if image
            else None,
            file_name=body.get("file_name"),
            renditions={one["channel"]: one["file_name"] for one in body.get("renditions") or ()},
        )

    @property
    def is_final(self) -> bool:
        """Return whether it will not change any more."""
        return self.state not in OPEN_STATES


@dataclass(frozen=True, kw_only=True)
class ListPage:
    """Some items of a batch, in the order of the sheet."""

    items: Sequence[BatchItem]
    next: str | None
    """Cursor of the page that follows; None on the last one."""
