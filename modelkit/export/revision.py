"""A bundle's identity."""

from collections.abc import Iterable
from pathlib import Path

from bundles.records import Record
from modelkit.export.source import content_hash

_WEIGHTS = ("*.bin", "*.safetensors")


def revision_of(order: str, bundle: Path, measured: Iterable[Record]) -> str:
    """Give what identifies a bundle: the order, and what measurements made of it.

    Most bundles follow from their order. What is chosen or scaled by measuring may come out
    differently on another machine; then its weights tell, and images are not taken for each
    other's.

    Args:
        order: Hash of the source and the options.
        bundle: The finished parts.
        measured: What was found out while they were made.
    """
    found = [record.model_dump(mode="json") for record in measured]
    if not found:
        return order
    return content_hash(bundle, {"order": order, "measured": found}, patterns=_WEIGHTS)
