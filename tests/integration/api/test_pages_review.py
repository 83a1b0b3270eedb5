"""Review on a page, by a browser without scripts."""

import io
import re

import pytest
from PIL import Image as Picture

from core.domain.scopes import Scope
from core.keys import create_key
from tests.integration.api.browser import Browser, forms_in
from tests.integration.api.test_sources import send as send_source
from tests.integration.api.workbench.test_sessions import end_sessions
from tests.pictures import near_white, png, product


@pytest.fixture
def sign_in(client, database):
    opened = []

    def sign_in(name: str, *scopes: Scope) -> Browser:
        with database.session() as session:
            _, plain = create_key(session, "shop", name, scopes=scopes or tuple(Scope))
        opened.append(Browser(str(client.base_url)))
        opened[-1].sign_in(plain)
        return opened[-1]

    yield sign_in
    for one in opened:
        one.http.close()


@pytest.fixture
def batch(client, send, worker) -> dict:
    batch = send(client, "sku,prompt\nA,a mug\nB,a jug\nC,a pot\n", require_approval="true")
    picture = png(near_white(product()))
    for job in client.get(batch["links"]["items"]).json()["items"]:
        worker.make(job["id"], picture)
    return batch


def boxes(page) -> list[str]:
    return re.findall(r'name="chosen" value="([^"]+)"', page.text)


def states(client, batch) -> list[str]:
    items = client.get(batch["links"]["items"]).json()["items"]
    return [one["approval"]["state"] for one in items]


def test_images_are_chosen_judged_and_taken_back(client, batch, sign_in):
    anna = sign_in("Anna")
    path = f"/workbench/batches/{batch['id']}/review"
    assert f'href="{path}"' in anna.get(f"/workbench/batches/{batch['id']}").text
    page = anna.get(path)
    a, b, _ = boxes(page)
    said = anna.submit(page, "/review", chosen=[a, b], state="approved")
    assert "2 images approved." in said.text
    assert len(boxes(said)) == 1
    assert states(client, batch) == ["approved", "approved", "pending"]
    last = boxes(said)
    said = anna.submit(said, "/review", chosen=last, state="rejected", reason="The lid is gone.")
    assert "There are no such images." in said.text
    rejected = anna.get(f"{path}?show=rejected")
    assert "Anna: The lid is gone." in rejected.text
    anna.submit(rejected, "/review", chosen=boxes(rejected), state="pending")
    assert states(client, batch) == ["approved", "approved", "pending"]


def test_two_who_review_at_once_do_not_overwrite_each_other(client, batch, sign_in):
    anna, ben = sign_in("Anna"), sign_in("Ben")
    path = f"/workbench/batches/{batch['id']}/review"
    of_anna, of_ben = anna.get(path), ben.get(path)
    anna.submit(of_anna, "/review", chosen=boxes(of_anna)[:1], state="rejected")
    said = ben.submit(of_ben, "/review", chosen=boxes(of_ben), state="approved")
    assert "2 images approved. 1 left as Anna judged them meanwhile." in said.text
    assert states(client, batch) == ["rejected", "approved", "approved"]


def test_who_may_not_judge_does_not_see_what_waits(batch, client, sign_in):
    reader = sign_in("front", Scope.READ)
    path = f"/workbench/batches/{batch['id']}/review"
    assert reader.get(path).status_code == 403
    (job, *_) = client.get(batch["links"]["items"]).json()["items"]
    assert reader.get(f"/workbench/pictures/{job['id']}/small").status_code == 409
    assert sign_in("Anna").get(f"/workbench/pictures/{job['id']}/small").status_code == 200


def test_images_are_made_again_and_one_of_a_row_is_picked(client, batch, sign_in, worker):
    anna = sign_in("Anna")
    path = f"/workbench/batches/{batch['id']}/review"
    page = anna.get(path)
    first, *_ = boxes(page)
    redo = {"chosen": first, "prompt": "a green mug"}
    again = anna.http.post(f"{path}/redo", data=forms_in(page.text)[-1]["fields"] | redo)
    assert "1 image is made again." in again.text
    (made,) = [
        one for one in client.get(batch["links"]["items"]).json()["items"] if one["replaces"]
    ]
    assert (made["replaces"], made["prompt"]) == (first.split()[0], "a green mug")
    worker.make(made["id"])
    page = anna.get(path)
    assert [one.split()[0] for one in boxes(page)][:2] == [made["replaces"], made["id"]]
    assert f"made again, seed {made['seed']}" in page.text
    anna.submit(page, "/review", chosen=f"{made['id']} 0", state="approved")
    assert states(client, batch)[:2] == ["rejected", "approved"]


def test_who_may_only_judge_is_offered_no_other_image(batch, sign_in):
    judge = sign_in("Ben", Scope.READ, Scope.REVIEW)
    path = f"/workbench/batches/{batch['id']}/review"
    page = judge.get(path)
    assert "/review/redo" not in page.text
    fields = forms_in(page.text)[-1]["fields"] | {"chosen": boxes(page)[0]}
    assert judge.http.post(f"{path}/redo", data=fields).status_code == 403


@pytest.fixture
def variants(client, send, worker) -> list[dict]:
    """The images of two rows, of which each has three."""
    sheet = "sku,prompt\nMUG-1,a mug\nJUG-1,a jug\n"
    batch = send(client, sheet, require_approval="true", variants="3")
    jobs = client.get(batch["links"]["items"]).json()["items"]
    for one in jobs:
        worker.make(one["id"], png(near_white(product())))
    return jobs


def path_of(jobs) -> str:
    return f"/workbench/batches/{jobs[0]['batch_id']}/review"


def said_of(client, jobs) -> list[str]:
    answers = [client.get(f"/v1/jobs/{one['id']}").json() for one in jobs]
    return [one["approval"]["state"] for one in answers]


def press(browser, page, path, **values):
    """Send the form of the images, by a button that leads elsewhere."""
    fields = forms_in(page.text)[-1]["fields"] | values
    return browser.http.post(path, data=fields)


def picking(page, job) -> str:
    (value,) = re.findall(rf'value="({job["id"]} \d+,[^"]+)"', page.text)
    return value


def test_one_of_a_row_is_picked_and_that_is_taken_back_as_one(client, variants, sign_in):
    anna, path = sign_in("Anna"), path_of(variants)
    page = anna.get(path)
    assert page.text.count('<li class="row">') == 2
    said = press(anna, page, f"{path}/pick", picked=picking(page, variants[1]))
    assert "Picked. 2 images of the same row rejected." in said.text
    chosen = ["rejected", "approved", "rejected"]
    assert said_of(client, variants) == [*chosen, *["pending"] * 3]
    assert "MUG-1" not in said.text
    said = anna.submit(said, "/review/undo")
    assert "3 images taken back." in said.text
    assert said_of(client, variants) == ["pending"] * 6
    history = client.get(f"/v1/jobs/{variants[1]['id']}/judgements").json()["items"]
    assert [(one["before"], one["after"]) for one in history] == [
        ("approved", "pending"),
        ("pending", "approved"),
    ]


def test_another_one_is_picked_of_a_row_that_has_one(client, variants, sign_in):
    anna, path = sign_in("Anna"), path_of(variants)
    page = anna.get(path)
    anna.submit(page, "/review", chosen=boxes(page)[:2], state="approved")
    page = anna.get(f"{path}?show=approved")
    press(anna, page, f"{path}/pick", picked=picking(page, variants[1]))
    assert said_of(client, variants[:3]) == ["rejected", "approved", "rejected"]
    undone = anna.submit(anna.get(f"{path}?show=approved"), "/review", chosen=[], state="approved")
    assert "Choose some images first." in undone.text


def test_who_picks_does_not_overwrite_what_somebody_else_approved(client, variants, sign_in):
    anna, ben, path = sign_in("Anna"), sign_in("Ben"), path_of(variants)
    of_anna, of_ben = anna.get(path), ben.get(path)
    press(anna, of_anna, f"{path}/pick", picked=picking(of_anna, variants[0]))
    for job in variants[:2]:
        refused = press(ben, of_ben, f"{path}/pick", picked=picking(of_ben, job))
        assert refused.status_code == 409
        assert "Anna judged images of this row meanwhile." in refused.text
    assert said_of(client, variants[:3]) == ["approved", "rejected", "rejected"]
    # What is nobody's yes is no reason to ask again.
    press(ben, of_ben, f"{path}/pick", picked=picking(of_ben, variants[3]))
    assert said_of(client, variants[3:]) == ["approved", "rejected", "rejected"]


def test_what_others_said_since_is_not_taken_back(client, variants, sign_in):
    anna, ben, path = sign_in("Anna"), sign_in("Ben"), path_of(variants)
    page = anna.get(path)
    said = anna.submit(page, "/review", chosen=boxes(page)[:2], state="approved")
    of_ben = ben.get(f"{path}?show=approved")
    ben.submit(of_ben, "/review", chosen=boxes(of_ben)[:1], state="rejected")
    back = anna.submit(said, "/review/undo")
    assert "1 image taken back. 1 left: Ben judged them since." in back.text
    assert said_of(client, variants[:2]) == ["rejected", "pending"]
    # Nor by whoever did not say it.
    fields = forms_in(said.text)[-2]["fields"]
    assert fields["said_at"]
    of_ben = forms_in(ben.get(path).text)[-1]["fields"]
    answer = ben.http.post(f"{path}/undo", data=fields | {"csrf": of_ben["csrf"]})
    assert "0 images taken back." in answer.text


def test_images_are_found_by_how_their_sku_begins(client, variants, sign_in):
    anna, path = sign_in("Anna"), path_of(variants)
    page = anna.get(path, params={"sku": "jug"})
    assert [one.split()[0] for one in boxes(page)] == [one["id"] for one in variants[3:]]
    assert boxes(anna.get(path, params={"sku": "%"})) == []
    # One stays there.
    said = anna.submit(page, "/review", chosen=boxes(page)[:1], state="approved")
    assert len(boxes(said)) == 2
    assert 'value="jug"' in said.text


def test_pages_end_where_rows_end_and_are_small(client, send, worker, sign_in):
    rows = "".join(f"P-{number:03},a pot {number}\n" for number in range(12))
    batch = send(client, f"sku,prompt\n{rows}", variants="5")
    jobs = client.get(batch["links"]["items"]).json()["items"]
    for one in jobs:
        worker.make(one["id"])
    anna, seen, path = sign_in("Anna"), [], path_of(jobs)
    while path:
        page = anna.get(path)
        assert len(page.content) < 300_000
        seen.append([one.split()[0] for one in boxes(page)])
        following = re.search(r'rel="next" href="([^"]+)"', page.text)
        path = path_of(jobs) + following[1].replace("&amp;", "&") if following else None
    assert [len(one) for one in seen] == [45, 15]
    assert [one for ids in seen for one in ids] == [one["id"] for one in jobs]


def lying_down() -> bytes:
    """A photograph of a tall thing, whose camera was held on its side."""
    exif = Picture.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    Picture.new("CMYK", (900, 300)).save(stream, "JPEG", exif=exif)
    return stream.getvalue()


def test_photographs_are_shown_beside_what_was_made_of_them(client, sign_in, worker):
    source = send_source(client, lying_down()).json()
    rows = [{"sku": "A", "image": source["id"]}]
    batch = client.post("/v1/batches", json={"mode": "cutout", "rows": rows}).json()
    (job,) = client.get(batch["links"]["items"]).json()["items"]
    worker.make(job["id"], png(near_white(product())))
    anna, path = sign_in("Anna"), path_of([job])
    page = anna.get(path)
    before = f"/workbench/pictures/{job['id']}/photograph"
    assert f'class="before" src="{before}"' in page.text
    assert 'class="grid beside"' not in page.text
    assert 'class="grid beside"' in anna.get(path, params={"before": "true"}).text
    answer = anna.get(before)
    with Picture.open(io.BytesIO(answer.content)) as small:
        assert (small.format, small.size) == ("WEBP", (107, 320))
    again = anna.get(before, headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    client.delete(f"/v1/sources/{source['id']}")
    assert anna.get(before).status_code == 404
    text = client.post("/v1/jobs", json={"prompt": "a mug"}).json()
    assert anna.get(f"/workbench/pictures/{text['id']}/photograph").status_code == 404


def test_who_sends_a_form_too_late_is_told_that_nothing_was_done(client, database, batch, sign_in):
    anna = sign_in("Anna")
    page = anna.get(f"/workbench/batches/{batch['id']}/review")
    end_sessions(database)
    said = anna.submit(page, "/review", chosen=boxes(page), state="approved")
    assert said.url.path == "/workbench/sign-in"
    assert "What you sent was not done." in said.text
    assert states(client, batch) == ["pending"] * 3
