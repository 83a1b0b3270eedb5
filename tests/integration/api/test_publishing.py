"""Publishing over HTTP and from the command line: targets, plans, runs, undo."""

import csv
import io
import json

import pytest
from sqlmodel import select

from cli.commands import publish
from cli.main import main
from core.db.models import PublishTarget
from ops.publishing.publisher import RunPublisher
from tests.support.shopify_double import TOKEN


@pytest.fixture
def settings(settings):
    return settings.model_copy(
        update={"outbound_allow": "127.0.0.1", "outbound_ports": "80,443,1024-65535"}
    )


@pytest.fixture
def publisher(database, storage, settings):
    return RunPublisher(database=database, storage=storage, settings=settings)


@pytest.fixture
def batch(client, send, worker):
    made = send(client, "sku,title,color,prompt\nA,Harbour Mug,blue,a mug\nB,,,a red bowl\n")
    for job in client.get(made["links"]["items"]).json()["items"]:
        worker.make(job["id"])
    return made["id"]


@pytest.fixture
def add(client, double):
    def add(**values):
        body = {"name": "mine", "kind": "shopify", "address": double.server.url}
        body["credentials"] = {"access_token": TOKEN}
        return client.post("/v1/publish-targets", json=body | values)

    return add


def test_from_a_plan_to_a_published_batch_and_back(client, double, publisher, add, batch):
    product = double.add_product("A", media=[("old.jpg", "Old")])
    assert add().status_code == 201
    plan = {"batch_id": batch, "target": "mine", "placement": "first"}
    made = client.post("/v1/publishes", json=plan)
    assert (made.status_code, made.json()["state"]) == (201, "planning")
    path = made.headers["Location"]
    early = client.post(f"{path}/start")
    assert (early.status_code, early.json()["state"]) == (409, "planning")
    publisher.publish()
    run = client.get(path).json()
    assert run["state"] == "planned"
    assert (run["products"]["planned"], run["products"]["not_found"]) == (1, 1)
    first = client.get(f"{path}/items", params={"limit": 1}).json()
    (found,) = first["items"]
    assert [one["alt"] for one in found["images"]] == ["Harbour Mug, blue"]
    assert [one["alt"] for one in found["before"]] == ["Old"]
    rest = client.get(f"{path}/items", params={"cursor": first["next"]}).json()
    assert [one["state"] for one in rest["items"]] == ["not_found"]
    assert client.post(f"{path}/start").json()["state"] == "running"
    publisher.publish()
    assert client.get(path).json()["state"] == "published"
    assert [alt for _, alt in double.shown(product)] == ["Harbour Mug, blue", "Old"]
    assert client.post(f"{path}/undo").json()["state"] == "undoing"
    publisher.publish()
    assert client.get(path).json()["state"] == "undone"
    assert double.shown(product) == [("old.jpg", "Old")]
    assert client.post(f"{path}/undo").status_code == 409
    assert [one["id"] for one in client.get("/v1/publishes").json()["items"]] == [run["id"]]


def test_credentials_are_kept_and_never_given_back(client, database, add, batch):
    answers = [
        add(),
        client.get("/v1/publish-targets"),
        client.get("/v1/publish-targets/mine"),
        client.put(
            "/v1/publish-targets/mine/credentials", json={"credentials": {"access_token": TOKEN}}
        ),
    ]
    assert all(one.is_success and TOKEN not in one.text for one in answers)
    with database.session() as session:
        (target,) = session.exec(select(PublishTarget)).all()
        assert TOKEN.encode() not in target.credentials
    run = client.post("/v1/publishes", json={"batch_id": batch, "target": "mine"}).json()
    assert client.delete("/v1/publish-targets/mine").status_code == 204
    with database.session() as session:
        assert session.get_one(PublishTarget, target.id).credentials is None
    assert client.get(f"/v1/publishes/{run['id']}").json()["target"] == "mine"
    assert add().status_code == 201, "the name is free again"


@pytest.mark.parametrize(
    ("values", "status", "told"),
    [
        ({"credentials": {"password": "x"}}, 422, "`access_token`"),
        ({"credentials": {"access_token": "two\nlines"}}, 422, "without line ends"),
        ({"address": "http://169.254.169.254"}, 422, "PACKSHOT_OUTBOUND_ALLOW"),
        ({"address": "https://shop.example/?a=b"}, 422, "without a query"),
        ({"kind": "magento"}, 422, "kind"),
    ],
)
def test_a_target_that_cannot_work_is_refused_with_a_sentence(client, add, values, status, told):
    refused = add(**values)
    assert refused.status_code == status
    assert told in refused.text
    assert 'lines"' not in refused.text
    assert client.get("/v1/publish-targets").json()["items"] == []


def test_a_server_without_a_secret_says_who_can_help(serve, settings, double):
    client = serve(settings.model_copy(update={"secret_keys": None}))
    body = {"name": "mine", "kind": "shopify", "address": double.server.url}
    refused = client.post(
        "/v1/publish-targets", json=body | {"credentials": {"access_token": TOKEN}}
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "no_secret_key")
    assert "PACKSHOT_SECRET_KEYS" in refused.json()["detail"]


def test_an_alternative_text_is_replaced_everywhere(client, double, publisher, add, batch):
    product = double.add_product("A")
    job = client.get(f"/v1/batches/{batch}/items").json()["items"][0]
    assert job["alt_text"] == "Harbour Mug, blue"
    written = client.put(f"/v1/jobs/{job['id']}/alt-text", json={"alt_text": " Ein blauer Becher "})
    assert written.json()["alt_text"] == "Ein blauer Becher"
    assert "Ein blauer Becher" in client.get(f"/v1/batches/{batch}/results.csv").text
    assert "Ein blauer Becher" in client.get(f"/v1/batches/{batch}/manifest.jsonl").text
    add()
    run = client.post("/v1/publishes", json={"batch_id": batch, "target": "mine"}).json()
    publisher.publish()
    client.post(f"/v1/publishes/{run['id']}/start")
    publisher.publish()
    assert [alt for _, alt in double.shown(product)] == ["Ein blauer Becher"]
    too_long = client.put(f"/v1/jobs/{job['id']}/alt-text", json={"alt_text": "x" * 513})
    assert too_long.status_code == 422


def test_the_whole_way_from_the_command_line(client, double, publisher, batch, monkeypatch, capsys):
    monkeypatch.setenv("PACKSHOT_URL", str(client.base_url))
    monkeypatch.setenv("PACKSHOT_KEY", client.headers["Authorization"].removeprefix("Bearer "))
    monkeypatch.setenv("PACKSHOT_STORE_ACCESS_TOKEN", TOKEN)
    # While the command waits, housekeeping works.
    monkeypatch.setattr(publish.time, "sleep", lambda _: publisher.publish())

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["packshot", "publish", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert not ended.value.code, said.err
        return said.out, said.err

    product = double.add_product("A", media=[("old.jpg", "Old")])
    run("add", "mine", "shopify", double.server.url)
    assert json.loads(run("targets", "--json")[0])[0]["name"] == "mine"
    planned = json.loads(run("plan", batch, "mine", "--json")[0])
    assert [one["state"] for one in planned["items"]] == ["planned", "not_found"]
    out, err = run("run", planned["id"])
    assert "Product of A" in out
    assert "1 published" in err
    assert len(product.media) == 2
    assert planned["id"] in run("status")[0]
    assert json.loads(run("undo", planned["id"], "--json")[0])["state"] == "undone"
    assert double.shown(product) == [("old.jpg", "Old")]
    run("remove", "mine")


def test_a_feed_names_the_images_and_keeps_its_columns(serve, settings, worker):
    client = serve(settings.model_copy(update={"public_url": "https://img.shop.example"}))
    rows = [
        {"id": "A", "sku": "A", "prompt": "a mug", "image_link": "https://old.example/a.jpg"},
        {"id": "B", "sku": "B", "prompt": "a bowl", "image_link": "https://old.example/b.jpg"},
    ]
    asked = {"rows": rows, "variants": 2, "channels": ["google_merchant"]}
    batch = client.post("/v1/batches", json=asked).json()
    jobs = client.get(batch["links"]["items"]).json()["items"]
    for job in jobs[:2]:
        worker.make(job["id"])
    path = f"/v1/batches/{batch['id']}/feed.tsv"
    feed = client.get(path)
    assert feed.headers["content-type"].startswith("text/tab-separated-values")
    made, waiting = csv.DictReader(io.StringIO(feed.text), dialect="excel-tab")
    links = [job["renditions"][0]["public_url"] for job in client.get(
        batch["links"]["items"]).json()["items"][:2]]  # fmt: skip
    assert made["image_link"].endswith(links[0].rpartition("/files/")[2])
    assert made["additional_image_link"].endswith(links[1].rpartition("/files/")[2])
    assert (made["id"], waiting["image_link"]) == ("A", "https://old.example/b.jpg")
    assert client.get(path, params={"channel": "walmart"}).status_code == 409


def test_a_feed_needs_public_addresses(client, batch):
    refused = client.get(f"/v1/batches/{batch}/feed.tsv")
    assert refused.status_code == 409
    assert "PACKSHOT_PUBLIC_URL" in refused.json()["detail"]
