"""`packshot recipes`, and options that are NAME=VALUE."""

import json

import httpx
import pytest
from typer.testing import CliRunner

from cli.client.http import Client
from cli.commands import recipes
from cli.errors import UsageError
from cli.main import app
from cli.options import read_pairs, read_values

KEPT = {
    "name": "studio",
    "version": 2,
    "reference": "studio@2",
    "note": "first",
    "fields": {"steps": 30, "template": "a {{ title }}"},
    "created_at": "2026-01-02T03:04:05Z",
}


@pytest.fixture
def requests(monkeypatch):
    """What a server is asked; it knows one recipe, and lists in two pages."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if request.method == "POST":
            return httpx.Response(201, json=KEPT)
        if request.url.path in ("/v1/recipes", "/v1/recipes/studio/versions"):
            first = "cursor" not in request.url.params
            return httpx.Response(200, json={"items": [KEPT], "next": "more" if first else None})
        return httpx.Response(200, json=KEPT)

    def connect(url: str | None, key: str | None) -> Client:
        return Client("http://shop.test", "psk", transport=httpx.MockTransport(answer))

    monkeypatch.setattr(recipes, "connect", connect)
    return seen


def run(*arguments: str):
    return CliRunner().invoke(app, ["recipes", *arguments])


def test_a_recipe_is_added_from_a_file_and_options_that_win(requests, tmp_path):
    file = tmp_path / "studio.json"
    file.write_text('{"steps": 20, "scheduler": "euler"}')
    result = run(
        "add", "studio", "--file", str(file), "--set", "steps=30", "--set", "template=a {{ x }}",
        "--set", 'channels=["web"]', "--note", "first",
    )  # fmt: skip
    assert result.output.strip() == "studio@2"
    assert json.loads(requests[0].read()) == {
        "name": "studio",
        "note": "first",
        "fields": {
            "steps": 30, "scheduler": "euler", "template": "a {{ x }}", "channels": ["web"],
        },
    }  # fmt: skip


def test_recipes_and_versions_are_listed_to_the_last_page(requests):
    for arguments in (["list"], ["versions", "studio"]):
        result = run(*arguments)
        assert result.output.count("studio@2") == 2
        assert "steps, template" in result.output
    assert len(requests) == 4


def test_a_recipe_is_shown_as_json_that_can_be_added_again(requests):
    result = run("show", "studio@2")
    assert requests[0].url.path == "/v1/recipes/studio/versions/2"
    assert json.loads(result.stdout) == KEPT["fields"]
    assert run("show", "studio").exit_code == 0
    assert requests[1].url.path == "/v1/recipes/studio"


def test_a_recipe_of_nothing_and_a_file_of_something_else_are_told(requests, tmp_path):
    file = tmp_path / "a.json"
    assert isinstance(run("add", "a").exception, UsageError)
    for content in ("{", "[]"):
        file.write_text(content)
        assert isinstance(run("add", "a", "--file", str(file)).exception, UsageError)
    assert requests == []


def test_pairs_are_read_and_mistakes_named():
    assert read_pairs(["a=b=c", " d =", "e= f"], option="-x") == {"a": "b=c", "d": "", "e": " f"}
    assert read_values(["a=1", "b=null", "c=x y"], option="-x") == {"a": 1, "b": None, "c": "x y"}
    for pairs in (["a"], ["=b"], ["a=1", "a=2"]):
        with pytest.raises(UsageError, match="-x"):
            read_pairs(pairs, option="-x")


def test_a_recipe_is_deleted_by_its_name(requests):
    result = run("delete", "studio")
    assert result.exit_code == 0
    assert [(one.method, one.url.path) for one in requests] == [("DELETE", "/v1/recipes/studio")]
