"""From a shop's workbook to approved images in the shop, by somebody who never saw a terminal."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from core.db.models import Batch, Job
from core.links import NEW_BATCH, WORKBENCH
from ops.publishing.publisher import RunPublisher
from tests.integration.api.workbench.test_new_batch import workbook
from tests.pictures import near_white, png, product
from tests.support.shopify_double import TOKEN


@pytest.fixture
def settings(settings):
    return settings.model_copy(
        update={"outbound_allow": "127.0.0.1", "outbound_ports": "80,443,1024-65535"}
    )


def queue_workbook(page) -> None:
    page.get_by_label("Sheet", exact=False).first.set_input_files(workbook())
    page.get_by_label("Recipe").select_option("gated")
    page.get_by_role("button", name="Look at the sheet").click()
    page.get_by_label("Column of sku").select_option("Artikelnummer")
    page.get_by_role("button", name="Look again with these columns").click()
    page.get_by_role("button", name="Queue 2 images").click()
    page.wait_for_url("**/batches/*")


def add_shop(page, address: str) -> None:
    page.get_by_role("button", name="New shop").click()
    page.get_by_label("Name", exact=True).fill("mine")
    page.get_by_label("Address").fill(address)
    page.get_by_label("Access token").fill(TOKEN)
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_text("mine is added.").wait_for()


def publish_all(publisher: RunPublisher) -> None:
    # In another thread: Playwright's loop runs in this one.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(publisher.publish).result()


def test_only_what_was_approved_comes_from_a_workbook_into_the_shop(
    person, client, shop, worker, double, database, storage, settings
):
    gate = {"name": "gated", "fields": {"require_approval": True}}
    assert client.post("/v1/recipes", json=gate).is_success
    mug, vase = (double.add_product(sku, media=[("old.jpg", "Old")]) for sku in ("K-1", "K-2"))
    publisher = RunPublisher(database=database, storage=storage, settings=settings)
    ada = person()
    page = ada.sign_in()
    ada.go(NEW_BATCH)
    queue_workbook(page)
    for job in shop.all(Job):
        worker.make(str(job.id), png(near_white(product())))
    (batch,) = shop.all(Batch)

    page = ada.go(f"{WORKBENCH}/batches/{batch.id}/review")
    page.keyboard.press("ArrowRight")
    with page.expect_response(lambda answer: answer.request.method == "POST"):
        page.keyboard.press("a")
    page.locator(".badge.approved").wait_for()
    page.get_by_label("Why").fill("The colour is wrong.")
    page.locator("input[name=chosen]").nth(1).check()
    page.get_by_role("button", name="Reject chosen").click()
    page.get_by_text("1 image rejected.").wait_for()

    page = ada.go(f"{WORKBENCH}/publishes")
    add_shop(page, double.server.url)
    page.get_by_role("button", name="Look up what would change").click()
    page.wait_for_url("**/publishes/*")
    publish_all(publisher)
    publish = page.get_by_role("button", name="Publish", exact=True)
    publish.wait_for()
    assert (len(mug.media), len(vase.media)) == (1, 1)
    publish.click()
    page.wait_for_load_state()
    publish_all(publisher)
    page.locator("p[role=status]", has_text="1 published").wait_for()
    assert (len(mug.media), len(vase.media)) == (2, 1)
    assert ada.complaints == []
