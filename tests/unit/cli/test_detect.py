"""`packshot detect`: files here, by this machine's settings, or by a server."""

import json

import httpx
import pytest
from typer.testing import CliRunner

from cli.client.http import Client
from cli.commands import detect
from cli.main import app
from core.errors import PackshotError
from core.pictures.encoding import encode
from core.pictures.formats import Format
from tests.pictures import png, product, source_type

FOUND = {
    "content_type": "image/png",
    "width": 512,
    "height": 512,
    "ai_use": "generated",
    "marks": [
        {
            "carrier": "watermark",
            "confidence": "measured",
            "origin": "this_deployment",
            "source_type": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
            "signer": None,
            "generator": None,
            "chance": 1e-9,
            "reference": "0123456789",
        }
    ],
    "notes": [],
    "job_id": "7",
}


@pytest.fixture
def marked(tmp_path, monkeypatch):
    """A small file that says that a model drew it, and one that says nothing."""
    for name in ("PACKSHOT_URL", "PACKSHOT_KEY"):
        monkeypatch.delenv(name, raising=False)
    marked, plain = tmp_path / "marked.jpg", tmp_path / "plain.png"
    marked.write_bytes(encode(product().resize((48, 48)), Format.JPEG))
    plain.write_bytes(png(product().resize((48, 48))))
    return marked, plain


def run(*arguments: object):
    return CliRunner().invoke(app, ["detect", *map(str, arguments)])


def test_it_says_of_each_file_what_it_has(marked):
    done = run(*marked)
    assert done.exit_code == 0, done.output
    _, of_marked, of_plain = done.stdout.splitlines()
    assert "xmp" in of_marked
    assert "generated" in of_marked
    assert "stated" in of_marked
    assert source_type(marked[0]).rpartition("/")[2] in of_marked
    assert "none" in of_plain
    assert "No watermark was looked for" in of_plain


def test_as_json_it_is_an_object_a_line(marked):
    done = run("--json", *marked)
    first, second = map(json.loads, done.stdout.splitlines())
    assert (first["file"], first["ai_use"]) == (str(marked[0]), "generated")
    assert first["marks"][0]["carrier"] == "xmp"
    assert (second["ai_use"], second["marks"]) == (None, [])


def test_a_bad_file_is_named_and_the_others_go_on(marked, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    done = run("--json", bad, marked[0])
    assert isinstance(done.exception, PackshotError)
    assert done.exception.detail == "1 of 2 files could not be looked at."
    assert f"{bad}: " in done.stderr
    assert json.loads(done.stdout)["file"] == str(marked[0])


def test_a_server_is_asked_where_one_is_named_and_names_the_job(marked, monkeypatch):
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=FOUND)

    def connect(url: str | None, key: str | None) -> Client:
        return Client("http://shop.test", "psk", transport=httpx.MockTransport(answer))

    monkeypatch.setattr(detect, "connect", connect)
    done = run("--url", "http://shop.test", "--key", "psk", marked[0])
    assert done.exit_code == 0, done.output
    assert [one.url.path for one in seen] == ["/v1/detect"]
    assert marked[0].read_bytes() in seen[0].content
    assert "this deployment" in done.stdout
    assert "job 7" in done.stdout
    assert "1e-09" in done.stdout
