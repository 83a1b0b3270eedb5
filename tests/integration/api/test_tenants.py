"""Keys: nothing without one, and nothing of another tenant."""

import re
from uuid import uuid4

import pytest

from core.keys import create_key, find_key, list_keys, revoke_key

OPEN = {"/healthz", "/readyz", "/metrics", "/files/{token}/{channel}/{file_name}"}
"""Paths that ask for no API key; `/metrics` has a token of its own, `/files` one for each image."""

BODIES = {
    "/v1/cache/purge": {"all": True},
    "/v1/jobs/{job_id}/approval": {"state": "approved"},
    "/v1/batches/{batch_id}/approvals": {"state": "approved", "waiting": {}},
    "/v1/jobs/{job_id}/alt-text": {"alt_text": "a mug"},
    "/v1/publish-targets/{name}/credentials": {"credentials": {"access_token": "another"}},
    "/v1/webhook-endpoints/{endpoint_id}/replay": {"since": "2026-01-01T00:00:00Z"},
}
"""What is sent to a path that does not take `{}`."""


def operations(client) -> list[tuple[str, str]]:
    """Read every route, with its method, from the API's description."""
    described = client.get("/openapi.json").json()["paths"]
    return [(method.upper(), path) for path, methods in described.items() for method in methods]


def test_only_known_paths_ask_for_no_key(client):
    described = client.get("/openapi.json").json()["paths"]
    found = {
        path
        for path, methods in described.items()
        if not all(operation.get("security") for operation in methods.values())
    }
    assert found == OPEN
    assert all(path.startswith("/v1/") for path in set(described) - OPEN)


@pytest.mark.parametrize("header", [None, "Bearer psk_wrong", "Basic abc", "Bearer"])
def test_nothing_is_answered_without_a_key(client, header):
    client.headers.pop("Authorization")
    headers = {"Authorization": header} if header else {}
    for method, path in operations(client):
        if path in OPEN:
            continue
        filled = re.sub(r"{\w+}", str(uuid4()), path)
        for extra in ({}, {"Idempotency-Key": "a"}):
            answer = client.request(method, filled, headers=headers | extra)
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


def test_what_belongs_to_another_tenant_is_not_there(client, stranger, things):
    walked = 0
    for method, path in operations(client):
        if path in OPEN or "{" not in path:
            continue
        named = re.findall(r"{(\w+)}", path)
        assert set(named) <= set(things), f"{path}: make such a thing in the fixture `things`"
        filled = path.format(**things)
        answer = stranger.request(method, filled, json=BODIES.get(path, {}))
        assert answer.status_code == 404, (method, path, answer.text)
        assert answer.json()["code"] == "not_found"
        walked += 1
    assert walked == 52, "every route with an id"
    assert client.get(f"/v1/batches/{things['batch_id']}").json()["state"] == "completed"
    assert stranger.get("/v1/batches").json()["items"] == []
    kept = [one for one in client.get("/v1/keys").json()["items"] if one["revoked_at"] is None]
    assert things["key_id"] in {one["id"] for one in kept}


def test_another_tenants_images_answer_nobody_else(client, stranger, worker):
    worker.make(client.post("/v1/jobs", json={"prompt": "a red mug"}).json()["id"])
    assert stranger.post("/v1/jobs", json={"prompt": "a red mug"}).json()["cache"] == "miss"
