"""Which reader a file needs."""

from pathlib import PurePath

from catalogue.issues import refuse
from catalogue.json_lines import read_json_lines
from catalogue.separated import read_csv
from catalogue.sheet import Sheet

_JSON_LINES = {".jsonl", ".ndjson"}
_JSON_LINES_TYPES = {
    "application/jsonl",
    "application/jsonlines",
    "application/json-lines",
    "application/ndjson",
    "application/x-jsonlines",
    "application/x-ndjson",
}


def read_sheet(content: bytes, *, name: str = "", content_type: str = "") -> Sheet:
    """Read a CSV or JSONL file, told apart by its extension, then by its content type.

    Args:
        content: The file.
        name: Its name, for its extension.
        content_type: What the client says that it is.

    Raises:
        InvalidSheetError: saying what is wrong, line by line, and what to do.
    """
    extension = PurePath(name).suffix.lower()
    if extension == ".json":
        refuse(
            "A .json file is neither CSV nor JSONL. Write one JSON object per line and call it "
            '.jsonl, or send the rows as `application/json`: {"rows": [...]}.'
        )
    media_type = content_type.partition(";")[0].strip().lower()
    if extension in _JSON_LINES or (not extension and media_type in _JSON_LINES_TYPES):
        return read_json_lines(content)
    if media_type in _JSON_LINES_TYPES and extension not in {".csv", ".tsv", ".txt"}:
        return read_json_lines(content)
    return read_csv(content)
