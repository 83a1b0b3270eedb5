"""An album beside a sheet: which photograph is whose row's."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from api.submission.album import KeptAlbum
from api.submission.modes import mode_of
from api.submission.upload import SheetRequest
from catalogue.photograph_files import MatchRemark, describe_matches, match_files
from core.domain.photograph_spec import ImageMode


@dataclass(frozen=True, kw_only=True)
class AlbumMatches:
    """How an album and a sheet fit together."""

    photographs: int
    rows: int
    matched: int
    """Rows that have a photograph of the album."""
    used: bool
    """Whether images are made of photographs at all."""
    remarks: Sequence[MatchRemark]
    """What belongs to nothing, both ways."""


def use_album(request: SheetRequest, album: KeptAlbum) -> tuple[SheetRequest, AlbumMatches | None]:
    """Assign rows their photographs, by file name or SKU, as `packshot submit --photos` does.

    Returns:
        The request, and how they fit; None: the album is empty.
    """
    if not album.kept:
        return request, None
    matched = match_files(request.sheet, sorted(album.kept))
    matches = AlbumMatches(
        photographs=len(album.kept),
        rows=len(request.sheet.rows),
        matched=len(matched.by_line),
        used=mode_of(request.fields) is not ImageMode.TEXT,
        remarks=describe_matches(request.sheet, matched),
    )
    if not matches.used:
        return request, matches
    named = {line: str(album.kept[path]) for line, path in matched.by_line.items()}
    fields = request.fields.model_copy(update={"photographs": named})
    return replace(request, fields=fields), matches
