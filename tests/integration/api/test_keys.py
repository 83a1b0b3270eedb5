"""Keys over HTTP: made, limited in time, rotated, revoked."""

from datetime import datetime

import httpx
import pytest
from sqlalchemy import text

from core.keys import create_key, find_key, rotate_key
from tests.integration.shop import poll


def bearer(plain: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {plain}"}


def works(client, plain: str) -> bool:
    status = client.get("/v1/batches", headers=bearer(plain)).status_code
    assert status in (200, 401)
    return status == 200


@pytest.fixture
def sql(database):
    def sql(statement: str) -> None:
        with database.session() as session:
            session.execute(text(statement))

    return sql


def test_a_key_is_made_shown_once_and_listed_without_it(client):
    made = client.post("/v1/keys", json={"name": "shop front", "scopes": ["read"]})
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    plain = made.json()["key"]
    assert works(client, plain)
    assert client.post("/v1/jobs", json={}, headers=bearer(plain)).status_code in (403, 422)
    assert client.get("/v1/keys", headers=bearer(plain)).status_code == 403
    listed = client.get("/v1/keys")
    assert plain not in listed.text
    assert [one["name"] for one in listed.json()["items"]] == ["", "shop front"]
    assert listed.json()["items"][1]["scopes"] == ["read"]


def test_a_key_ends_with_its_time(client, sql):
    plain = client.post("/v1/keys", json={"expires_seconds": 3600}).json()["key"]
    assert works(client, plain)
    sql("update api_key set expires_at = now() where expires_at is not null")
    assert not works(client, plain)


def test_a_rotated_key_works_with_its_new_secret_and_the_old_one_as_long_as_was_said(client, sql):
    made = client.post("/v1/keys", json={"name": "nightly"}).json()
    path = f"/v1/keys/{made['id']}/rotate"
    second = client.post(path, json={"overlap_seconds": 3600}).json()
    assert second["id"] == made["id"]
    assert works(client, made["key"])
    assert works(client, second["key"])
    sql("update api_key set previous_until = now() where previous_until is not null")
    assert not works(client, made["key"])
    third = client.post(path, json={}).json()
    assert not works(client, second["key"]), "at once, where no overlap was asked for"
    assert works(client, third["key"])


def test_revoking_ends_a_key_at_once_in_every_process_and_its_rotation_with_it(
    serve, settings, database
):
    here, there = serve(settings), serve(settings)
    made = here.post("/v1/keys", json={}).json()
    second = here.post(f"/v1/keys/{made['id']}/rotate", json={"overlap_seconds": 60}).json()
    for client in (here, there):
        assert works(client, made["key"])
        assert works(client, second["key"])
    assert here.delete(f"/v1/keys/{made['id']}").status_code == 204
    for client in (here, there):
        assert not works(client, made["key"])
        assert not works(client, second["key"])
    assert here.delete(f"/v1/keys/{made['id']}").status_code == 404
    assert here.post(f"/v1/keys/{made['id']}/rotate", json={}).status_code == 404
    with database.session() as session:
        assert find_key(session, made["key"]) is None
        assert rotate_key(session, made["id"]) is None


def test_the_last_use_of_a_key_is_noted(serve, settings):
    client = serve(settings.model_copy(update={"stats_seconds": 0.05}))
    poll(lambda: client.get("/v1/keys").json()["items"][0]["last_used_at"])


@pytest.mark.parametrize(
    "body",
    [
        {"scopes": []},
        {"scopes": ["root"]},
        {"expires_seconds": 0},
        {"requests_per_minute": -1},
        {"tenant": "other"},
    ],
)
def test_a_key_that_cannot_be_is_refused(client, body):
    assert client.post("/v1/keys", json=body).status_code == 422


def test_another_tenant_rotates_nothing(database):
    with database.session() as session:
        row, plain = create_key(session, "shop")
        found = rotate_key(session, row.id, tenant="other")
        assert found is None
        assert find_key(session, plain).id == row.id


LIMITED = {"requests_per_minute": 30, "queued_images": 2, "source_bytes": 1000}


@pytest.fixture
def maker(client, database):
    """Make a key on the server, as an operator does, and call `/v1/keys` with it."""

    def maker(**values: object):
        with database.session() as session:
            row, plain = create_key(session, "shop", **values)

        def call(body: dict, path: str = "") -> httpx.Response:
            return client.post(f"/v1/keys{path}", json=body, headers=bearer(plain))

        return row, call

    return maker


@pytest.mark.parametrize(
    ("has", "asks", "more"),
    [
        (LIMITED, {"requests_per_minute": 0}, ["requests_per_minute"]),
        (LIMITED, {"requests_per_minute": 31}, ["requests_per_minute"]),
        (LIMITED, {"requests_per_minute": None}, ["requests_per_minute"]),
        (LIMITED, {"queued_images": 3}, ["queued_images"]),
        (LIMITED, {"source_bytes": 1001}, ["source_bytes"]),
        (LIMITED, dict.fromkeys(LIMITED, 0), list(LIMITED)),
        ({"scopes": ["admin"]}, {"scopes": ["admin", "read"]}, ["scopes"]),
        ({"scopes": ["admin", "read"]}, {"scopes": ["submit"]}, ["scopes"]),
        ({"expires_seconds": 3600}, {"expires_seconds": 3700}, ["expires_at"]),
        ({"expires_seconds": 3600}, {"expires_seconds": None}, ["expires_at"]),
    ],
)
def test_a_key_makes_none_that_may_more(client, maker, has, asks, more):
    _, call = maker(**has)
    before = client.get("/v1/keys").json()
    refused = call(asks)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert all(name in refused.json()["detail"] for name in more)
    assert [one["id"] for one in client.get("/v1/keys").json()["items"]] == [
        one["id"] for one in before["items"]
    ]


@pytest.mark.parametrize(
    ("has", "asks"),
    [
        (LIMITED, {"requests_per_minute": 30, "queued_images": 1}),
        ({"scopes": ["admin", "read"]}, {"scopes": ["read"]}),
        ({"expires_seconds": 3600}, {"expires_seconds": 60}),
        ({}, {"requests_per_minute": 0, "expires_seconds": None}),
    ],
)
def test_a_key_makes_those_that_may_as_much_or_less(maker, has, asks):
    _, call = maker(**has)
    made = call(asks)
    assert made.status_code == 201, made.text
    assert (
        made.json().items()
        >= {name: value for name, value in asks.items() if name != "expires_seconds"}.items()
    )


def test_what_is_left_out_is_the_makers_also_in_the_next_hand(client, maker):
    row, call = maker(scopes=["admin", "read"], expires_seconds=3600, **LIMITED)
    first = call({"name": "mine"}).json()
    second = client.post("/v1/keys", json={}, headers=bearer(first["key"])).json()
    for made in (first, second):
        assert made.items() >= LIMITED.items()
        assert made["scopes"] == ["read", "admin"]
        assert datetime.fromisoformat(made["expires_at"]) == row.expires_at
    refused = client.post("/v1/keys", json={"queued_images": 3}, headers=bearer(second["key"]))
    assert refused.status_code == 403


@pytest.mark.parametrize("has", [LIMITED, {"scopes": ["admin"]}, {"expires_seconds": 3600}])
def test_a_key_gets_no_secret_of_one_that_may_more(client, maker, database, has):
    own, call = maker(**has)
    with database.session() as session:
        better, plain = create_key(session, "shop")
    refused = call({"overlap_seconds": 60}, f"/{better.id}/rotate")
    assert refused.status_code == 403
    assert "key" not in refused.json()
    assert works(client, plain), "and the one that may more goes on as before"
    with database.session() as session:
        assert find_key(session, plain).previous_digest is None
    assert call({}, f"/{own.id}/rotate").status_code == 200


def test_the_secret_before_a_rotation_makes_nothing_that_outlives_it(client, maker):
    row, call = maker()
    rotated = call({"overlap_seconds": 600}, f"/{row.id}/rotate").json()
    until = datetime.fromisoformat(rotated["previous_until"])
    assert call({"expires_seconds": 6000}).status_code == 403
    assert call({}, f"/{row.id}/rotate").status_code == 403
    assert datetime.fromisoformat(call({}).json()["expires_at"]) == until
    assert works(client, rotated["key"])
