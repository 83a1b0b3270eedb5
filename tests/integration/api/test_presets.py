"""Presets in requests: resolved when they are submitted, listed with their model."""

import json

import pytest

DRAFT = {"steps": 2, "guidance_scale": 1.0, "scheduler": "euler"}
BEST = {
    "steps": 30, "guidance_scale": 4.0, "guidance_start": 0.1, "guidance_end": 0.7,
    "scheduler": "unipc",
}  # fmt: skip
OWN = {"guidance_start": None, "guidance_end": None}


@pytest.fixture
def measured(bundle):
    """A bundle whose presets were measured."""
    file = bundle / "manifest.json"
    before = file.read_text()
    presets = {"best": BEST, "draft": DRAFT | {"scores": {"mmd": 0.3}}}
    file.write_text(json.dumps(json.loads(before) | {"presets": presets}))
    yield
    file.write_text(before)


def decided(job, preset) -> dict[str, object]:
    return {name: job[name] for name in preset}


@pytest.mark.usefixtures("measured")
def test_a_model_lists_its_presets_from_cheap_to_costly(client):
    (model,) = client.get("/v1/models").json()["items"]
    assert model["presets"] == [
        {"name": "draft", **DRAFT, **OWN, "scores": {"mmd": 0.3}},
        {"name": "best", **BEST, "scores": {}},
    ]


@pytest.mark.usefixtures("measured")
def test_an_image_is_the_same_whether_its_preset_is_named_or_what_it_stands_for(client):
    first = client.post("/v1/jobs", json={"prompt": "a mug", "preset": "draft"})
    assert first.status_code == 202, first.text
    assert decided(first.json(), DRAFT) == DRAFT
    best = client.post("/v1/jobs", json={"prompt": "a mug", "preset": "best"}).json()
    assert decided(best, BEST) == BEST
    again = client.post("/v1/jobs", json={"prompt": "a mug", **DRAFT}).json()
    assert again["cache"] == "coalesced"
    assert again["seed"] == first.json()["seed"]


@pytest.mark.usefixtures("measured")
def test_rows_win_over_the_request_and_the_request_over_its_recipe(client, send):
    fields = {"preset": "best", "steps": 9}
    answer = client.post("/v1/recipes", json={"name": "look", "fields": fields})
    assert answer.status_code == 201, answer.text

    def steps_of(**said) -> list[int]:
        batch = send(client, "sku,prompt,steps\nA,a mug,\nB,a lamp,5\n", recipe="look", **said)
        return [job["steps"] for job in client.get(batch["links"]["items"]).json()["items"]]

    assert steps_of() == [9, 5]
    assert steps_of(preset="draft") == [2, 5]
    assert steps_of(preset="draft", steps=7) == [7, 5]


def test_a_model_without_presets_says_so(client):
    (model,) = client.get("/v1/models").json()["items"]
    assert model["presets"] == []
    answer = client.post("/v1/jobs", json={"prompt": "a mug", "preset": "draft"})
    assert answer.status_code == 422
    assert answer.json()["detail"] == (
        "The request is not valid: preset: This model has no presets, as nobody has measured them "
        "yet (`packshot model presets`). Name steps, guidance_scale and scheduler instead."
    )


@pytest.mark.usefixtures("measured")
def test_a_preset_that_is_not_there_is_refused(client, send):
    answer = client.post("/v1/jobs", json={"prompt": "a mug", "preset": "fast"})
    assert answer.status_code == 422
    assert "This model has no preset 'fast'; it has draft, best." in answer.json()["detail"]
