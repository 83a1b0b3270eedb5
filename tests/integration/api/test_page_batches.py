"""Home, a batch and an image on pages."""

import re
from uuid import uuid4

import pytest
from PIL import Image as Picture

from core.domain.scopes import Scope
from core.errors import PackshotError
from core.keys import create_key
from tests.integration.api.browser import Browser
from tests.pictures import near_white, png, product

SHEET = "sku,prompt\n" + "".join(f"MUG-{number},a red mug {number}\n" for number in range(4))


@pytest.fixture
def browser(client, database):
    with database.session() as session:
        _, plain = create_key(session, "shop", "Ada")
    with Browser(str(client.base_url)) as browser:
        browser.sign_in(plain)
        yield browser


@pytest.fixture
def batch(client, send):
    return send(client, SHEET, name="autumn")


@pytest.fixture
def jobs(client, batch):
    return client.get(batch["links"]["items"]).json()["items"]


def path_of(batch) -> str:
    return f"/workbench/batches/{batch['id']}"


def test_home_leads_to_batches_and_says_what_waits(browser, batch):
    page = browser.get("/workbench/")
    assert f'href="{path_of(batch)}"' in page.text
    assert "autumn" in page.text
    assert re.search(r'figure">4<', page.text)


def test_home_leads_to_what_waits_for_a_judgement(browser, client, send, worker):
    sent = send(client, SHEET, name="judged", require_approval="true")
    assert "to judge" not in browser.get("/workbench/").text
    worker.make(client.get(sent["links"]["items"]).json()["items"][0]["id"])
    page = browser.get("/workbench/")
    assert f'href="{path_of(sent)}/review">1 to judge</a>' in page.text
    assert browser.get(f"{path_of(sent)}/review").status_code == 200


def test_home_has_pages(browser, client, send):
    for number in range(22):
        send(client, "sku,prompt\nA,a mug\n", name=f"sheet {number}")
    first = browser.get("/workbench/")
    assert "sheet 21" in first.text
    assert "sheet 1<" not in first.text
    (following,) = re.findall(r'rel="next" href="([^"]+)"', first.text)
    second = browser.get(f"/workbench/{following}")
    assert "sheet 1<" in second.text
    assert "sheet 21" not in second.text
    assert "First page" in second.text


def test_a_batch_shows_its_images_as_they_come(browser, batch, jobs, worker):
    page = browser.get(path_of(batch))
    assert page.text.count('class="none"') == 4
    worker.make(jobs[0]["id"])
    worker.fail(jobs[1]["id"], PackshotError("It shows <nothing>."))
    worker.start(jobs[2]["id"])
    moved = browser.get(path_of(batch), headers={"HX-Request": "true"})
    assert "<html" not in moved.text
    assert f"/workbench/pictures/{jobs[0]['id']}/small" in moved.text
    assert "It shows &lt;nothing&gt;." in moved.text
    assert "1 being computed" in moved.text
    only = browser.get(path_of(batch), params={"state": "failed"})
    assert "MUG-1" in only.text
    assert "MUG-0" not in only.text


def test_a_page_of_a_batch_listens_to_the_batch(browser, batch, jobs, worker):
    (path,) = re.findall(r'data-events="([^"]+)"', browser.get(path_of(batch)).text)
    for job in jobs:
        worker.make(job["id"])
    heard = browser.get(path)
    assert heard.headers["content-type"].startswith("text/event-stream")
    assert "event: end" in heard.text
    assert "data-events" not in browser.get(path_of(batch)).text


def test_the_time_left_is_known_when_some_images_have_come(browser, batch, jobs, worker):
    assert "not known yet" in browser.get(path_of(batch)).text
    for job in jobs[:3]:
        worker.make(job["id"])
    assert re.search(r"about [\d.]+ s left", browser.get(path_of(batch)).text)


def test_cancelling_and_trying_again(browser, batch, jobs, worker, client):
    worker.make(jobs[0]["id"])
    worker.fail(jobs[1]["id"], PackshotError("It broke."))
    page = browser.submit(browser.get(path_of(batch)), "/retry")
    assert "1 failed image is tried again." in page.text
    assert client.get(batch["links"]["self"]).json()["counts"]["failed"] == 0
    assert "tried again" not in browser.get(path_of(batch)).text, "a message is shown once"
    page = browser.submit(page, "/cancel")
    assert "Finished images stay" in page.text
    counts = client.get(batch["links"]["self"]).json()["counts"]
    assert (counts["succeeded"], counts["canceled"]) == (1, 3)


def test_results_and_archive_come_with_the_session(browser, batch, jobs, worker):
    worker.make(jobs[0]["id"])
    results = browser.get(f"{path_of(batch)}/results.csv")
    assert results.headers["content-type"].startswith("text/csv")
    assert "MUG-3" in results.text
    assert browser.get(f"{path_of(batch)}/images.zip").content[:2] == b"PK"


def test_an_image_says_how_it_was_made(browser, client, batch, jobs, worker):
    path = f"/workbench/images/{jobs[0]['id']}"
    assert "not ready yet" in browser.get(path).text
    worker.make(jobs[0]["id"], png(near_white(product())))
    page = browser.get(path)
    job = client.get(f"/v1/jobs/{jobs[0]['id']}").json()
    for said in (
        "a red mug 0",
        job["seed_text"],
        job["revision"],
        "computed for it",
        path_of(batch),
    ):
        assert said in page.text
    assert f"/workbench/pictures/{job['id']}/whole" in page.text
    whole = browser.get(f"/workbench/pictures/{job['id']}/whole")
    assert whole.content == client.get(f"/v1/jobs/{job['id']}/image").content


def test_a_small_picture_is_small_and_kept(browser, jobs, worker, tmp_path):
    big = Picture.effect_noise((1200, 800), 60).convert("RGB")
    worker.make(jobs[0]["id"], png(big))
    answer = browser.get(f"/workbench/pictures/{jobs[0]['id']}/small")
    (tmp_path / "small.webp").write_bytes(answer.content)
    with Picture.open(tmp_path / "small.webp") as small:
        assert small.format == "WEBP"
        assert small.size == (320, 213)
    again = browser.get(answer.url.path, headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_no_other_size_of_a_picture_is_there(browser, jobs, worker):
    worker.make(jobs[0]["id"])
    assert browser.get(f"/workbench/pictures/{jobs[0]['id']}/huge").status_code == 422


def test_marks_are_read_from_the_stored_file(browser, jobs, worker):
    worker.make(jobs[0]["id"], png(near_white(product())))
    page = browser.get(f"/workbench/images/{jobs[0]['id']}/marks")
    assert "which proves nothing" in page.text
    assert "<html" in page.text


def test_renditions_come_with_the_session(browser, client, send, worker):
    sent = send(client, "sku,prompt\nA,a red mug\n", channels="web")
    (job,) = client.get(sent["links"]["items"]).json()["items"]
    worker.make(job["id"], png(near_white(product())))
    page = browser.get(f"/workbench/images/{job['id']}")
    path = f"/workbench/images/{job['id']}/renditions/web"
    assert path in page.text
    assert browser.get(path).headers["content-type"].startswith("image/")


def test_who_may_only_read_changes_nothing(client, database, batch, jobs, worker):
    worker.fail(jobs[1]["id"], PackshotError("It broke."))
    with database.session() as session:
        _, plain = create_key(session, "shop", scopes=[Scope.READ])
    with Browser(str(client.base_url)) as reader:
        reader.sign_in(plain)
        page = reader.get(path_of(batch))
        assert "/cancel" not in page.text
        assert "/retry" not in page.text
        token = re.findall(r'name="csrf" value="(\w+)"', page.text)[0]
        for action in ("cancel", "retry"):
            answer = reader.http.post(f"{path_of(batch)}/{action}", data={"csrf": token})
            assert answer.status_code == 403
    assert client.get(batch["links"]["self"]).json()["state"] == "running"


def test_a_strangers_batch_and_image_are_not_there(client, database, batch, jobs, worker):
    worker.make(jobs[0]["id"])
    with database.session() as session:
        _, plain = create_key(session, "stranger")
    image = f"/workbench/images/{jobs[0]['id']}"
    with Browser(str(client.base_url)) as stranger:
        page = stranger.sign_in(plain)
        token = re.findall(r'name="csrf" value="(\w+)"', page.text)[0]
        for path in (
            path_of(batch), f"{path_of(batch)}/events", f"{path_of(batch)}/results.csv",
            f"{path_of(batch)}/images.zip", f"{path_of(batch)}/manifest.jsonl",
            image, f"{image}/marks", f"{image}/renditions/web",
        ):  # fmt: skip
            answer = stranger.get(path)
            assert answer.status_code == 404, path
            assert "autumn" not in answer.text
        for path in (f"{path_of(batch)}/cancel", f"{path_of(batch)}/retry", f"{image}/cancel"):
            assert stranger.http.post(path, data={"csrf": token}).status_code == 404, path
    assert client.get(batch["links"]["self"]).json()["state"] == "running"


@pytest.mark.parametrize("kind", ["batches", "images"])
def test_what_is_not_there_is_said_on_a_page(browser, kind):
    answer = browser.get(f"/workbench/{kind}/{uuid4()}")
    assert answer.status_code == 404
    assert "There is no" in answer.text


def test_a_page_of_many_images_is_light(browser, client, send):
    sheet = "sku,prompt\n" + "".join(f"S-{n},{'a long prompt ' * 12}{n}\n" for n in range(120))
    sent = send(client, sheet, name="many")
    page = browser.get(path_of(sent))
    assert len(page.content) < 300_000
    assert page.text.count('class="picture"') == 48
