"""The page New batch: from a workbook with strange columns to a batch."""

import re

import pytest

from core.db.models import Batch, Job
from core.keys import create_key
from tests.integration.api.browser import Browser, forms_in
from tests.unit.catalogue.workbooks import xlsx_of

ROWS = [
    ["Preisliste 2026"],
    ["Artikel-Nr.", "Bezeichnung", "Farbe", "steps"],
    ["MUG-R", "Becher", "rot", None],
    ["MUG-B", "Becher", "blau", None],
]
PATH = "/workbench/new"


@pytest.fixture
def ada(client, database):
    with database.session() as session:
        _, key = create_key(session, "shop", "Ada")
    with Browser(str(client.base_url)) as browser:
        browser.sign_in(key)
        yield browser


def send(ada, rows=ROWS, *, path=PATH, page=None, headers=None, **values):
    page = page or ada.get(PATH)
    (form,) = [one for one in forms_in(page.text) if one["action"] == PATH]
    files = {"file": ("preise.xlsx", xlsx_of(rows, "Becher"))}
    return ada.http.post(path, data=form["fields"] | values, files=files, headers=headers or {})


def test_a_workbook_is_shown_as_it_was_read_with_what_its_columns_may_mean(ada, shop):
    page = send(ada)
    assert page.status_code == 200, page.text
    assert "XLSX, worksheet Becher" in page.text
    assert "The sheet has no column" in page.text
    assert re.search(r"sure, \d+ %</span> Artikel-Nr\.: Its name says so", page.text)
    assert '<option value="Artikel-Nr." selected>' in page.text
    assert "Queue" not in page.text
    # What is proposed is chosen in the form, so that to look again is to accept it.
    again = send(ada, page=page, **{"column.sku": "Artikel-Nr."})
    assert "rot becher on a white background" in again.text
    assert "Queue 2 images" in again.text
    assert shop.all(Batch) == []


def test_it_is_queued_with_the_columns_that_were_chosen(ada, shop):
    done = send(ada, path=f"{PATH}/all", **{"column.sku": "Artikel-Nr."})
    assert done.url.path.startswith("/workbench/batches/"), done.text
    (batch,) = shop.all(Batch)
    assert (batch.name, batch.total_jobs) == ("preise.xlsx", 2)
    assert sorted(job.sku for job in shop.all(Job)) == ["MUG-B", "MUG-R"]


def test_every_mistake_is_named_in_its_place(ada):
    rows = [["sku", "prompt", "steps"], ["A", "a mug", "many"], [None, "a mug", 4]]
    page = send(ada, rows)
    assert "C2, steps: " in page.text
    assert "A3, sku: " in page.text


def test_htmx_gets_the_report_alone(ada):
    answer = send(ada, headers={"HX-Request": "true"})
    assert "How it was read" in answer.text
    assert "<html" not in answer.text


def test_what_is_no_sheet_is_refused_in_a_sentence(ada, shop):
    page = send(ada, [["sku"]])
    assert page.status_code == 422
    assert "header and no rows" in page.text
    assert send(ada, recipe="nothing").status_code == 422
    assert send(ada, channels="nowhere").status_code == 422
    assert shop.all(Batch) == []


def test_a_page_of_a_thousand_columns_is_no_heavier_than_others(ada):
    columns = ["sku", "prompt", *(f"column {number}" for number in range(998))]
    page = send(ada, [columns, ["A", "a mug", *(["x" * 100] * 998)]])
    assert page.status_code == 200
    assert len(page.content) < 300_000


def test_columns_that_were_said_before_are_chosen_again_and_can_be_left(ada, shop):
    rows = [["Artikel", "Ware"], ["A", "Becher"]]
    named = {"column.sku": "Artikel", "column.prompt": "Ware"}
    assert "/batches/" in str(send(ada, rows, path=f"{PATH}/all", **named).url)
    seen = send(ada, rows)
    assert "read as was said of a sheet with the same header" in seen.text
    assert '<option value="Artikel" selected>' in seen.text
    assert '<option value="Ware" selected>' in seen.text
    left = send(ada, rows, page=seen, mapping="none", **named)
    assert "The sheet has no column" in left.text
    assert "with the same header" not in left.text
    # What the page says is then all that holds.
    assert forms_in(left.text)[-1]["fields"]["mapping"] == "named"
    assert "Queue" not in send(ada, rows, page=left).text
    assert len(shop.all(Batch)) == 1


def test_a_batch_gives_out_only_approved_images_where_a_tick_says_so(ada, shop):
    send(ada, path=f"{PATH}/all", **{"column.sku": "Artikel-Nr.", "require_approval": "true"})
    (batch,) = shop.all(Batch)
    assert batch.require_approval
    assert all(job.require_approval for job in shop.all(Job))
