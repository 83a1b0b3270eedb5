"""Recipes: versions that never change, and who wins over whom."""

from pathlib import Path

from core.db.models import Recipe
from core.domain.seeds import sku_seed

EXAMPLES = Path(__file__).parents[3] / "examples" / "platforms"

SUMMER = {
    "template": "a {{ color }} mug in the sun",
    "negative_prompt": "text",
    "steps": 7,
    "guidance_scale": 2.5,
    "scheduler": "euler",
    "seed": "per_sku",
    "variants": 2,
    "lane": "bulk",
    "channels": ["walmart"],
}
SHEET = "sku,color,steps\nA,red,\nB,blue,9\n"


def add(client, fields, name="summer", status=201, **more):
    answer = client.post("/v1/recipes", json={"name": name, "fields": fields, **more})
    assert answer.status_code == status, answer.text
    return answer.json()


def items(client, batch):
    return client.get(batch["links"]["items"]).json()["items"]


def test_versions_are_counted_kept_and_found(client):
    first = add(client, SUMMER, note="for June")
    assert (first["version"], first["reference"], first["note"]) == (1, "summer@1", "for June")
    assert first["fields"] == SUMMER
    second = add(client, SUMMER | {"steps": 8})
    assert second["version"] == 2
    path = "/v1/recipes/summer"
    assert client.get(path).json() == second
    assert client.get(f"{path}/versions/1").json() == first
    assert [one["version"] for one in client.get(f"{path}/versions").json()["items"]] == [2, 1]
    add(client, {"steps": 4}, name="autumn")
    listed = client.get("/v1/recipes").json()["items"]
    assert [one["reference"] for one in listed] == ["autumn@1", "summer@2"]


def test_what_the_newest_version_says_already_makes_no_other(client):
    first = add(client, SUMMER)
    assert add(client, SUMMER, status=200) == first
    add(client, {"steps": 4})
    assert add(client, SUMMER)["version"] == 3


def test_recipes_and_versions_come_in_pages(client):
    for number in range(3):
        add(client, {"steps": number + 1})
        add(client, {"steps": 4}, name=f"r{number}")
    for path, key, expected in (
        ("/v1/recipes", "name", ["r0", "r1", "r2", "summer"]),
        ("/v1/recipes/summer/versions", "version", [3, 2, 1]),
    ):
        first = client.get(path, params={"limit": 2}).json()
        second = client.get(path, params={"limit": 2, "cursor": first["next"]}).json()
        assert [one[key] for one in first["items"] + second["items"]] == expected
        assert second["next"] is None
        assert client.get(path, params={"cursor": "AA"}).status_code == 422


def test_cells_win_over_the_request_which_wins_over_the_recipe(client, send):
    add(client, SUMMER)
    batch = send(client, SHEET, recipe="summer", scheduler="ddim", variants=1)
    assert (batch["recipe"], batch["lane"]) == ("summer@1", "bulk")
    first, second = items(client, batch)
    assert (first["prompt"], first["steps"], first["scheduler"]) == (
        "a red mug in the sun",
        7,
        "ddim",
    )
    assert (second["steps"], second["negative_prompt"]) == (9, "text")
    assert [first["seed"], second["seed"]] == [sku_seed("A"), sku_seed("B")]


def test_a_batch_keeps_the_version_that_it_was_made_with(client, send):
    add(client, SUMMER)
    batch = send(client, SHEET, recipe="summer")
    add(client, SUMMER | {"steps": 20})
    assert client.get(batch["links"]["self"]).json()["recipe"] == "summer@1"
    old, new = (send(client, SHEET, recipe=name) for name in ("summer@1", "summer"))
    assert [items(client, one)[0]["steps"] for one in (old, new)] == [7, 20]
    assert new["recipe"] == "summer@2"


def test_a_single_image_takes_what_concerns_it(client):
    add(client, SUMMER)
    job = client.post("/v1/jobs", json={"prompt": "a mug", "sku": "A", "recipe": "summer"}).json()
    assert (job["prompt"], job["steps"], job["lane"]) == ("a mug", 7, "bulk")
    assert job["seed"] == sku_seed("A")
    # What the request says wins, null too: the model's own steps.
    job = client.post(
        "/v1/jobs",
        json={"prompt": "a mug", "recipe": "summer@1", "steps": None, "seed": "derived"},
    ).json()
    assert (job["steps"], job["scheduler"]) == (4, "euler")
    answer = client.post("/v1/jobs", json={"prompt": "a mug", "recipe": "summer"})
    assert answer.status_code == 422
    assert "give the request a `sku`" in answer.json()["detail"]


def test_rows_sent_as_json_take_a_recipe_too(client):
    add(client, {"columns": {"sku": "Artikel"}, "template": "a {{ kind }}", "steps": 3})
    body = {"rows": [{"Artikel": "A", "kind": "mug"}], "recipe": "summer@1"}
    batch = client.post("/v1/batches", json=body).json()
    (job,) = items(client, batch)
    assert (job["sku"], job["prompt"], job["steps"]) == ("A", "a mug", 3)


def test_a_recipe_that_is_not_there_is_told(client):
    add(client, SUMMER)
    requests = {
        "/v1/jobs": {"prompt": "a"},
        "/v1/batches": {"rows": [{"sku": "A", "prompt": "a"}]},
    }
    for recipe in ("winter", "summer@2", "summer@99999999"):
        for path, body in requests.items():
            answer = client.post(path, json=body | {"recipe": recipe})
            assert answer.status_code == 404
            assert "GET /v1/recipes" in answer.json()["detail"]
        name, _, version = recipe.partition("@")
        path = f"/v1/recipes/{name}" + (f"/versions/{version}" if version else "")
        assert client.get(path).status_code == 404


def test_what_names_no_recipe_is_told(client):
    for recipe in ("Summer", "a b", "summer@0", "summer@", "@1", "a@1@2", "é", ""):
        answer = client.post("/v1/jobs", json={"prompt": "a", "recipe": recipe})
        assert answer.status_code == 422
        assert "is not a recipe" in answer.json()["detail"]


UNUSABLE = [
    ({"name": "a", "fields": {"file_name": "{{"}}, "file_name: The template"),
    ({"name": "a", "fields": {}}, "is empty"),
    ({"name": "a", "fields": {"steps": None}}, "is empty"),
    ({"name": "a", "fields": {"steps": 0}}, "steps: 0 is not between"),
    ({"name": "a", "fields": {"scheduler": "lcm", "steps": 51}}, "lcm takes 1 to 50 steps"),
    ({"name": "a", "fields": {"template": "{% for"}}, "template: The template"),
    ({"name": "a", "fields": {"seed": "any"}}, "per_sku"),
    ({"name": "a", "fields": {"recipe": "b"}}, "recipe"),
    ({"name": "a", "fields": {"dry_run": True}}, "dry_run"),
    ({"name": "A", "fields": {"steps": 3}}, "name"),
    ({"name": "a@1", "fields": {"steps": 3}}, "name"),
    ({"fields": {"steps": 3}}, "name"),
]


def test_a_recipe_that_cannot_be_used_is_not_kept(client):
    for body, words in UNUSABLE:
        answer = client.post("/v1/recipes", json=body)
        assert answer.status_code == 422, body
        assert words in answer.text
    assert client.get("/v1/recipes").json()["items"] == []


def test_recipes_are_their_tenants_own(client, stranger):
    add(client, SUMMER)
    assert stranger.get("/v1/recipes").json()["items"] == []
    for path in ("", "/versions", "/versions/1"):
        assert stranger.get(f"/v1/recipes/summer{path}").status_code == 404
    answer = stranger.post("/v1/jobs", json={"prompt": "a", "recipe": "summer"})
    assert answer.status_code == 404
    assert add(stranger, {"steps": 3})["version"] == 1
    assert client.get("/v1/recipes/summer").json()["fields"] == SUMMER


def test_one_recipe_makes_of_two_platforms_exports_what_its_channels_want(client):
    template = "{{ color|lower }} {{ title }}, studio light"
    add(client, {"template": template, "channels": ["walmart", "web.avif"]}, name="studio")
    found = {}
    for name in ("shopify-2025.csv", "google.tsv"):
        content = (EXAMPLES / name).read_bytes()
        answer = client.post(
            "/v1/batches", files={"file": (name, content)}, data={"recipe": "studio"}
        )
        assert answer.status_code == 202, answer.text
        batch = answer.json()
        jobs = items(client, batch)
        assert all(
            [one["channel"] for one in job["renditions"]] == ["walmart", "web.avif"] for job in jobs
        )
        header = client.get(batch["links"]["results"]).text.splitlines()[0]
        assert header.endswith(",web.avif_file,web.avif_url,web.avif_note")
        found[batch["detected"]["source"]] = jobs[1]["prompt"], jobs[1]["file_name"]
    assert found == {
        "shopify": ("black City backpack, studio light", "BAG-B_1.png"),
        "google": ("green and white Court sneaker, studio light", "SHO-4002_1.png"),
    }


def test_a_deleted_recipe_is_gone_and_its_reference_never_means_another(
    client, stranger, send, shop
):
    for steps in (4, 5):
        body = {"name": "studio", "note": "mine", "fields": {"steps": steps}}
        made = client.post("/v1/recipes", json=body, headers={"Idempotency-Key": f"s{steps}"})
        assert made.status_code == 201
    theirs = stranger.post("/v1/recipes", json=body, headers={"Idempotency-Key": "theirs"})
    batch = send(client, "sku,prompt\nA,a red mug\n", recipe="studio@1")

    assert stranger.delete("/v1/recipes/mine").status_code == 404
    assert client.delete("/v1/recipes/studio").status_code == 204
    assert client.delete("/v1/recipes/studio").status_code == 404
    for path in ("", "/versions", "/versions/1", "/versions/2"):
        assert client.get(f"/v1/recipes/studio{path}").status_code == 404
    assert client.get("/v1/recipes").json()["items"] == []
    answer = client.post("/v1/jobs", json={"prompt": "a mug", "recipe": "studio"})
    assert answer.status_code == 404
    (left,) = [one for one in shop.all(Recipe) if one.tenant == "shop"]
    assert (left.version, left.fields, left.note) == (2, {}, "")

    # What was made with it stays, and what others have.
    seen = client.get(batch["links"]["self"]).json()
    assert (seen["recipe"], seen["total"]) == ("studio@1", 1)
    again = stranger.post("/v1/recipes", json=body, headers={"Idempotency-Key": "theirs"})
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == theirs.json() == stranger.get("/v1/recipes/studio").json()

    # Nothing answers for it, and its numbers go on.
    new = client.post("/v1/recipes", json=body, headers={"Idempotency-Key": "s5"})
    assert (new.status_code, new.json()["reference"]) == (201, "studio@3")
    versions = client.get("/v1/recipes/studio/versions").json()["items"]
    assert [one["version"] for one in versions] == [3]
