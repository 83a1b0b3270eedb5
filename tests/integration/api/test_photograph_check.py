"""Dry runs that fetch photographs: what addresses give, said with the rows that name them."""

import re
from collections.abc import Iterator
from io import BytesIO

import pytest
from PIL import Image

from core.db.models import Batch, Generation, Job, Source
from core.keys import create_key
from tests.integration.api.browser import Browser, forms_in
from tests.integration.api.test_dry_run import dry_run
from tests.support.photograph_server import HERE, PhotographServer, serving


def jpeg(width: int, height: int) -> bytes:
    stream = BytesIO()
    Image.new("RGB", (width, height), "red").save(stream, "JPEG")
    return stream.getvalue()


@pytest.fixture
def server() -> Iterator[PhotographServer]:
    with serving() as server:
        yield server


@pytest.fixture
def client(serve, settings):
    update = {"outbound_allow": HERE, "outbound_ports": "1-65535", "fetch_host_pause": 0.0}
    return serve(settings.model_copy(update=update))


def at(server: PhotographServer, path: str, status: int = 200, body: bytes = b"", **headers) -> str:
    server.says(path, status, body, **headers)
    return server.url(path, HERE)


def checked(client, sheet: str, **fields: object) -> dict:
    fields = {"mode": "cutout", "check_photographs": 100} | fields
    return dry_run(client, sheet, **fields)


def test_every_address_is_asked_once_and_what_fails_is_named_with_its_rows(client, server, shop):
    large, small = jpeg(1500, 1000), jpeg(300, 400)
    named = {
        "A": at(server, "/a.jpg", body=large),
        "B": at(server, "/small.jpg", body=small),
        "C": at(server, "/gone.jpg", 404),
        "D": at(server, "/page.jpg", body=b"<!doctype html><title>Sign in</title>"),
        "E": at(server, "/on.jpg", 302, Location="http://10.0.0.1/a.jpg"),
        "F": at(server, "/busy.jpg", 500),
        "G": at(server, "/a.jpg", body=large),
        "H": at(server, "/gone.jpg", 404),
        "I": "http://10.0.0.1/a.jpg",
    }
    sheet = "sku,image\n" + "".join(f"{sku},{url}\n" for sku, url in named.items())
    report = checked(client, sheet, channels="amazon_main,web")
    check = report["photograph_check"]
    assert sorted(server.paths()) == sorted(
        ["/a.jpg", "/small.jpg", "/gone.jpg", "/page.jpg", "/on.jpg", "/busy.jpg"]
    )
    assert (check["addresses"], check["found"], check["failed"]) == (6, 2, 4)
    assert (check["valid"], check["not_asked"], check["most"]) == (0, 0, 100)
    assert check["largest"] == {"line": 2, "width": 1500, "height": 1000}
    assert check["smallest"] == {"line": 3, "width": 300, "height": 400}
    failed = {one["code"]: one for one in check["failures"]}
    assert {code: one["lines"] for code, one in failed.items()} == {
        "photograph_missing": [4, 9],
        "photograph_unreadable": [5],
        "forbidden_url": [6],
        "photograph_server_failed": [7],
    }
    assert failed["photograph_missing"]["rows"] == 2
    assert failed["photograph_missing"]["address"] == named["C"]
    assert [code for code, one in failed.items() if one["retry_helps"]] == [
        "photograph_server_failed"
    ]
    # Where nobody may be asked, the row is wrong as without it.
    assert [(one["line"], one["column"]) for one in report["errors"]] == [(10, "image")]
    said = [one["message"] for one in report["warnings"]]
    assert any("Too small for amazon_main: 1 of 3 photographs" in one for one in said)
    assert not any("Too small for web" in one for one in said)
    for table in (Batch, Job, Generation):
        assert shop.all(table) == []
    assert sorted(one.width for one in shop.all(Source)) == [300, 1500]


def test_what_came_is_not_fetched_again_and_the_rest_goes_on(client, server, shop, send):
    urls = [at(server, f"/{number}.jpg", body=jpeg(40 + number, 40)) for number in range(5)]
    sheet = "sku,image\n" + "".join(f"S{number},{url}\n" for number, url in enumerate(urls))
    first = checked(client, sheet, check_photographs=3)["photograph_check"]
    assert (first["found"], first["not_asked"], first["valid"]) == (3, 2, 0)
    assert sorted(server.paths()) == ["/0.jpg", "/1.jpg", "/2.jpg"]
    second = checked(client, sheet, check_photographs=3)["photograph_check"]
    assert (second["found"], second["not_asked"], second["valid"]) == (5, 0, 3)
    assert sorted(server.paths()[3:]) == ["/3.jpg", "/4.jpg"]
    assert checked(client, sheet)["photograph_check"]["valid"] == 5
    assert len(server.asked) == 5
    # The sheet itself knows them, too.
    preview = checked(client, sheet, preview=5)["preview"]
    digests = {one.digest for one in shop.all(Source)}
    assert {one["photograph"]["source"] for one in preview} == digests


def test_rows_of_json_and_their_masks_are_checked(client, server):
    photograph, mask = at(server, "/a.jpg", body=jpeg(64, 64)), at(server, "/m.png", 410)
    body = {
        "mode": "cutout",
        "dry_run": True,
        "check_photographs": 10,
        "rows": [{"sku": "A", "image": photograph, "mask": mask}],
    }
    check = client.post("/v1/batches", json=body).json()["photograph_check"]
    assert (check["addresses"], check["found"]) == (2, 1)
    (failure,) = check["failures"]
    assert (failure["address"], failure["code"]) == (mask, "photograph_missing")


def test_nobody_is_asked_unless_the_request_says_so(client, server):
    sheet = f"sku,image\nA,{at(server, '/a.jpg', body=jpeg(64, 64))}\n"
    assert checked(client, sheet, check_photographs=0)["photograph_check"] is None
    form = {"mode": "cutout", "check_photographs": "10"}
    sent = client.post("/v1/batches", files={"file": ("a.csv", sheet)}, data=form)
    assert sent.status_code == 202
    text = client.post(
        "/v1/batches",
        files={"file": ("a.csv", sheet)},
        data={"dry_run": "true", "check_photographs": "10", "template": "a mug"},
    )
    assert text.status_code == 422
    assert "ask for the mode `cutout`" in text.json()["detail"]
    assert server.asked == []


def test_the_page_says_what_addresses_give_before_anything_is_queued(
    client, server, shop, database
):
    with database.session() as session:
        _, key = create_key(session, "shop", "Ada")
    sheet = "sku,image\n"
    sheet += f"A,{at(server, '/a.jpg', body=jpeg(1500, 1000))}\n"
    sheet += f"B,{at(server, '/gone.jpg', 404)}\n"
    with Browser(str(client.base_url)) as browser:
        browser.sign_in(key)
        path = "/workbench/new"
        (form,) = [one for one in forms_in(browser.get(path).text) if one["action"] == path]

        def look(**values: str) -> str:
            files = {"file": ("photographs.csv", sheet.encode())}
            return browser.http.post(path, data=form["fields"] | values, files=files).text

        assert "What their addresses give" not in look(mode="cutout")
        assert server.paths() == []
        page = look(mode="cutout", check_photographs="true")
        assert "1 of 2 addresses give a photograph that can be used" in page
        assert "from 1500 × 1000 (line 2) to 1500 × 1000 (line 2)" in page
        assert re.search(r"1 gives none</summary>\s*<ul><li>Line 3: .*404", page)
        assert "use no photographs" in look(check_photographs="true")
    assert shop.all(Batch) == []
