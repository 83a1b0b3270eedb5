"""Mappings of columns: remembered by the header when a sheet is submitted, and by tenant."""

import json
from uuid import uuid4

import pytest

from core import column_mappings
from core.db.models import ColumnMapping

SHEET = "Artikel,Ware\nA,Becher\nB,Vase\n"
COLUMNS = {"sku": "Artikel", "prompt": "Ware"}


def dry_run(client, sheet=SHEET, **fields):
    files = {"file": ("sheet.csv", sheet)}
    answer = client.post("/v1/batches", files=files, data={"dry_run": "true", **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()


def kept(client, **query):
    return client.get("/v1/mappings", params=query).json()["items"]


@pytest.fixture
def said(client, send):
    """A mapping, as it is listed."""
    send(client, SHEET, columns=json.dumps(COLUMNS))
    (mapping,) = kept(client)
    return mapping


def test_a_sheet_with_the_same_header_is_read_as_the_last_one(client, send, said):
    assert (said["columns"], said["source"], said["sheet"]) == (COLUMNS, None, "sheet.csv")
    report = dry_run(client, "Ware,Artikel\nTeller,C\n")
    assert report["valid"]
    assert report["remembered"]["id"] == said["id"]
    assert report["remembered"]["columns"] == COLUMNS
    assert report["preview"][0]["sku"] == "C"
    batch = send(client, SHEET, name="second")
    assert batch["total"] == 2
    assert said["id"] in batch["notes"][0]["message"]
    (used,) = kept(client)
    assert used["sheet"] == "second"
    assert used["last_used_at"] > said["last_used_at"]


@pytest.mark.parametrize("mapping", ["none", "named"])
def test_it_is_not_taken_where_somebody_says_so(client, said, mapping):
    report = dry_run(client, mapping=mapping)
    assert (report["valid"], report["remembered"]) == (False, None)


def test_columns_that_are_said_win_and_take_its_place(client, send, said):
    other = {"sku": "Ware", "prompt": "Artikel"}
    report = dry_run(client, columns=json.dumps(other))
    assert report["remembered"] is None
    assert kept(client) == [said]  # a dry run remembers nothing
    send(client, SHEET, columns=json.dumps(other), mapping="none")
    assert kept(client) == [said]
    send(client, SHEET, columns=json.dumps(other))
    (replaced,) = kept(client, signature=said["signature"])
    assert (replaced["id"], replaced["columns"]) == (said["id"], other)


def test_what_auto_took_is_remembered(client, send):
    sheet = "Artikel-Nr.,Bezeichnung,Farbe\nA,Becher,rot\nB,Becher,blau\n"
    send(client, sheet, mapping="auto")
    (mapping,) = kept(client)
    assert mapping["columns"]["sku"] == "Artikel-Nr."
    assert dry_run(client, sheet)["valid"]


def test_a_recipes_columns_are_the_recipes_alone(client, send):
    recipe = {"name": "german", "fields": {"columns": COLUMNS}}
    assert client.post("/v1/recipes", json=recipe).status_code == 201
    send(client, SHEET, recipe="german")
    assert kept(client) == []


def test_a_refused_sheet_is_not_remembered(client):
    files, data = {"file": ("sheet.csv", SHEET)}, {"columns": '{"sku": "Artikel"}', "steps": "4"}
    assert client.post("/v1/batches", files=files, data=data).status_code == 422
    assert kept(client) == []


def test_it_is_forgotten(client, said):
    path = f"/v1/mappings/{said['id']}"
    assert client.delete(path).status_code == 204
    assert kept(client) == []
    assert client.delete(path).status_code == 404
    assert dry_run(client)["valid"] is False


def test_a_tenant_neither_sees_nor_uses_nor_deletes_anothers(client, stranger, said):
    assert kept(stranger) == []
    assert dry_run(stranger)["remembered"] is None
    assert stranger.delete(f"/v1/mappings/{said['id']}").status_code == 404
    assert kept(client) == [said]


def test_those_without_use_go_first(client, database, shop, monkeypatch):
    monkeypatch.setattr(column_mappings, "MOST", 3)
    signatures = [uuid4().hex * 2 for _ in range(4)]

    def remember(signature):
        with database.session() as session:
            column_mappings.remember_mapping(
                session, "shop", signature, COLUMNS, source=None, sheet=""
            )

    for signature in signatures[:3]:
        remember(signature)
    with database.session() as session:
        column_mappings.note_use(session, "shop", signatures[0], "again")
    remember(signatures[3])
    left = {one.signature for one in shop.all(ColumnMapping)}
    assert left == {signatures[0], signatures[2], signatures[3]}
    first = client.get("/v1/mappings", params={"limit": 2}).json()
    (last,) = kept(client, cursor=first["next"])
    assert {one["signature"] for one in [*first["items"], last]} == left
