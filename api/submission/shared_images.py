"""Which rows of a sheet will share an image, and what they differ in."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from api.schemas.sheets import SharedImage, SharedImages
from catalogue.remarks import differences, is_visible
from catalogue.sheets.model import Sheet, SheetRow
from core.domain.image_request import ImageRequest

SHOWN_ROWS = 100
"""Of one image."""
SHOWN_VALUES = 20
"""Of one field."""


def list_shared(
    sheet: Sheet, images: Iterable[tuple[ImageRequest, str]], *, shown: int
) -> SharedImages:
    """Group the rows of a sheet whose images are the same.

    Args:
        sheet: Whose rows they are.
        images: What the sheet asks for, each with its fingerprint.
        shown: How many groups are described.
    """
    groups: dict[str, list[ImageRequest]] = defaultdict(list)
    for one, digest in images:
        # The other variants of these rows are shared alike.
        if one.variant == 1:
            groups[digest].append(one)
    shared = [group for group in groups.values() if len(group) > 1]
    rows = {row.line: row for row in sheet.rows} if shared else {}
    title = sheet.reading.columns.get("title")
    return SharedImages(
        images=len(shared),
        rows=sum(map(len, shared)),
        listed=[
            _describe(group, [rows[one.line] for one in group if one.line in rows], title)
            for group in shared[:shown]
        ],
    )


def _describe(
    group: Sequence[ImageRequest], rows: Sequence[SheetRow], title: str | None
) -> SharedImage:
    found = differences(rows, title)
    return SharedImage(
        prompt=group[0].spec.prompt,
        rows=len(group),
        skus=[one.sku for one in group[:SHOWN_ROWS]],
        lines=[one.line for one in group[:SHOWN_ROWS] if one.line is not None],
        differences={name: list(values[:SHOWN_VALUES]) for name, values in found.items()},
        visible=[
            name for name, values in found.items() if name != title and is_visible(name, values)
        ],
    )
