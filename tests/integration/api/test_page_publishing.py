"""Publishing on pages: a shop, a plan, a run, and back."""

from contextlib import ExitStack

import pytest

from core.domain.scopes import Scope
from core.keys import create_key
from ops.publishing.publisher import RunPublisher
from tests.integration.api.browser import Browser
from tests.support.shopify_double import TOKEN

PATH = "/workbench/publishes"


@pytest.fixture
def settings(settings):
    return settings.model_copy(
        update={"outbound_allow": "127.0.0.1", "outbound_ports": "80,443,1024-65535"}
    )


@pytest.fixture
def visit(client, database):
    """Sign in with a key of some scopes."""
    with ExitStack() as stack:

        def visit(*scopes):
            with database.session() as session:
                _, plain = create_key(session, "shop", "Ada", scopes=scopes or tuple(Scope))
            browser = stack.enter_context(Browser(str(client.base_url)))
            browser.sign_in(plain)
            return browser

        yield visit


def test_from_a_new_shop_to_published_images_and_back(
    visit, client, send, worker, double, database, storage, settings
):
    product = double.add_product("A", media=[("old.jpg", "Old")])
    batch = send(client, "sku,title,prompt\nA,Harbour Mug,a mug\nB,,a bowl\n")
    for job in client.get(batch["links"]["items"]).json()["items"]:
        worker.make(job["id"])
    publisher = RunPublisher(database=database, storage=storage, settings=settings)
    browser = visit()
    page = browser.submit(
        browser.get(PATH), f"{PATH}/targets",
        name="mine", address=double.server.url, access_token=TOKEN,
    )  # fmt: skip
    assert "mine is added." in page.text
    assert TOKEN not in page.text
    page = browser.submit(page, PATH, batch_id=batch["id"], target="mine", placement="first")
    path = page.url.path
    assert "planning" in page.text
    publisher.publish()
    page = browser.get(path)
    assert "Product of A" in page.text
    assert "Not in the shop" in page.text
    assert len(product.media) == 1
    page = browser.submit(page, "/start")
    publisher.publish()
    part = browser.get(path, headers={"HX-Request": "true"})
    assert "<html" not in part.text
    assert "1 published" in part.text
    assert [alt for _, alt in double.shown(product)] == ["Harbour Mug", "Old"]
    browser.submit(browser.get(path), "/undo")
    publisher.publish()
    assert "1 undone" in browser.get(path).text
    assert double.shown(product) == [("old.jpg", "Old")]
    page = browser.submit(browser.get(PATH), "/mine/delete")
    assert "mine is deleted." in page.text


def test_who_may_only_read_sees_no_button(visit, client, double):
    body = {"name": "mine", "kind": "shopify", "address": double.server.url}
    client.post("/v1/publish-targets", json=body | {"credentials": {"access_token": TOKEN}})
    page = visit(Scope.READ).get(PATH)
    assert "mine" in page.text
    assert "New shop" not in page.text
    assert f'action="{PATH}' not in page.text


def test_a_shop_that_cannot_work_is_refused_with_a_sentence(visit, client):
    browser = visit()
    page = browser.submit(
        browser.get(PATH), f"{PATH}/targets", name="mine", address="http://127.0.0.2:1"
    )
    assert page.status_code == 422
    assert 'role="alert"' in page.text
    assert client.get("/v1/publish-targets").json()["items"] == []
