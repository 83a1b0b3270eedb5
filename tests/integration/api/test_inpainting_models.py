"""Masked rows of a model that another one draws: asked for, listed, told of, made again."""

import json

import pytest

from api.models import Models
from core.errors import BundleError
from tests.integration.api.conftest import describe_bundle
from tests.integration.api.test_edits import SNOW, THERE, ask, sheet_of
from tests.integration.api.test_sources import jpeg
from tests.integration.api.test_sources import send as send_source


def describe_unet(folder, channels):
    (folder / "unet").mkdir()
    (folder / "unet" / "config.json").write_text(json.dumps({"in_channels": channels}))


@pytest.fixture
def settings(settings, bundle, tmp_path):
    folder = tmp_path / "inpaint"
    describe_bundle(folder, revision="2")
    describe_unet(folder, 9)
    models = {"default": bundle, "inpaint": folder}
    return settings.model_copy(
        update={"models": models, "inpainting_models": {"default": "inpaint"}}
    )


@pytest.fixture
def source(client) -> str:
    return send_source(client, jpeg()).json()["id"]


@pytest.fixture
def mask(client) -> str:
    return send_source(client, jpeg("white")).json()["id"]


def made_by(answer):
    assert answer.status_code == 202, answer.text
    return answer.json()["model"], answer.json()["revision"][0]


def test_a_mask_decides_which_model_an_edit_is_of(client, source, mask, shop):
    asked = {"source": source, "prompt": SNOW}
    assert made_by(ask(client, **asked)) == ("default", "1")
    assert made_by(ask(client, **asked, mask=mask)) == ("inpaint", "2")
    assert made_by(ask(client, **asked, mask=mask, model="inpaint")) == ("inpaint", "2")
    # The last two are one image.
    assert sorted(row.bundle_revision[0] for row in shop.generations()) == ["1", "2"]


def test_a_blend_is_the_inpainting_models_and_a_plain_scene_is_not(client, source):
    scene = {"mode": "scene", "source": source, "prompt": "on a table"}
    for fields, name in (({}, ("default", "1")), ({"blend": True}, ("inpaint", "2"))):
        assert made_by(client.post("/v1/jobs", json=scene | fields)) == name


def test_rows_of_one_sheet_are_of_both_models_and_results_say_which(client, mask):
    text = f"sku,image,mask\nA,{THERE},{mask}\nB,{THERE},\n"
    report = sheet_of(client, text, template=SNOW, dry_run="true").json()
    assert report["valid"], report
    batch = sheet_of(client, text, template=SNOW).json()
    jobs = client.get(batch["links"]["items"]).json()["items"]
    assert [(one["model"], one["revision"][0]) for one in jobs] == [
        ("inpaint", "2"),
        ("default", "1"),
    ]
    blends = client.post(
        "/v1/batches",
        files={"file": ("products.csv", f"sku,image\nA,{THERE}\n".encode(), "text/csv")},
        data={"mode": "scene", "blend": "true", "template": "on a table"},
    ).json()
    assert [one["name"] for one in blends["models"]] == ["inpaint"]


def test_the_models_say_who_draws_their_masked_rows(client):
    listed = client.get("/v1/models").json()["items"]
    assert [one["masked_by"] for one in listed] == ["inpaint", None]


def test_a_model_that_sees_no_mask_is_refused_in_a_sentence(settings):
    folder = settings.models["inpaint"]
    (folder / "unet" / "config.json").write_text(json.dumps({"in_channels": 4}))
    with pytest.raises(BundleError) as refused:
        Models(settings)["inpaint"]
    assert "PACKSHOT_INPAINTING_MODELS names 'inpaint'" in refused.value.detail
    assert "built of an inpainting model" in refused.value.detail
