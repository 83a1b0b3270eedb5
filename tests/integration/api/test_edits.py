"""Edits over the API: asked for, refused with reasons, and told of before they are sent."""

import json

import pytest

from core.domain.photograph_spec import ImageMode
from core.domain.states import CacheOutcome
from tests.integration.api.test_scenes import columns
from tests.integration.api.test_sources import jpeg
from tests.integration.api.test_sources import send as send_source

SNOW = "in the snow"
THERE = "https://shop.example/a"


@pytest.fixture
def source(client) -> dict:
    return send_source(client, jpeg()).json()


@pytest.fixture
def mask(client) -> dict:
    return send_source(client, jpeg("white")).json()


def ask(client, **fields: object):
    return client.post("/v1/jobs", json={"mode": "edit"} | fields)


def test_an_edit_is_asked_for_by_a_source_a_prompt_and_a_strength(client, source, mask, shop):
    asked = {"source": source["id"], "mask": mask["id"], "prompt": SNOW}
    answer = ask(client, **asked, strength=0.75, steps=4)
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert (job["mode"], job["prompt"], job["steps"], job["model"]) == ("edit", SNOW, 4, "default")
    # The model's own size, whatever the photograph's is.
    assert (job["width"], job["height"]) == (64, 64)
    photograph = job["photograph"]
    assert (photograph["source"], photograph["mask"]) == (source["digest"], mask["digest"])
    assert photograph["strength"] == 0.75
    (row,) = shop.generations()
    assert row.spec.mode is ImageMode.EDIT
    assert row.approximate_scope is None


def test_a_strength_that_nobody_names_is_told(client, source):
    assert ask(client, source=source["id"], prompt=SNOW).json()["photograph"]["strength"] == 0.6


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"prompt": SNOW}, {"source"}),
        ({"source": THERE}, {"prompt"}),
        ({"source": THERE, "prompt": SNOW, "steps": 1, "strength": 0.5}, {"strength"}),
        ({"source": THERE, "prompt": SNOW, "scheduler": "pndm", "steps": 4}, {"scheduler"}),
        ({"source": THERE, "prompt": SNOW, "width": 65}, {"width"}),
        ({"source": THERE, "prompt": SNOW, "fill": 0.5, "shadow": "own"}, {"fill", "shadow"}),
        ({"source": THERE, "prompt": SNOW, "approximate": True}, {"approximate"}),
        ({"source": THERE, "prompt": SNOW, "mask": "http://127.0.0.1/a"}, {"mask"}),
    ],
)
def test_what_cannot_be_used_is_named(client, shop, fields: dict, named: set[str]):
    assert columns(ask(client, **fields)) == named
    assert not shop.generations()


@pytest.mark.parametrize(
    "fields",
    [{"mode": "edit"}, {"mode": "scene", "blend": True}, {"mode": "scene", "blend": False}],
)
def test_a_bundle_that_only_decodes_begins_with_no_picture(client, shop, bundle, fields: dict):
    (bundle / "vae_decoder").mkdir()
    answer = ask(client, source=THERE, prompt=SNOW, **fields)
    if fields.get("blend") is False:
        assert answer.status_code == 202, answer.text
        return
    assert columns(answer) == {"model"}
    assert "has no encoder of images" in answer.text
    assert not shop.generations()


@pytest.mark.parametrize("strength", [0, -0.5, 1.01, "much"])
def test_a_strength_out_of_range_is_refused(client, shop, strength: object):
    answer = ask(client, source=THERE, prompt=SNOW, strength=strength)
    assert answer.status_code == 422
    assert "strength" in answer.text
    assert not shop.generations()


def test_strength_is_of_edits_alone(client, source):
    answer = client.post("/v1/jobs", json={"prompt": SNOW, "strength": 0.5})
    assert columns(answer) == {"strength"}
    assert "'edit'" in answer.json()["errors"][0]["message"]
    answer = client.post(
        "/v1/jobs", json={"mode": "cutout", "source": source["id"], "strength": 0.5}
    )
    assert columns(answer) == {"strength"}


def test_amazons_main_image_is_no_edit(client, source):
    answer = ask(client, source=source["id"], prompt=SNOW, channels=["amazon_main"])
    assert answer.status_code == 422
    assert "a photograph that a model changed" in answer.json()["detail"]


def sheet_of(client, text: str, **fields: object):
    files = {"file": ("products.csv", text.encode(), "text/csv")}
    return client.post("/v1/batches", files=files, data={"mode": "edit", **fields})


def test_rows_of_a_sheet_have_photographs_masks_and_prompts(client, source, mask, shop):
    text = f"sku,image,mask,prompt,steps\nA,{THERE},{mask['id']},at night,5\nB,,,,\n"
    sent = json.dumps({"3": source["digest"]})
    answer = sheet_of(client, text, template=SNOW, photographs=sent, strength="0.5")
    assert answer.status_code == 202, answer.text
    first, second = sorted((row.spec for row in shop.generations()), key=lambda one: one.prompt)
    assert (first.prompt, first.steps, first.photograph.source) == ("at night", 5, THERE)
    assert (first.photograph.mask, first.photograph.strength) == (mask["digest"], 0.5)
    assert (second.prompt, second.photograph.source) == (SNOW, source["digest"])
    assert (second.photograph.mask, second.photograph.strength) == (None, 0.5)


def test_a_sheets_mistakes_are_named_all_at_once(client, shop):
    text = f"sku,image,steps\nA,,4\nB,http://10.0.0.1/b.jpg,4\nC,{THERE},1\n"
    answer = sheet_of(client, text, template=SNOW, strength="0.5", background="white")
    assert answer.status_code == 422
    found = {(one["line"], one["column"]) for one in answer.json()["errors"]}
    expected = {(2, "image"), (3, "image"), (4, "strength"), (None, "background")}
    assert expected <= found
    assert not shop.generations()


def test_a_sheet_without_prompts_is_refused(client, shop):
    answer = sheet_of(client, f"sku,title,image\nA,A red mug,{THERE}\n")
    assert columns(answer) == {"prompt"}
    assert "--prompt" in answer.json()["errors"][0]["message"]


def test_a_dry_run_shows_edits(client, shop):
    text = f"sku,image\nA,{THERE}\nB,{THERE}\n"
    report = sheet_of(client, text, template=SNOW, dry_run="true").json()
    assert report["valid"], report
    assert report["warnings"] == []
    assert (report["forecast"]["computed"], report["forecast"]["shared"]) == (1, 1)
    assert {one["mode"] for one in report["preview"]} == {"edit"}
    assert not shop.generations()


def test_equal_edits_are_made_once_and_others_are_not(client, source, mask, shop):
    for fields in ({}, {}, {"strength": 0.5}, {"mask": mask["id"]}, {"seed": 3}):
        assert ask(client, source=source["id"], prompt=SNOW, **fields).status_code == 202
    assert len(shop.generations()) == 4
    answer = ask(client, source=source["digest"], prompt=SNOW)
    assert answer.json()["cache"] == CacheOutcome.COALESCED


def test_a_recipe_holds_how_photographs_are_edited(client, source):
    fields = {"mode": "edit", "steps": 4, "strength": 0.5}
    answer = client.post("/v1/recipes", json={"name": "snow", "fields": fields})
    assert answer.status_code == 201, answer.text
    job = client.post(
        "/v1/jobs", json={"recipe": "snow", "source": source["id"], "prompt": SNOW}
    ).json()
    assert (job["mode"], job["steps"], job["photograph"]["strength"]) == ("edit", 4, 0.5)
    wrong = client.post("/v1/recipes", json={"name": "x", "fields": fields | {"fill": 0.5}})
    assert columns(wrong) == {"fill"}
