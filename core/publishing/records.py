"""What a publish run knows of a product and of its images; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class GalleryImage:
    """An image that a product has in a store."""

    id: str
    """The store's own."""
    alt: str

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Read one that `document` wrote."""
        return cls(id=str(document["id"]), alt=str(document["alt"]))

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


Gallery = Sequence[GalleryImage]
"""A product's images in its order; the first is the main one."""


@dataclass(frozen=True, kw_only=True)
class ImageToPublish:
    """An image that a run adds to a product."""

    job_id: UUID
    sku: str
    name: str
    """Its file's in the store, which no other file has: a repeated upload is recognised by it."""
    alt: str
    remote: str | None = None
    """The store's id; empty: it was not uploaded yet, or nobody knows."""
    withheld: bool = False
    """Whether it is left out: it is gone, or nobody approves of it any more."""

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Read one that `document` wrote."""
        return cls(**{**document, "job_id": UUID(document["job_id"])})

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**asdict(self), "job_id": str(self.job_id)}


def placed(before: Gallery, added: Gallery, *, first: bool, most: int | None) -> Gallery:
    """Return a product's images with the new ones among them.

    Args:
        before: What it has.
        added: The new ones, which may be among those already.
        first: Whether they go before the others.
        most: Images that it can have; the new ones then take the place of the last.
    """
    new = {one.id for one in added}
    others = [one for one in before if one.id not in new]
    if most is not None:
        kept = list(added[:most])
        others = others[: most - len(kept)]
        return [*kept, *others] if first else [*others, *kept]
    return [*added, *others] if first else [*others, *added]


def restored(
    before: Gallery, present: Gallery, ours: set[str], *, displaced: bool = False
) -> Gallery:
    """Return what a product gets back: what it had, and behind it what others added since.

    Args:
        before: What it had, with order and texts.
        present: What it has; what somebody has deleted since does not come back.
        ours: Ids of what the run added.
        displaced: Whether what it had and has not made room for what the run added.
    """
    there = {one.id for one in (*present, *(before if displaced else ()))}
    had = {one.id for one in before}
    since = [one for one in present if one.id not in had and one.id not in ours]
    return [*(one for one in before if one.id in there), *since]
