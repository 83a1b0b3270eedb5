"""Scenes over the API: asked for, refused with reasons, and told of before they are sent."""

import json

import pytest

from api.submission import estimate
from core.domain.photograph_spec import Anchor, ImageMode, Shadow
from core.domain.states import CacheOutcome
from tests.integration.api.test_sources import jpeg
from tests.integration.api.test_sources import send as send_source

TABLE = "on a wooden table"


@pytest.fixture
def source(client) -> dict:
    return send_source(client, jpeg()).json()


def ask(client, **fields: object):
    return client.post("/v1/jobs", json={"mode": "scene", **fields})


def columns(answer) -> set[str]:
    assert answer.status_code == 422, answer.text
    return {one["column"] for one in answer.json()["errors"]}


def test_a_scene_is_asked_for_by_a_source_and_a_prompt(client, source, shop):
    answer = ask(client, source=source["id"], prompt=TABLE, steps=3, width=800, height=600)
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert (job["mode"], job["prompt"], job["steps"]) == ("scene", TABLE, 3)
    assert (job["model"], job["revision"]) == ("default", "1" * 64)
    assert (job["width"], job["height"]) == (800, 600)
    assert job["photograph"]["source"] == source["digest"]
    assert (job["photograph"]["anchor"], job["photograph"]["shadow"]) == ("ground", "contact")
    (row,) = shop.generations()
    spec = row.spec
    assert (spec.mode, spec.photograph.source) == (ImageMode.SCENE, source["digest"])
    # The model's own size, whatever the canvas is.
    assert (spec.drawn.width, spec.drawn.height, spec.drawn.mode) == (64, 64, ImageMode.TEXT)
    assert (spec.photograph.anchor, spec.photograph.shadow) == (Anchor.GROUND, Shadow.CONTACT)
    assert row.approximate_scope is None


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"prompt": TABLE}, {"source"}),
        ({"source": "https://shop.example/a"}, {"prompt"}),
        ({"source": "https://shop.example/a", "prompt": TABLE, "steps": 0}, {"steps"}),
        ({"source": "http://127.0.0.1/a", "prompt": TABLE}, {"source"}),
        ({"source": "https://shop.example/a", "prompt": TABLE, "width": 9}, {"width"}),
        (
            {"source": "https://shop.example/a", "prompt": TABLE, "background": "white"},
            {"background"},
        ),
        (
            {"source": "https://shop.example/a", "prompt": TABLE, "approximate": True},
            {"approximate"},
        ),
        ({"source": "https://shop.example/a", "prompt": TABLE, "seed": "per_sku"}, {"seed"}),
        ({"source": "https://shop.example/a", "prompt": TABLE, "strength": 0.5}, {"strength"}),
        (
            {"source": "https://shop.example/a", "prompt": TABLE, "blend": True, "shadow": "own"},
            {"shadow"},
        ),
        (
            {"source": "https://shop.example/a", "prompt": TABLE, "blend": True, "steps": 1},
            {"strength"},
        ),
    ],
)
def test_what_cannot_be_used_is_named(client, shop, fields: dict, named: set[str]):
    assert columns(ask(client, **fields)) == named
    assert not shop.generations()


def test_amazons_main_image_is_no_scene(client, source):
    answer = ask(client, source=source["id"], prompt=TABLE, channels=["amazon_main"])
    assert answer.status_code == 422
    assert "a background that a model drew" in answer.json()["detail"]


def sheet_of(client, text: str, **fields: object):
    files = {"file": ("products.csv", text.encode(), "text/csv")}
    return client.post("/v1/batches", files=files, data={"mode": "scene", **fields})


SHEET = "sku,image\nA,https://shop.example/a.jpg\nB,https://shop.example/b.jpg\n"


def test_the_rows_of_a_sheet_share_a_background_and_its_seed(client, source, shop):
    sent = json.dumps({"3": source["digest"]})
    answer = sheet_of(client, SHEET, template=TABLE, photographs=sent, variants="2")
    assert answer.status_code == 202, answer.text
    specs = [row.spec for row in shop.generations()]
    assert len(specs) == 4
    assert {one.photograph.source for one in specs} == {
        "https://shop.example/a.jpg",
        source["digest"],
    }
    # One for each variant.
    assert len({one.drawn for one in specs}) == 2
    assert {(one.width, one.height) for one in specs} == {(1500, 1500)}


def test_products_have_seeds_of_their_own_where_that_is_asked_for(client, shop):
    assert sheet_of(client, SHEET, template=TABLE, seed="per_sku").status_code == 202
    assert len({row.spec.drawn for row in shop.generations()}) == 2


def test_rows_may_have_scenes_of_their_own(client, shop):
    text = "sku,image,prompt\nA,https://shop.example/a,in a garden\nB,https://shop.example/b,\n"
    assert sheet_of(client, text, template=TABLE).status_code == 202
    assert {row.prompt for row in shop.generations()} == {"in a garden", TABLE}


def test_columns_of_sizes_say_nothing_of_the_background(client, shop):
    text = "sku,image,width\nA,https://shop.example/a,12cm\n"
    assert sheet_of(client, text, template=TABLE, width="600").status_code == 202
    (row,) = shop.generations()
    assert (row.width, row.spec.drawn.width) == (600, 64)


def test_a_scene_is_not_made_of_titles(client, shop):
    answer = sheet_of(client, "sku,title,image\nA,A red mug,https://shop.example/a\n")
    assert columns(answer) == {"prompt"}
    assert "--prompt" in answer.json()["errors"][0]["message"]
    assert not shop.generations()


def test_a_sheets_mistakes_are_named_all_at_once(client, shop):
    text = "sku,image\nA,\nB,http://10.0.0.1/b.jpg\n,https://shop.example/c.jpg\n"
    answer = sheet_of(client, text, template=TABLE, steps="0", background="white")
    assert answer.status_code == 422
    found = {(one["line"], one["column"]) for one in answer.json()["errors"]}
    assert {(2, "image"), (3, "image"), (None, "steps"), (None, "background")} <= found
    assert (4, "sku") in found
    assert not shop.generations()


def test_a_dry_run_counts_a_shared_background_once(client, shop, monkeypatch):
    # A background is a second's work: 4 guided steps of 64 x 64 pixels.
    speed = estimate._Speed(work_per_second=4 * 2 * 64 * 64, basis="Measured.")
    monkeypatch.setattr(estimate, "_speed", lambda *_: speed)
    report = sheet_of(client, SHEET, template=TABLE, dry_run="true").json()
    assert report["valid"], report
    assert report["warnings"] == []
    assert report["forecast"]["computed"] == 2
    # And a second for each of two compositions.
    assert report["estimate"]["seconds"] == 3.0
    assert "share a background" in report["estimate"]["basis"]
    first, second = report["preview"]
    assert first["mode"] == second["mode"] == "scene"
    assert first["seed"] == second["seed"]
    assert first["prompt"] == TABLE
    assert not shop.generations()


def test_equal_scenes_are_made_once_and_others_are_not(client, source, shop):
    for fields in ({}, {}, {"fill": 0.5}, {"width": 900}, {"seed": 3}):
        assert ask(client, source=source["id"], prompt=TABLE, **fields).status_code == 202
    assert len(shop.generations()) == 4
    answer = ask(client, source=source["digest"], prompt=TABLE)
    assert answer.json()["cache"] == CacheOutcome.COALESCED


def test_a_recipe_holds_what_scenes_look_like(client, source):
    fields = {"mode": "scene", "steps": 3, "fill": 0.5, "width": 900, "height": 900}
    answer = client.post("/v1/recipes", json={"name": "table", "fields": fields})
    assert answer.status_code == 201, answer.text
    answer = client.post(
        "/v1/jobs", json={"recipe": "table", "source": source["id"], "prompt": TABLE}
    )
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert (job["mode"], job["steps"], job["width"]) == ("scene", 3, 900)
    assert job["photograph"]["fill"] == 0.5
    for wrong, column in (({"steps": 0}, "steps"), ({"background": "white"}, "background")):
        answer = client.post(
            "/v1/recipes", json={"name": "wrong", "fields": {"mode": "scene", **wrong}}
        )
        assert columns(answer) == {column}


def test_a_blend_is_asked_for_with_a_strength_or_without(client, source, shop):
    job = ask(client, source=source["id"], prompt=TABLE, blend=True, steps=4).json()
    assert (job["photograph"]["blend"], job["photograph"]["strength"]) == (True, 0.8)
    ask(client, source=source["id"], prompt=TABLE, blend=True, steps=4, strength=0.5)
    ask(client, source=source["id"], prompt=TABLE, blend=False, steps=4)
    # The third is a composition, as those without a word.
    ask(client, source=source["id"], prompt=TABLE, steps=4)
    assert len(shop.generations()) == 3
    assert len({row.spec.drawn for row in shop.generations()}) == 1


def test_a_dry_run_counts_what_is_drawn_around_each_product(client, monkeypatch):
    speed = estimate._Speed(work_per_second=4 * 2 * 64 * 64, basis="Measured.")
    monkeypatch.setattr(estimate, "_speed", lambda *_: speed)
    report = sheet_of(
        client, SHEET, template=TABLE, blend="true", strength="0.5", dry_run="true"
    ).json()
    # A background, half of one around each of two products, and two seconds of putting together.
    assert report["estimate"]["seconds"] == 4.0
