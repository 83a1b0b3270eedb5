"""`packshot map`: what a server remembers, listed and forgotten."""

import json

import httpx
import pytest
from typer.testing import CliRunner

from catalogue.proposals import signature_of
from cli.client.http import Client
from cli.client.mappings import recall_of
from cli.commands import map as command
from cli.errors import UsageError
from cli.main import app

ID = "01a23482-9d24-7110-89ee-ea6ce02b7eca"
MAPPING = {
    "id": ID,
    "signature": signature_of(["Artikel"]),
    "columns": {"sku": "Artikel"},
    "source": None,
    "sheet": "preise.xlsx",
    "created_at": "2026-12-01T10:00:00Z",
    "last_used_at": "2026-12-02T10:00:00Z",
}


@pytest.fixture
def kept(monkeypatch):
    """Mappings of a server, which gives one on a page."""
    found = [MAPPING, {**MAPPING, "id": ID.replace("0", "1"), "sheet": "other.csv"}]

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "DELETE":
            found[:] = [one for one in found if not request.url.path.endswith(one["id"])]
            return httpx.Response(204)
        assert request.url.path == "/v1/mappings"
        chosen = request.url.params.get("signature")
        items = [one for one in found if chosen in (None, one["signature"])]
        at = int(request.url.params.get("cursor", 0))
        after = str(at + 1) if at + 1 < len(items) else None
        return httpx.Response(200, json={"items": items[at : at + 1], "next": after})

    def connect(url: str | None, key: str | None) -> Client:
        return Client("http://shop.test", "psk", transport=httpx.MockTransport(answer))

    monkeypatch.setattr(command, "connect", connect)
    return found


def run(*arguments: str):
    return CliRunner().invoke(app, ["map", *arguments])


def test_they_are_listed_for_people_and_as_json(kept):
    listed = run("--list").output
    assert "sku=Artikel" in listed
    assert "other.csv" in listed
    assert json.loads(run("--list", "--json").output)["items"] == kept


def test_one_is_forgotten(kept):
    assert run("--forget", ID).exit_code == 0
    assert [one["sheet"] for one in kept] == ["other.csv"]


@pytest.mark.parametrize("arguments", [(), ("--list", "--forget", ID), ("a.csv", "--list")])
def test_one_thing_is_asked_for(kept, arguments):
    assert isinstance(run(*arguments).exception, UsageError)


def test_a_sheet_is_read_here_as_it_is_there(kept):
    with command.connect(None, None) as client:
        recall = recall_of(client)
        assert recall(signature_of(["artikel "])).columns == {"sku": "Artikel"}
        assert recall(signature_of(["Ware"])) is None
