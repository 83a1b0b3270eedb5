"""Glossaries: one for each tenant, part of what decides prompts of templates."""

import pytest

from core.keys import create_key

SHEET = "sku,title,brand\nA,Kaai Becher 350ml,Kaai\nB,Vase,Kaai\n"


def put(client, entries, status=200):
    answer = client.put("/v1/glossary", json={"entries": entries})
    assert answer.status_code == status, answer.text
    return answer.json()


def dry_run(client, **fields):
    files = {"file": ("sheet.csv", SHEET)}
    answer = client.post("/v1/batches", files=files, data={"dry_run": "true", **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_it_is_empty_at_first_and_replaced_whole(client):
    assert client.get("/v1/glossary").json() == {"entries": {}, "updated_at": None}
    put(client, {"Becher": "mug", "alt": "old"})
    found = put(client, {"Vase": "vase", "Becher": "cup"})
    assert found["entries"] == {"Becher": "cup", "Vase": "vase"}
    assert found["updated_at"]
    assert client.get("/v1/glossary").json() == found
    assert put(client, {})["entries"] == {}


def test_words_that_cannot_be_used_are_named_and_the_glossary_stays(client):
    put(client, {"Becher": "mug"})
    problem = put(client, {"-": "dash"}, status=422)
    assert "'-': It is no word" in str(problem)
    assert client.get("/v1/glossary").json()["entries"] == {"Becher": "mug"}


def test_a_dry_run_shows_titles_before_and_after_and_the_glossarys_words(client):
    put(client, {"becher": "mug"})
    report = dry_run(client)
    assert report["titles"] == {"used": 2, "changed": 1, "translated": 1}
    becher, vase = report["preview"]
    assert becher["title"] == {"written": "Kaai Becher 350ml", "used": "Becher"}
    assert becher["prompt"] == "mug on a white background"
    assert vase["title"] == {"written": "Vase", "used": "Vase"}
    kept = dry_run(client, clean_titles="false")
    assert kept["titles"] == {"used": 2, "changed": 0, "translated": 1}
    assert kept["preview"][0]["prompt"] == "kaai mug 350ml on a white background"


def test_a_recipe_can_keep_titles_as_they_are_written(client):
    fields = {"name": "written", "fields": {"clean_titles": False}}
    assert client.post("/v1/recipes", json=fields).status_code == 201
    assert dry_run(client, recipe="written")["preview"][0]["title"]["used"] == "Kaai Becher 350ml"


def test_what_is_submitted_has_the_prompts_of_the_dry_run(client, send):
    put(client, {"becher": "mug"})
    jobs = client.get(send(client, SHEET)["links"]["items"]).json()["items"]
    foreseen = dry_run(client)["preview"]
    assert [job["prompt"] for job in jobs] == [one["prompt"] for one in foreseen]


@pytest.fixture
def stranger(client, shop):
    with shop.database.session() as session:
        _, key = create_key(session, "stranger", "test")
    return {"Authorization": f"Bearer {key}"}


def test_a_tenant_neither_sees_nor_uses_anothers(client, stranger):
    put(client, {"becher": "mug"})
    assert client.get("/v1/glossary", headers=stranger).json()["entries"] == {}
    answer = client.post(
        "/v1/batches",
        files={"file": ("sheet.csv", SHEET)},
        data={"dry_run": "true"},
        headers=stranger,
    )
    assert answer.json()["preview"][0]["prompt"] == "becher on a white background"
