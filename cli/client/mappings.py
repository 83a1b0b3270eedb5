"""Mappings of columns that a server remembers."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from catalogue.sheets.model import Recall, RememberedMapping, SheetSource
from cli.client.http import Client

PATH = "/v1/mappings"


def list_mappings(client: Client) -> Iterator[Mapping[str, Any]]:
    """Yield all that a server remembers, newest first."""
    cursor: str | None = None
    while True:
        page = client.ask("GET", PATH, query={"cursor": cursor} if cursor else None)
        yield from page["items"]
        cursor = page["next"]
        if cursor is None:
            return


def recall_of(client: Client) -> Recall:
    """Make what asks a server for its mapping of a header: a sheet is read here as it is there."""

    def recall(signature: str) -> RememberedMapping | None:
        found = client.ask("GET", PATH, query={"signature": signature})["items"]
        return _read(found[0]) if found else None

    return recall


def _read(found: Mapping[str, Any]) -> RememberedMapping:
    return RememberedMapping(
        id=found["id"],
        columns=found["columns"],
        source=SheetSource(found["source"]) if found["source"] else None,
        last_used_at=datetime.fromisoformat(found["last_used_at"]),
    )
