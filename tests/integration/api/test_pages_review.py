"""Review on a page, by a browser without scripts."""

import re

import pytest

from core.domain.scopes import Scope
from core.keys import create_key
from tests.integration.api.browser import Browser, forms_in
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
