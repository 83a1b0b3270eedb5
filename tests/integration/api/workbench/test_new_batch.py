"""From a shop's workbook to its images, as somebody does it who never saw a terminal."""

import io
from pathlib import Path

import xlsxwriter

from core.db.models import Batch, Job
from core.links import NEW_BATCH
from tests.integration.api.workbench.test_every_page import violations
from tests.pictures import near_white, png, product

ROWS = (
    ("Artikelnummer", "Bezeichnung", "Farbe", "Marke"),
    ("K-1", "Kaai mug 350ml ⭐ SALE", "red", "Kaai"),
    ("K-2", "Kaai vase", "blue", "Kaai"),
)


def workbook() -> dict[str, object]:
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream, {"in_memory": True}) as book:
        sheet = book.add_worksheet("Products")
        for number, row in enumerate(ROWS):
            sheet.write_row(number, 0, row)
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    return {"name": "products.xlsx", "mimeType": kind, "buffer": stream.getvalue()}


def test_a_workbook_becomes_images_that_come_by_themselves(person, catalogue, shop, worker):
    ada = person()
    page = ada.sign_in()
    ada.go(NEW_BATCH)
    page.get_by_label("Sheet", exact=False).first.set_input_files(workbook())
    page.get_by_role("button", name="Look at the sheet").click()
    page.get_by_label("Column of sku").select_option("Artikelnummer")
    page.get_by_role("button", name="Look again with these columns").click()
    queue = page.get_by_role("button", name="Queue 2 images")
    queue.wait_for()
    assert "red mug" in page.locator("#report").inner_text()
    assert "Kaai mug 350ml ⭐ SALE" in page.locator("#report").inner_text()
    queue.click()
    page.wait_for_url("**/batches/*")
    (batch,) = [one for one in shop.all(Batch) if one.name == "products.xlsx"]
    for job in shop.all(Job):
        if job.batch_id == batch.id:
            worker.make(str(job.id), png(near_white(product())))
    page.locator(".grid img").nth(1).wait_for()
    assert ada.complaints == []


PHOTOS = Path(__file__).parents[4] / "examples" / "shop" / "photos"


def test_photographs_are_sent_when_they_are_chosen_and_the_sheet_is_looked_at_again(
    person, catalogue, shop
):
    photos = sorted(PHOTOS.glob("*.jpg"))[:3]
    sheet = "sku,title\n" + "".join(f"{one.stem},{one.stem}\n" for one in photos[:2]) + "X,none\n"
    ada = person()
    page = ada.sign_in()
    ada.go(NEW_BATCH)
    page.get_by_label("Images are").select_option("cutout")
    page.get_by_label("Leave out rows with mistakes").check()
    name = page.get_by_label("Sheet", exact=False).first
    name.set_input_files({"name": "products.csv", "mimeType": "text/csv", "buffer": sheet.encode()})
    page.get_by_label("Photographs of the products").set_input_files(photos)
    report = page.locator("#report")
    report.get_by_role("heading", name="Which photograph is whose").wait_for()
    assert "3 photographs are here" in page.locator("#photographs").inner_text()
    assert "2 of 3 rows have one of your 3 photographs" in report.inner_text()
    assert "line 4 (X)" in report.inner_text()
    assert photos[2].name in report.inner_text()
    assert violations(ada) == []
    page.get_by_role("button", name="Queue 2 images").click()
    page.wait_for_url("**/batches/*")
    made = [one for one in shop.all(Job) if one.sku in {photo.stem for photo in photos}]
    assert len({one.spec.photograph.source for one in made}) == 2
    assert ada.complaints == []
