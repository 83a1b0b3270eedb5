"""From a sheet to images side by side, and to all of them, as a person does it."""

from core.db.models import Batch, Job
from core.links import PREVIEW
from tests.pictures import near_white, png, product

SHEET = "sku,title\n" + "".join(f"MUG-{number},Mug {number}\n" for number in range(1, 6))


def begin(person, **options):
    """Sign in, and send the first two rows of a sheet to be made in two ways."""
    ada = person(**options)
    page = ada.sign_in()
    ada.go(PREVIEW)
    page.get_by_label("Sheet", exact=True).set_input_files(_file())
    page.get_by_label("Rows").fill("2")
    page.get_by_label("Second column").select_option("recipe:summer")
    page.get_by_role("button", name="Make the preview").click()
    page.wait_for_url("**/preview/images?**")
    return ada


def _file():
    return {"name": "mugs.csv", "mimeType": "text/csv", "buffer": SHEET.encode()}


def make_all(shop, worker):
    for job in shop.all(Job):
        # Equal images of two ways are made once.
        if shop.job(job.id).state == "queued":
            worker.make(str(job.id), png(near_white(product())))


def test_images_come_by_themselves_and_then_all_are_made(person, catalogue, shop, worker):
    ada = begin(person)
    page = ada.page
    assert page.locator("table.compared tbody tr").count() == 2
    assert page.locator("table.compared img").count() == 0
    make_all(shop, worker)
    page.locator("table.compared img").nth(3).wait_for()
    assert page.locator("table.compared thead").inner_text().strip().split("\t")[1:] == [
        "The model's defaults",
        "Recipe summer",
    ]
    page.get_by_label("Recipe summer").check()
    page.get_by_label("The sheet again").set_input_files(_file())
    page.get_by_role("button", name="Make all images").click()
    page.wait_for_url("**/batches/*")
    assert "5 images of mugs.csv are queued." in page.locator("#messages").inner_text()
    (batch,) = [one for one in shop.all(Batch) if one.name == "mugs.csv"]
    assert batch.recipe == "summer@1"
    # Those that were looked at are not made again.
    assert page.locator(".grid img").count() == 2
    assert ada.complaints == []


def test_without_scripts_one_looks_again(person, catalogue, shop, worker):
    ada = begin(person, java_script_enabled=False)
    make_all(shop, worker)
    ada.page.get_by_role("link", name="Look again").click()
    assert ada.page.locator("table.compared img").count() == 4
