"""results.csv: the sheet's own columns, and what became of each image."""

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

OUTCOME = (
    *("variant", "status", "error", "error_code", "retry_helps"),
    *("image", "seed", "cache", "seconds", "warning", "model", "revision"),
    *("ai_use", "alt_text"),
    *("approval", "judged_by", "judged_at", "judgement"),
)
"""The columns that follow the sheet's own."""

PHOTOGRAPH = (
    *("needs_review", "review_reasons", "confidence", "scale", "identical", "compared_pixels"),
    *("source_digest", "result_digest", "photograph", "expansion", "background"),
    *("tries", "photograph_cache", "cutout_cache"),
)
"""Further columns where images are made of photographs: see `api.schemas.photographs`."""

LINE, REASON = "packshot_line", "packshot_reason"
"""The columns behind those of rows that were left out: see `catalogue.skipping`."""
THUMBNAIL = "thumbnail"
"""The last column of results.xlsx, which holds small pictures."""

_BLANK = r"\x00-\x08\v\f\x0e-\x20\x7f-\xa0\xad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f"
_BLANK += r"\u205f-\u2069\u3000\ufeff"
"""What spreadsheets skip or nobody sees: blanks, control and format characters."""
_ENDS = r"\t\r\n"
_FORMULA = "[=+\\-@＝＋－＠]"
_BEGINNING = (
    rf"^%s(?='*[{_ENDS}]|[{_BLANK}{_ENDS}\"']*{_FORMULA})"
    rf"|(?<=[;|{_ENDS}])%s(?=[{_BLANK}\"']*{_FORMULA})"
)
"""Where a formula would begin: at the start of a cell, or behind what ends one for a spreadsheet
that separates at semicolons, pipes or tabs, and so does not see our quotes."""
_TO_NEUTRALISE = re.compile(_BEGINNING % ("", ""))
_NEUTRALISED = re.compile(_BEGINNING % ("'", "'"))


@dataclass(frozen=True, kw_only=True)
class ResultLine:
    """One line."""

    row: Mapping[str, Any]
    """The sheet's cells."""
    variant: int
    status: str
    error: str | None
    error_code: str | None
    retry_helps: bool | None
    """Whether asking for the same image again may succeed; None: it has not failed."""
    image: str | None
    """Path of its URL."""
    seed: int
    cache: str
    seconds: float | None
    warning: str | None
    model: str | None
    """The name of what made it."""
    revision: str | None
    """Of that model's bundle."""
    ai_use: str | None
    """How much of the image a machine made: see `core.pictures.provenance.AiUse`."""
    alt_text: str = ""
    """What stands for the image where it is not seen."""
    approval: str = "pending"
    """What somebody said of the image: pending, approved or rejected."""
    judged_by: str | None = None
    """The name of the key that said it."""
    judged_at: str | None = None
    """When: ISO 8601."""
    judgement: str | None = None
    """Why."""
    further: Sequence[str | None] = ()
    """What the further columns say, of its photograph and its files."""


def photograph_cells(
    quality: Mapping[str, Any] | None, photograph: Mapping[str, Any] | None
) -> list[str | None]:
    """Return what the columns `PHOTOGRAPH` say of an image.

    Args:
        quality: See `catalogue.cutouts.finishing.assess`; None: there is no image.
        photograph: See `core.domain.photograph_spec.PhotographSpec`; None: it has none.
    """
    known = dict(quality or {})
    if quality:
        known["review_reasons"] = " ".join(quality["reasons"])
        known["photograph_cache"] = quality["source"]
        known["cutout_cache"] = quality.get("cutout")
    if photograph:
        known["photograph"] = photograph["source"]
    values = (known.get(name) for name in PHOTOGRAPH)
    return [None if value is None else cell_text(value) for value in values]


def neutralise(text: str) -> str:
    """Keep spreadsheets from taking a cell, or a part of it, for a formula (CWE-1236).

    An apostrophe goes before whatever would begin one, also where the spreadsheet separates the
    cells at another character than the comma.
    """
    return _TO_NEUTRALISE.sub("'", text)


def restore(text: str) -> str:
    """Take away the apostrophes that `neutralise` put there, and no other."""
    return _NEUTRALISED.sub("", text)


def format_header(columns: Sequence[str], further: Sequence[str] = ()) -> str:
    """Write the first line; `further` names the columns of `ResultLine.further`."""
    return _format([[*map(neutralise, columns), *OUTCOME, *further]])


def format_lines(columns: Sequence[str], outcomes: Iterable[ResultLine]) -> str:
    """Write one line per image (RFC 4180, CRLF)."""
    return _format(
        [
            *(neutralise(cell_text(outcome.row.get(column))) for column in columns),
            *(neutralise(cell_text(getattr(outcome, name))) for name in OUTCOME),
            *(neutralise(cell_text(text)) for text in outcome.further),
        ]
        for outcome in outcomes
    )


def format_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Write a table whose cells no spreadsheet takes for formulas (RFC 4180, CRLF)."""
    lines = ([neutralise(cell_text(value)) for value in row] for row in rows)
    return _format([[*map(neutralise, columns)], *lines])


def cell_text(value: Any) -> str:
    """Return a cell as text: what is no text as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _format(lines: Iterable[Sequence[str]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerows(lines)
    return buffer.getvalue()
