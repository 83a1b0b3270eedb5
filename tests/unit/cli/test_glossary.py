"""`packshot glossary`: read, changed word by word, and replaced by a file."""

import json

import httpx
import pytest
from typer.testing import CliRunner

from cli.client.http import Client
from cli.commands import glossary
from cli.errors import UsageError
from cli.main import app


@pytest.fixture
def kept(monkeypatch):
    """The glossary of a server."""
    entries = {"Becher": "mug", "SALE": ""}

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/v1/glossary"
        if request.method == "PUT":
            sent = json.loads(request.content)["entries"]
            entries.clear()
            entries.update(sent)
        return httpx.Response(200, json={"entries": entries, "updated_at": None})

    def connect(url: str | None, key: str | None) -> Client:
        return Client("http://shop.test", "psk", transport=httpx.MockTransport(answer))

    monkeypatch.setattr(glossary, "connect", connect)
    return entries


def run(*arguments: str):
    return CliRunner().invoke(app, ["glossary", *arguments])


def test_it_is_listed_for_people_and_as_json(kept):
    listed = run("list").output
    assert "Becher" in listed
    assert "(left out)" in listed
    assert json.loads(run("list", "--json").output)["entries"] == kept


def test_a_word_is_added_replaced_and_removed_in_whatever_case(kept):
    run("set", "Vase", "vase")
    run("set", "BECHER", "cup")
    assert kept == {"SALE": "", "Vase": "vase", "BECHER": "cup"}
    run("remove", "becher")
    assert kept == {"SALE": "", "Vase": "vase"}
    result = run("remove", "Teller")
    assert isinstance(result.exception, UsageError)
    assert "has no 'Teller'" in str(result.exception)


def test_a_file_replaces_all_of_it(kept, tmp_path):
    table = tmp_path / "words.csv"
    table.write_text('Becher,mug\n\n"Tasse, groß",large mug\nSALE,\n', encoding="utf-8-sig")
    run("import", str(table))
    assert kept == {"Becher": "mug", "Tasse, groß": "large mug", "SALE": ""}
    listed = tmp_path / "words.json"
    listed.write_text(run("list", "--json").output, encoding="utf-8")
    kept.clear()
    run("import", str(listed))
    assert len(kept) == 3


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"Becher;mug\n", "line 1 has 1 cells"),
        ("a.csv", b"B\xe4r,bear\n", "is not UTF-8"),
        ("a.json", b"{", "is not JSON"),
        ("a.json", b'{"Becher": 3}', "object of texts"),
    ],
)
def test_a_file_that_is_no_glossary_is_refused(kept, tmp_path, name, content, message):
    file = tmp_path / name
    file.write_bytes(content)
    assert message in str(run("import", str(file)).exception)
    assert kept == {"Becher": "mug", "SALE": ""}
