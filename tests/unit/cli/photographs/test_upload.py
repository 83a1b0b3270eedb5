"""Photographs are sent once, and only those that the server has not."""

import hashlib
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from PIL import Image

from catalogue.sheets.model import Hints
from cli.client.http import Client
from cli.photographs.look import FileLook
from cli.photographs.upload import send_photographs
from tests.unit.cli.server import KEY, FakeServer


class SourceServer(FakeServer):
    """Keeps photographs by their digests, and refuses what begins with `bad`."""

    def __init__(self) -> None:
        super().__init__([])
        self.kept: dict[str, str] = {}
        self.sent = 0
        self.intercept = self.take

    def take(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            digest = request.url.params["digest"]
            items = [{"id": self.kept[digest]}] if digest in self.kept else []
            return httpx.Response(200, json={"items": items, "next": None})
        content = request.read().split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--", 1)[0]
        if content.startswith(b"bad"):
            return httpx.Response(422, json={"detail": "This is no image.", "status": 422})
        self.sent += 1
        digest = hashlib.sha256(content).hexdigest()
        self.kept[digest] = content.decode()
        return httpx.Response(201, json={"id": self.kept[digest]})


@pytest.fixture
def server() -> SourceServer:
    return SourceServer()


@pytest.fixture
def send(server: SourceServer, tmp_path: Path):
    """Send a sheet's photographs; give the ids by line."""

    def send(
        sheet: str, dry_run: bool = False, look: FileLook | None = None, **files: bytes
    ) -> dict[int, str]:
        folder = tmp_path / "photos"
        folder.mkdir(exist_ok=True)
        for name, content in files.items():
            (folder / f"{name}.jpg").write_bytes(content)
        (tmp_path / "sheet.csv").write_text(sheet)
        client = Client("http://shop.test/", KEY, patience=0, transport=server.transport)
        found = send_photographs(
            client, tmp_path / "sheet.csv", folder, Hints(), dry_run=dry_run, look=look
        )
        return dict(found)

    return send


SHEET = "sku,prompt\nA,a mug\nB,a jug\nC,a cup\nA,a mug again\n"


def test_each_is_sent_once_and_both_sides_are_told(server, send, capsys):
    assert send(SHEET, a=b"one", b=b"two", z=b"three") == {2: "one", 3: "two", 5: "one"}
    assert server.sent == 2
    out, err = capsys.readouterr()
    assert "3 of 4 rows have a photograph" in out
    assert "2 photographs: 2 sent, 0 were there already" in out
    assert "1 row has no photograph: line 4 (C)" in err
    assert "1 photograph belongs to no row: z.jpg" in err


def test_what_is_there_is_not_sent_again(server, send, capsys):
    send(SHEET, a=b"one", b=b"two")
    assert send(SHEET, c=b"two") == {2: "one", 3: "two", 4: "two", 5: "one"}
    assert server.sent == 2
    assert "3 photographs: 0 sent, 3 were there already" in capsys.readouterr().out


def test_one_that_is_refused_is_named_and_the_others_go_on(server, send, capsys):
    assert send(SHEET, a=b"bad", b=b"two") == {3: "two"}
    assert "1 photograph was refused: a.jpg: http://shop.test: This is no image." in " ".join(
        capsys.readouterr().err.split()
    )


def test_a_dry_run_sends_nothing(server, send, capsys):
    known = send(SHEET, dry_run=True, a=b"one")
    # Its digests, so that a dry run of cut-outs knows them.
    assert set(known.values()) == {hashlib.sha256(b"one").hexdigest()}
    assert server.requests == []
    assert "2 of 4 rows have a photograph" in capsys.readouterr().out


def test_a_check_looks_into_the_files(server, send, capsys):
    def jpeg(side: int) -> bytes:
        stream = BytesIO()
        Image.new("RGB", (side, 2 * side)).save(stream, "JPEG")
        return stream.getvalue()

    look = FileLook(channels=["amazon_main", "shopify"])
    send(SHEET, dry_run=True, look=look, a=b"bad", b=jpeg(300), c=jpeg(800), z=jpeg(20))
    assert server.requests == []
    out, err = (" ".join(one.split()) for one in capsys.readouterr())
    assert "2 files are photographs, from 300 × 600 to 800 × 1,600 pixels" in out
    assert "1 file is no photograph that is taken: a.jpg (line 2): " in err
    assert "1 file is too small for amazon_main, which takes 1,000 pixels: b.jpg" in err
    assert "shopify" not in err


def test_many_are_counted(send, capsys):
    sheet = "sku,prompt\nA,a\n" + "".join(f"N{number},n\n" for number in range(25))
    send(sheet, a=b"one")
    assert "25 rows have no photograph" in " ".join(capsys.readouterr().err.split())
