"""Photographs in store that are smaller than a channel takes: named before anything is made."""

from collections.abc import Collection, Sequence

from sqlmodel import Session

from catalogue.channels import find_channel
from catalogue.issues import Issues
from core.domain.image_request import ImageRequest
from core.domain.photograph_spec import is_digest
from core.sources import rows

SHOWN_LINES = 10
"""Lines of photographs that are too small."""


def warn_of_channels(
    session: Session,
    tenant: str,
    images: Sequence[ImageRequest],
    channels: Collection[str],
    warnings: Issues,
) -> None:
    """Note for each channel how many photographs have fewer pixels than the least that it takes.

    Args:
        session: An open transaction.
        tenant: Whose photographs they are.
        images: What is wanted of them.
        channels: Their names, with or without a format.
        warnings: Where it is noted.
    """
    if not channels:
        return
    named = [(one.line, one.spec.photograph.source) for one in images if one.spec.photograph]
    sizes = rows.sizes(session, tenant, {source for _, source in named if is_digest(source)})
    known = [(line, max(sizes[source])) for line, source in named if source in sizes]
    for channel in map(find_channel, dict.fromkeys(channels)):
        least = channel.preset.smallest
        small = [line for line, side in known if side < least]
        if small:
            warnings.add(
                f"Too small for {channel.name}: {len(small):,} of {len(known):,} photographs in "
                f"store, whose longer side has fewer than its {least:,} pixels: lines "
                f"{shown_lines(small)}. Their products are enlarged for it. Send larger ones.",
                line=small[0],
                column="image",
            )


def shown_lines(lines: Sequence[int | None]) -> str:
    """Name the first lines of many, and count the rest."""
    more = f" and {len(lines) - SHOWN_LINES:,} more" if len(lines) > SHOWN_LINES else ""
    return ", ".join(map(str, lines[:SHOWN_LINES])) + more
