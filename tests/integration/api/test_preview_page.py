"""The page Preview: the first rows in several ways, side by side, and then all of the sheet."""

from urllib.parse import parse_qs

import pytest

from core.db.models import Batch, Job
from core.keys import create_key
from tests.integration.api.browser import Browser, forms_in

SHEET = "sku,title,steps\n" + "".join(f"MUG-{number},Mug {number},\n" for number in range(1, 8))


@pytest.fixture
def ada(client, database):
    with database.session() as session:
        _, key = create_key(session, "shop", "Ada")
    recipe = {"name": "studio", "fields": {"steps": 9, "template": "one {{ title }}"}}
    assert client.post("/v1/recipes", json=recipe).status_code == 201
    with Browser(str(client.base_url)) as browser:
        browser.sign_in(key)
        yield browser


def send(ada, sheet=SHEET, *, path="/workbench/preview", page=None, **values):
    page = page or ada.get("/workbench/preview")
    (form,) = [one for one in forms_in(page.text) if one["action"] == path]
    files = {"file": ("mugs.csv", sheet)}
    return ada.http.post(path, data=form["fields"] | values, files=files)


def test_the_first_rows_are_made_in_each_way_with_the_same_seeds(ada, shop):
    page = send(ada, rows="3", way1="", way2="recipe:studio")
    assert page.status_code == 200, page.text
    assert page.url.path == "/workbench/preview/images"
    defaults, studio = sorted(shop.all(Batch), key=lambda batch: batch.id)
    assert (defaults.lane, studio.lane) == ("interactive", "interactive")
    assert studio.recipe == "studio@1"
    jobs = {
        batch.id: sorted((job for job in shop.all(Job) if job.batch_id == batch.id), key=_line)
        for batch in (defaults, studio)
    }
    assert [job.sku for job in jobs[studio.id]] == ["MUG-1", "MUG-2", "MUG-3"]
    assert [job.seed for job in jobs[defaults.id]] == [job.seed for job in jobs[studio.id]]
    assert [job.steps for job in jobs[studio.id]] == [9, 9, 9]
    assert jobs[studio.id][0].prompt == "one Mug 1"
    assert page.text.count('scope="row"') == 3
    assert "Recipe studio" in page.text


def _line(job):
    return job.line


def test_what_becomes_of_photographs_is_compared_beside_them(ada, shop):
    sheet = "sku,image,prompt\nMUG-1,https://shop.example/1.jpg,on a table\n"
    page = send(ada, sheet, rows="1", way1="mode:cutout", way2="mode:scene")
    assert page.status_code == 200, page.text
    assert {job.spec.mode for job in shop.all(Job)} == {"cutout", "scene"}
    assert "Products cut out of their photographs" in page.text
    assert "Products in a drawn scene" in page.text
    assert page.text.count("/photograph") == 1
    (form,) = [one for one in forms_in(page.text) if one["action"].endswith("/all")]
    send(ada, sheet, path=form["action"], page=page, way="mode:scene")
    modes = sorted(job.spec.mode for job in shop.all(Job))
    assert modes == ["cutout", "scene", "scene"]


@pytest.mark.parametrize("way", ["mode:text", "mode:", "mode:all", "preset", "model:x"])
def test_a_way_that_is_none_is_refused_and_its_look_shows_nothing_strange(ada, shop, way):
    page = send(ada, way1=way)
    assert page.status_code == 422
    assert "is no way to make images" in page.text
    assert not shop.all(Job)
    send(ada)
    (batch,) = (one.id for one in shop.all(Batch))
    assert ada.get(f"/workbench/preview/images?batch={batch}&way={way}").status_code == 200


def test_the_whole_sheet_is_made_in_the_way_that_was_chosen_and_what_is_there_is_reused(
    ada, shop, worker
):
    page = send(ada, rows="2", way1="recipe:studio")
    for job in shop.all(Job):
        worker.make(str(job.id))
    way = parse_qs(page.url.query.decode())["way"][0]
    done = send(ada, path="/workbench/preview/all", page=page, way=way)
    assert done.url.path.startswith("/workbench/batches/"), done.text
    assert "7 images of mugs.csv are queued." in done.text
    (batch,) = [one for one in shop.all(Batch) if one.name == "mugs.csv"]
    assert (batch.lane, batch.total_jobs) == ("standard", 7)
    jobs = sorted((job for job in shop.all(Job) if job.batch_id == batch.id), key=_line)
    assert [job.state for job in jobs[:3]] == ["succeeded", "succeeded", "queued"]


def test_what_is_wrong_is_said_beside_the_form_and_nothing_is_queued(ada, shop):
    page = send(ada, "sku,title,steps\nA,Mug,0\n", way1="recipe:studio", template="a {{ title }}")
    assert page.status_code == 422
    assert "Line 2, steps" in page.text
    assert 'value="a {{ title }}"' in page.text
    assert '<option value="recipe:studio" selected>' in page.text
    for bad, sentence in (
        ({"rows": "0"}, "1 to 12 rows"),
        ({"way1": "magic:wand"}, "no way to make images"),
    ):
        page = send(ada, **bad)
        assert page.status_code in (400, 422)
        assert sentence in page.text
    assert shop.all(Batch) == []


def test_what_is_wrong_behind_the_first_rows_does_not_hinder_a_look(ada, shop):
    page = send(ada, SHEET + "A,Mug,0\n", rows="2")
    assert page.url.path == "/workbench/preview/images", page.text
    assert len(shop.all(Job)) == 2


def test_another_tenants_batches_are_not_shown(ada, stranger):
    batch = stranger.post("/v1/batches", json={"rows": [{"sku": "A", "prompt": "a mug"}]}).json()
    assert ada.get(f"/workbench/preview/images?batch={batch['id']}&way=").status_code == 404


def test_a_key_that_may_not_submit_is_not_led_there(client, database):
    with database.session() as session:
        _, key = create_key(session, "shop", "Eve", scopes=["read"])
    with Browser(str(client.base_url)) as browser:
        assert "Preview" not in browser.sign_in(key).text
        assert browser.get("/workbench/preview").status_code == 403


def test_a_sheet_may_be_as_large_as_anywhere(ada, shop):
    rows = "".join(f"MUG-{number},Mug,{'x' * 1000}\n" for number in range(1500))
    page = send(ada, "sku,title,remark\n" + rows, rows="1")
    assert page.url.path == "/workbench/preview/images", page.text
    assert len(shop.all(Job)) == 1
