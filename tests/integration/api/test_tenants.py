"""Keys: nothing without one, and nothing of another tenant."""

import re
from uuid import uuid4

import pytest

from core.keys import create_key, find_key, list_keys, revoke_key

PATHS = [
    ("GET", "/v1/batches"),
    ("POST", "/v1/batches"),
    ("GET", "/v1/batches/{id}"),
    ("GET", "/v1/batches/{id}/items"),
    ("GET", "/v1/batches/{id}/results.csv"),
    ("GET", "/v1/batches/{id}/manifest.jsonl"),
    ("GET", "/v1/batches/{id}/images.zip"),
    ("POST", "/v1/batches/{id}/cancel"),
    ("POST", "/v1/jobs"),
    ("GET", "/v1/jobs/{id}"),
    ("GET", "/v1/jobs/{id}/image"),
    ("GET", "/v1/jobs/{id}/renditions"),
    ("GET", "/v1/jobs/{id}/renditions/walmart"),
    ("POST", "/v1/jobs/{id}/cancel"),
    ("GET", "/v1/recipes"),
    ("POST", "/v1/recipes"),
    ("GET", "/v1/recipes/{name}"),
    ("GET", "/v1/recipes/{name}/versions"),
    ("GET", "/v1/recipes/{name}/versions/1"),
    ("GET", "/v1/stats"),
    ("POST", "/v1/cache/purge"),
]


def test_the_list_of_paths_here_is_the_whole_api(client):
    described = client.get("/openapi.json").json()["paths"]
    found = {
        (
            method.upper(),
            re.sub(r"{(batch|job)_id}", "{id}", path)
            .replace("{channel}", "walmart")
            .replace("{version}", "1"),
        )
        for path, methods in described.items()
        for method in methods
        if path.startswith("/v1/")
    }
    assert found == set(PATHS)


@pytest.mark.parametrize("header", [None, "Bearer psk_wrong", "Basic abc", "Bearer"])
def test_nothing_is_answered_without_a_key(client, header):
    client.headers.pop("Authorization")
    headers = {"Authorization": header} if header else {}
    for method, path in PATHS:
        answer = client.request(method, path.format(id=uuid4(), name="summer"), headers=headers)
        assert answer.status_code == 401, path
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.json()["code"] == "unauthorized"


def test_a_revoked_key_is_unknown(client, database):
    with database.session() as session:
        row, plain = create_key(session, "shop")
    headers = {"Authorization": f"Bearer {plain}"}
    assert client.get("/v1/batches", headers=headers).status_code == 200
    with database.session() as session:
        assert revoke_key(session, row.id)
        assert not revoke_key(session, row.id)
        assert find_key(session, plain) is None
    assert client.get("/v1/batches", headers=headers).status_code == 401


def test_keys_are_listed_by_tenant(database):
    with database.session() as session:
        first, _ = create_key(session, "shop", "first")
        create_key(session, "other")
        second, _ = create_key(session, "shop", "second")
        assert [row.id for row in list_keys(session, "shop")] == [first.id, second.id]
        assert len(list_keys(session)) == 3


def test_what_belongs_to_another_tenant_is_not_there(client, stranger, send, worker):
    batch = send(client, "sku,prompt\nA,a red mug\n")
    (job,) = client.get(batch["links"]["items"]).json()["items"]
    worker.make(job["id"])
    for method, path in PATHS:
        if "{id}" not in path:
            continue
        for identity in (batch["id"], job["id"]):
            answer = stranger.request(method, path.format(id=identity))
            assert answer.status_code == 404, path
    assert stranger.get("/v1/batches").json()["items"] == []
    assert client.get(batch["links"]["self"]).json()["state"] == "completed"


def test_another_tenants_images_answer_nobody_else(client, stranger, worker):
    worker.make(client.post("/v1/jobs", json={"prompt": "a red mug"}).json()["id"])
    assert stranger.post("/v1/jobs", json={"prompt": "a red mug"}).json()["cache"] == "miss"
