"""What a seller should know of a rendition before a channel sees it."""

from catalogue.channels import Channel, Ground


def round_factor(factor: float | None) -> float | None:
    """Round an enlargement to what a reader can use: 2.3, 12; None where none is to be seen."""
    if factor is None:
        return None
    rounded = round(factor, 1) if factor < 10 else float(round(factor))
    return rounded if rounded > 1 else None


def note_on(
    channel: Channel, *, ground: str, upscaled: float | None, unclear: bool = False
) -> str | None:
    """Say where a rendition falls short of its channel's rules; None: nowhere.

    Args:
        channel: What it was made for.
        ground: What its background is: `white` or `kept`.
        upscaled: By how much, where there were too few pixels.
        unclear: Whether it was made white although the product can hardly be told from it.
    """
    notes = []
    if unclear:
        notes.append(
            "The product can hardly be told from its white background: parts of it may have "
            "become white. Look at it, and ask for a darker background if they have."
        )
    if channel.preset.ground is Ground.WHITE and ground != Ground.WHITE:
        notes.append(
            f"The background is not white, as {channel.name.partition('.')[0]} wants it: it was "
            "drawn in another colour, and kept."
        )
    if factor := round_factor(upscaled):
        notes.append(f"It was enlarged {factor:g}×, which adds no detail.")
    return " ".join(notes) or None
