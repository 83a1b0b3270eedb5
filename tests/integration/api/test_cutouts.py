"""Cut-outs over the API: asked for, refused with reasons, and given back with what is known."""

import csv
import hashlib
import io
import json

import pytest

from core.db.models import Generation, Source
from core.domain.photograph_spec import CUTOUT_REVISION
from core.pictures.provenance import COMPOSITE
from tests.integration.api.test_sources import jpeg
from tests.integration.api.test_sources import send as send_source

QUALITY = {
    "method": "backdrop", "confidence": 0.4, "needs_review": True, "reasons": ["touches_frame"],
    "scale": 0.5, "box": [10, 20, 30, 40], "compared_pixels": 9,
    "source_digest": "ab", "result_digest": "ab",
    "identical": True, "notes": [], "source": "kept", "cutout": "computed",
    "source_type": COMPOSITE,
}  # fmt: skip


@pytest.fixture
def source(client) -> dict:
    return send_source(client, jpeg()).json()


def ask(client, **fields: object):
    return client.post("/v1/jobs", json={"mode": "cutout", **fields})


def columns(answer) -> set[str]:
    assert answer.status_code == 422, answer.text
    return {one["column"] for one in answer.json()["errors"]}


@pytest.mark.parametrize("name", ["id", "digest"])
def test_a_cutout_is_asked_for_by_a_source(client, source, shop, name: str):
    answer = ask(client, source=source[name], background="White", shadow="contact", sku="M-1")
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert (job["mode"], job["model"], job["revision"]) == ("cutout", "cutout", CUTOUT_REVISION)
    assert job["photograph"]["source"] == source["digest"]
    assert job["photograph"]["background"] == "#ffffff"
    assert job["photograph"]["shadow"] == "contact"
    assert (job["width"], job["height"], job["quality"]) == (1500, 1500, None)
    (row,) = shop.generations()
    assert row.spec.photograph.source == source["digest"]


def test_an_address_is_kept_in_its_plain_form(client, shop):
    answer = ask(client, source="HTTPS://Shop.Example:443/a.jpg#top", width=800, height=600)
    assert answer.json()["photograph"]["source"] == "https://shop.example/a.jpg"
    assert (answer.json()["width"], answer.json()["height"]) == (800, 600)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, {"source"}),
        ({"source": "01890a5d-ac96-774b-bcce-b302099a8057"}, {"source"}),
        ({"source": "ab" * 32}, {"source"}),
        ({"source": "http://127.0.0.1/a.jpg"}, {"source"}),
        ({"source": "http://localhost/a.jpg"}, {"source"}),
        ({"source": "mug.jpg"}, {"source"}),
        ({"source": "https://shop.example/a", "mask": "ftp://shop.example/a"}, {"mask"}),
        ({"source": "https://shop.example/a", "background": "beige"}, {"background"}),
        ({"source": "https://shop.example/a", "width": 9000}, {"width"}),
        ({"source": "https://shop.example/a", "steps": 4, "prompt": "a mug"}, {"steps", "prompt"}),
        ({"source": "https://shop.example/a", "model": "default", "seed": 4}, {"model", "seed"}),
    ],
)
def test_what_cannot_be_used_is_named(client, shop, fields: dict, named: set[str]):
    assert columns(ask(client, **fields)) == named
    assert not shop.generations()


def test_text_takes_no_photograph_and_needs_a_prompt(client, source):
    answer = client.post("/v1/jobs", json={"prompt": "a mug", "source": source["id"], "fill": 0.5})
    assert columns(answer) == {"source", "fill"}
    assert columns(client.post("/v1/jobs", json={})) == {"prompt"}
    answer = client.post("/v1/jobs", json={"mode": "painting", "prompt": "a mug"})
    assert answer.status_code == 422
    assert "mode" in answer.text


def test_another_tenants_source_is_none(client, stranger, source):
    assert columns(ask(stranger, source=source["id"])) == {"source"}


def sheet_of(client, text: str, **fields: object):
    files = {"file": ("products.csv", text.encode(), "text/csv")}
    return client.post("/v1/batches", files=files, data={"mode": "cutout", **fields})


def test_a_sheet_of_photographs(client, source, shop):
    text = f"sku,image\nA,https://shop.example/a.jpg\nB,{source['id']}\nC,c.jpg\n"
    sent = json.dumps({"4": source["digest"]})
    answer = sheet_of(client, text, photographs=sent, width="600", height="600")
    assert answer.status_code == 202, answer.text
    batch = answer.json()
    items = client.get(f"/v1/batches/{batch['id']}/items").json()["items"]
    assert [one["photograph"]["source"] for one in items] == [
        "https://shop.example/a.jpg",
        source["digest"],
        source["digest"],
    ]
    assert {one["mode"] for one in items} == {"cutout"}
    # Equal ones are made once.
    assert len(shop.generations()) == 2


def test_a_sheets_mistakes_are_named_all_at_once(client, shop):
    text = "sku,image\nA,\nB,http://10.0.0.1/b.jpg\n,https://shop.example/c.jpg\n"
    answer = sheet_of(client, text, steps="4", photographs='{"9": "' + "ab" * 32 + '"}')
    assert answer.status_code == 422
    found = {(one["line"], one["column"]) for one in answer.json()["errors"]}
    assert found == {(2, "image"), (3, "image"), (4, "sku"), (9, None), (None, "steps")}
    assert not shop.generations()


def test_a_dry_run_knows_photographs_that_are_not_sent_yet(client, shop):
    text = "sku,image\nA,a.jpg\nB,https://shop.example/b.jpg\n"
    sent = json.dumps({"2": "ab" * 32})
    report = sheet_of(client, text, photographs=sent, dry_run="true").json()
    assert report["valid"], report
    assert report["forecast"]["computed"] == 2
    assert report["estimate"]["seconds"] is None
    assert "cut" in report["estimate"]["basis"]
    assert report["preview"][0]["photograph"]["source"] == "ab" * 32
    assert not shop.generations()
    assert columns(sheet_of(client, text, photographs=sent)) == {"image"}


def test_photographs_that_are_too_small_are_named_before(client, source, shop):
    text = f"sku,image\nA,https://shop.example/b.jpg\nB,{source['id']}\n"
    report = sheet_of(client, text, dry_run="true").json()
    (warning,) = report["warnings"]
    assert (warning["line"], warning["column"]) == (3, "image")
    assert "1 photograph has fewer pixels" in warning["message"]
    for fields in ({"width": "40", "height": "32"}, {"enlarge": "true"}):
        assert sheet_of(client, text, dry_run="true", **fields).json()["warnings"] == []


def test_photographs_that_are_too_small_for_a_channel_are_counted_for_each(client, source, shop):
    large = send_source(client, jpeg(size=(1200, 600))).json()
    text = f"sku,image\nA,{large['id']}\nB,{source['id']}\nC,https://shop.example/c.jpg\n"
    fields = {"dry_run": "true", "width": "40", "height": "40"}
    report = sheet_of(client, text, channels="amazon_main,walmart,web", **fields).json()
    said = [(one["line"], one["message"].partition(".")[0]) for one in report["warnings"]]
    assert said == [
        (2, "Too small for walmart: 2 of 2 photographs in store, whose longer side has fewer "
            "than its 1,500 pixels: lines 2, 3"),
        (3, "Too small for amazon_main: 1 of 2 photographs in store, whose longer side has fewer "
            "than its 1,000 pixels: lines 3"),
    ]  # fmt: skip
    assert sheet_of(client, text, **fields).json()["warnings"] == []


def test_results_say_what_is_known_of_each(client, source, shop, worker, database):
    batch = sheet_of(client, f"sku,image\nA,{source['id']}\n").json()
    (item,) = client.get(f"/v1/batches/{batch['id']}/items").json()["items"]
    image = worker.make(item["id"])
    with database.session() as session:
        session.get(type(image), image.id).quality = QUALITY
    job = client.get(f"/v1/jobs/{item['id']}").json()
    # What only scenes and blends have is empty.
    known = QUALITY | {"background": None, "expansion": None, "tries": None}
    assert job["quality"] == known
    manifest = client.get(f"/v1/batches/{batch['id']}/manifest.jsonl").text
    assert json.loads(manifest)["quality"] == known
    # A cut-out of what was composed before it came here.
    assert (job["ai_use"], json.loads(manifest)["ai_use"]) == ("composed", "composed")
    (row,) = csv.DictReader(io.StringIO(client.get(f"/v1/batches/{batch['id']}/results.csv").text))
    assert row["needs_review"] == "true"
    assert row["review_reasons"] == "touches_frame"
    assert (row["identical"], row["ai_use"]) == ("true", "composed")
    assert row["photograph"] == source["digest"]
    assert (row["scale"], row["source_digest"]) == ("0.5", "ab")


def test_results_of_texts_are_as_before(client, send):
    batch = send(client, "sku,prompt\nA,a mug\n")
    header = client.get(f"/v1/batches/{batch['id']}/results.csv").text.splitlines()[0]
    assert "needs_review" not in header


def test_a_recipe_holds_what_products_look_like(client, source):
    fields = {"mode": "cutout", "background": "#f4f1ea", "anchor": "ground", "source": "shopify"}
    answer = client.post("/v1/recipes", json={"name": "studio", "fields": fields})
    assert answer.status_code == 201, answer.text
    answer = client.post("/v1/jobs", json={"recipe": "studio", "source": source["id"]})
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert (job["mode"], job["photograph"]["background"]) == ("cutout", "#f4f1ea")
    assert job["photograph"]["anchor"] == "ground"
    wrong = {"mode": "cutout", "steps": 3}
    answer = client.post("/v1/recipes", json={"name": "wrong", "fields": wrong})
    assert columns(answer) == {"steps"}


def test_failed_ones_are_tried_again(client, source, worker, shop):
    from core.sources.fetch_errors import PhotographServerFailedError

    batch = sheet_of(client, f"sku,image\nA,{source['id']}\n").json()
    (item,) = client.get(f"/v1/batches/{batch['id']}/items").json()["items"]
    worker.fail(item["id"], PhotographServerFailedError())
    error = client.get(f"/v1/jobs/{item['id']}").json()["error"]
    assert (error["code"], error["retry_helps"]) == ("photograph_server_failed", True)
    assert client.post(f"/v1/batches/{batch['id']}/retry").status_code == 202
    rows = shop.all(Generation)
    assert len(rows) == 2
    assert rows[0].spec == rows[1].spec
    assert hashlib.sha256(jpeg()).hexdigest() == shop.all(Source)[0].digest


def test_amazons_main_image_is_asked_for_with_cutouts_alone(client, source):
    drawn = client.post("/v1/jobs", json={"prompt": "a mug", "channels": ["amazon_main"]})
    assert drawn.status_code == 422
    assert "amazon_main takes photographed products on white only" in drawn.json()["detail"]
    sheet = {"rows": [{"sku": "A", "prompt": "a mug"}], "channels": ["web", "amazon_main"]}
    refused = client.post("/v1/batches", json=sheet)
    assert refused.json()["code"] == "invalid_sheet"
    assert [one["column"] for one in refused.json()["errors"]] == ["channels"]
    kept = ask(client, source=source["id"], sku="A-1", channels=["amazon_main"])
    assert kept.status_code == 202, kept.text
    (rendition,) = kept.json()["renditions"]
    assert rendition["file_name"] == "A_1.MAIN.jpg"
