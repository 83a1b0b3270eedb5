"""Webhooks, models and the system on pages."""

import re

import pytest

from bundles.manifest import PRESETS_PICTURE, Preset
from bundles.manifest_file import load_manifest, save_manifest
from core.domain.scopes import Scope
from core.keys import create_key
from core.lifecycle import serving
from tests.integration.api.browser import Browser

PATH = "/workbench/webhooks"


@pytest.fixture
def browser(client, database):
    with database.session() as session:
        _, plain = create_key(session, "shop", "Ada")
    with Browser(str(client.base_url)) as browser:
        browser.sign_in(plain)
        yield browser


@pytest.fixture
def endpoint(client):
    return client.post("/v1/webhook-endpoints", json={"url": "https://shop.example/"}).json()


def test_registering_an_endpoint_shows_its_secret_once(browser, client):
    page = browser.submit(browser.get(PATH), PATH, url="https://shop.example/hook")
    (secret,) = re.findall(r"whsec_[\w+/=]+", page.text)
    (made,) = client.get("/v1/webhook-endpoints").json()["items"]
    assert made["url"] == "https://shop.example/hook"
    for path in (PATH, f"{PATH}/{made['id']}"):
        assert secret not in browser.get(path).text


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "nothing", "ftp://shop.example/"])
def test_a_bad_address_is_refused_and_not_lost(browser, client, url):
    page = browser.submit(browser.get(PATH), PATH, url=url, description="The shop's")
    assert page.status_code == 422
    assert f'value="{url}"' in page.text
    assert "The shop&#39;s" in page.text
    assert 'role="alert"' in page.text
    assert client.get("/v1/webhook-endpoints").json()["items"] == []


def test_testing_replaying_switching_and_deleting(browser, client, endpoint):
    path = f"{PATH}/{endpoint['id']}"
    page = browser.submit(browser.get(path), "/test")
    assert "A test event is on its way." in page.text
    deliveries = f"/v1/webhook-endpoints/{endpoint['id']}/deliveries"
    (first,) = client.get(deliveries).json()["items"]
    browser.submit(page, f"/deliveries/{first['id']}/replay")
    again = client.get(deliveries).json()["items"]
    assert [one["event_id"] for one in again] == [first["event_id"]] * 2
    page = browser.submit(browser.get(path), "/switch")
    assert "It is told nothing" in page.text
    assert client.get(f"/v1/webhook-endpoints/{endpoint['id']}").json()["disabled_at"]
    refused = browser.submit(page, "/test")
    assert refused.status_code == 409
    page = browser.submit(browser.get(path), "/switch")
    assert client.get(f"/v1/webhook-endpoints/{endpoint['id']}").json()["disabled_at"] is None
    assert "whsec_" in browser.submit(page, "/secret").text
    browser.submit(browser.get(path), "/delete")
    assert client.get("/v1/webhook-endpoints").json()["items"] == []


def test_events_of_the_last_hours_are_sent_once_more(browser, client, endpoint, database):
    from sqlalchemy import update

    from core.db.models import WebhookDelivery
    from core.domain.states import DeliveryState

    path = f"{PATH}/{endpoint['id']}"
    browser.submit(browser.get(path), "/test")
    with database.session() as session:
        session.execute(update(WebhookDelivery).values(state=DeliveryState.FAILED))
    page = browser.submit(browser.get(path), f"{endpoint['id']}/replay", hours="2")
    assert "1 events are sent once more." in page.text
    failed = browser.get(path, params={"state": "failed"})
    assert failed.text.count("endpoint.test</th>") == 1


def test_callbacks_have_a_page(browser):
    assert "Callbacks" in browser.get(f"{PATH}/callbacks").text


def test_only_an_admin_changes_webhooks(client, database, endpoint):
    with database.session() as session:
        _, plain = create_key(session, "shop", scopes=[Scope.READ, Scope.SUBMIT])
    with Browser(str(client.base_url)) as reader:
        page = reader.sign_in(plain)
        token = re.findall(r'name="csrf" value="(\w+)"', page.text)[0]
        path = f"{PATH}/{endpoint['id']}"
        shown = reader.get(path)
        assert shown.status_code == 200
        assert "/delete" not in shown.text
        for action in ("test", "switch", "secret", "delete", "replay"):
            answer = reader.http.post(f"{path}/{action}", data={"csrf": token})
            assert answer.status_code == 403, action
    assert len(client.get("/v1/webhook-endpoints").json()["items"]) == 1


def test_a_stranger_has_no_such_endpoint(client, database, endpoint):
    delivery = client.post(f"/v1/webhook-endpoints/{endpoint['id']}/test").json()
    with database.session() as session:
        _, plain = create_key(session, "stranger")
    path = f"{PATH}/{endpoint['id']}"
    with Browser(str(client.base_url)) as stranger:
        page = stranger.sign_in(plain)
        token = re.findall(r'name="csrf" value="(\w+)"', page.text)[0]
        assert stranger.get(path).status_code == 404
        for action in ("test", "switch", "secret", "delete", "replay"):
            answer = stranger.http.post(f"{path}/{action}", data={"csrf": token})
            assert answer.status_code == 404, action
        again = f"{PATH}/deliveries/{delivery['id']}/replay"
        assert stranger.http.post(again, data={"csrf": token}).status_code == 404


def test_models_say_what_they_can_and_who_serves_them(browser, database):
    page = browser.get("/workbench/models")
    assert "no worker" in page.text
    with database.session() as session:
        serving.announce(session, "worker-1@host", ["1" * 64])
    page = browser.get("/workbench/models")
    assert "no worker" not in page.text
    assert "32 to 128 pixels" in page.text


def test_models_show_what_their_presets_draw(browser, client, settings):
    address = "/workbench/models/default/presets.webp"
    assert address not in browser.get("/workbench/models").text
    assert browser.get(address).status_code == 404
    assert browser.get(address.replace("default", "..")).status_code == 404
    folder = settings.models["default"]
    manifest = load_manifest(folder)
    point = Preset(scheduler="ddim", steps=4, guidance_scale=2.0, scores={"mmd": 0.1})
    save_manifest(manifest.model_copy(update={"presets": {"standard": point}}), folder)
    (folder / PRESETS_PICTURE).write_bytes(b"RIFF")
    assert address in browser.get("/workbench/models").text
    picture = browser.get(address)
    assert (picture.content, picture.headers["content-type"]) == (b"RIFF", "image/webp")
    with Browser(str(client.base_url)) as stranger:
        assert stranger.get(address).url.path == "/workbench/sign-in"


def test_the_system_shows_a_tenants_lanes_workers_and_caches(browser, client, database, worker):
    job = client.post("/v1/jobs", json={"prompt": "a red mug"}).json()
    with database.session() as session:
        _, plain = create_key(session, "stranger")
        serving.announce(session, "one", ["1" * 64], {"1" * 64: 7.26})
    lane = r"interactive</th><td class=\"number\">(\d+)</td>"
    system = browser.get("/workbench/system").text
    assert re.findall(lane, system) == ["1"]
    assert '<td class="number">7.3</td>' in system
    with Browser(str(client.base_url)) as stranger:
        stranger.sign_in(plain)
        assert re.findall(lane, stranger.get("/workbench/system").text) == ["0"]
    worker.make(job["id"])
    client.post("/v1/jobs", json={"prompt": "a red mug"})
    page = browser.get("/workbench/system", headers={"HX-Request": "true"})
    assert "<html" not in page.text
    assert re.search(r"Stored images</th>\s*<td class=\"number\">1</td>", page.text)
