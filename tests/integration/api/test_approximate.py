"""Agreeing to approximate images over HTTP, and what is told of them."""

import csv
import io

import pytest

from core.db.models.columns import new_id
from core.domain.approximation import Approximation
from core.keys import create_key
from core.lifecycle import completion
from tests.integration.shop import finished


def ask(client, **fields) -> dict:
    answer = client.post("/v1/jobs", json={"prompt": "a red mug"} | fields)
    assert answer.status_code == 202, answer.text
    return answer.json()


def scope_of(shop, job: dict) -> str | None:
    return shop.generation(shop.generation_of(job["id"])).approximate_scope


def finish_approximately(shop, job: dict) -> Approximation:
    """Finish a job as a worker does that found a near prompt."""
    began = Approximation(
        steps_spared=2, similarity=0.93, source_generation=new_id(), source_job=new_id()
    )
    done = finished(shop.start(job["id"]))
    with shop.database.session() as session:
        assert completion.succeed(
            session,
            [
                completion.Finished(
                    claim=done.claim, image=done.image, seconds=1.0, approximation=began
                )
            ],
        )
    return began


def test_nobody_gets_an_approximate_image_unasked(client, shop):
    assert scope_of(shop, ask(client)) is None


def test_a_request_that_agrees_is_told_what_its_image_began_with(client, shop):
    job = ask(client, approximate=True)
    assert scope_of(shop, job) is not None
    began = finish_approximately(shop, job)
    view = client.get(f"/v1/jobs/{job['id']}").json()
    assert view["cache"] == "approximate"
    assert view["approximation"] == {
        "steps_spared": 2,
        "similarity": 0.93,
        "source_job": str(began.source_job),
    }


def test_an_image_from_store_says_what_it_once_began_with(client, shop):
    finish_approximately(shop, ask(client, approximate=True))
    again = ask(client, approximate=True)
    assert again["cache"] == "exact"
    assert again["approximation"]["steps_spared"] == 2
    assert again["seconds"] == 0


def test_who_does_not_agree_never_gets_an_approximate_image_from_store(client, shop):
    first = ask(client, approximate=True)
    finish_approximately(shop, first)
    plain = ask(client)
    assert plain["cache"] == "miss"
    assert plain["approximation"] is None
    assert plain["seed"] == first["seed"]


def test_the_results_sheet_says_what_was_approximate(client, shop, send):
    batch = send(client, "sku,prompt\nm-1,a red mug\nm-2,a blue mug\n", approximate="true")
    items = client.get(batch["links"]["items"]).json()["items"]
    finish_approximately(shop, items[0])
    with shop.database.session() as session:
        assert completion.succeed(session, [finished(shop.start(items[1]["id"]))])
    rows = csv.DictReader(io.StringIO(client.get(batch["links"]["results"]).text))
    assert [row["cache"] for row in rows] == ["approximate", "miss"]


@pytest.mark.parametrize(
    ("key", "asked", "agreed"),
    [(None, None, False), (True, None, True), (True, False, False), (False, True, True)],
)
def test_the_request_comes_before_the_key(client, database, shop, key, asked, agreed):
    with database.session() as session:
        _, plain = create_key(session, "shop", approximate=key)
    client.headers["Authorization"] = f"Bearer {plain}"
    fields = {} if asked is None else {"approximate": asked}
    assert (scope_of(shop, ask(client, **fields)) is not None) == agreed


@pytest.mark.parametrize(
    ("changes", "agreed"),
    [({"approximate": True}, True), ({"approximate": True, "approximate_budget_bytes": 0}, False)],
    ids=["by setting", "without room"],
)
def test_the_setting_decides_for_those_who_say_nothing(
    serve,
    settings,
    shop,
    changes,
    agreed,
):
    client = serve(settings.model_copy(update=changes))
    assert (scope_of(shop, ask(client)) is not None) == agreed


@pytest.mark.parametrize("cache", ["refresh", "bypass"])
def test_who_wants_an_image_computed_anew_gets_no_approximate_one(client, shop, cache):
    assert scope_of(shop, ask(client, approximate=True, cache=cache)) is None
