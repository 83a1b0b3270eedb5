"""Judging in a browser: by keyboard, two at once, and over the end of a session."""

import pytest

from core.links import WORKBENCH
from tests.integration.api.test_sources import jpeg
from tests.integration.api.test_sources import send as send_source
from tests.integration.api.workbench.test_sessions import end_sessions
from tests.pictures import near_white, png, product


@pytest.fixture
def batch(client, send, worker) -> dict:
    """Two rows of two images each, under the gate."""
    sheet = "sku,prompt\nMUG,a red mug\nJUG,a blue jug\n"
    batch = send(client, sheet, require_approval="true", variants="2", name="Autumn")
    batch["jobs"] = client.get(batch["links"]["items"]).json()["items"]
    for job in batch["jobs"]:
        worker.make(job["id"], png(near_white(product())))
    return batch


def path_of(batch) -> str:
    return f"{WORKBENCH}/batches/{batch['id']}/review"


def said_of(client, batch) -> list[str]:
    answers = [client.get(f"/v1/jobs/{one['id']}").json() for one in batch["jobs"]]
    return [one["approval"]["state"] for one in answers]


def badges(page) -> list[str]:
    return page.locator("#images .badge").all_inner_texts()


def box(page, number: int):
    return page.locator("input[name=chosen]").nth(number)


def press(page, *keys: str) -> None:
    """Press keys, and wait until the server has answered what they asked for."""
    for key in keys:
        with page.expect_response(lambda answer: "/review" in answer.url):
            page.keyboard.press(key)


def test_images_are_judged_picked_and_taken_back_by_the_keyboard_alone(person, client, batch):
    ada = person()
    ada.sign_in()
    page = ada.go(path_of(batch))
    page.keyboard.press("ArrowRight")
    press(page, "a")
    page.locator("#images .badge.approved").wait_for()
    # The focus is on the second one by now.
    press(page, "p")
    page.locator("#images .badge.rejected").wait_for()
    assert badges(page) == ["rejected", "approved", "pending", "pending"]
    press(page, "r")
    page.locator("#images .badge.rejected").nth(1).wait_for()
    assert said_of(client, batch) == ["rejected", "approved", "rejected", "pending"]
    press(page, "z", "z")
    page.locator("#images .badge.rejected").wait_for(state="detached")
    assert badges(page) == ["approved", "pending", "pending", "pending"]
    press(page, "z")
    assert said_of(client, batch) == ["pending"] * 4
    page.reload()
    assert badges(page) == ["pending"] * 4
    assert ada.complaints == []


@pytest.mark.parametrize("scripts", [True, False])
def test_photographs_stand_beside_what_was_made_of_them(person, client, worker, scripts):
    source = send_source(client, jpeg(size=(400, 300))).json()
    rows = [{"sku": "MUG", "image": source["id"]}]
    batch = client.post("/v1/batches", json={"mode": "cutout", "rows": rows}).json()
    (job,) = client.get(batch["links"]["items"]).json()["items"]
    worker.make(job["id"], png(near_white(product())))
    ada = person(java_script_enabled=scripts)
    ada.sign_in()
    page = ada.go(path_of(batch))
    photograph = page.get_by_alt_text("Photograph of MUG")
    assert not photograph.is_visible()
    if scripts:
        page.keyboard.press("b")
        photograph.wait_for()
        page.keyboard.press("b")
        photograph.wait_for(state="hidden")
    page.get_by_role("link", name="Photographs beside").click()
    photograph.wait_for()
    loaded = photograph.evaluate("one => one.decode().then(() => one.naturalWidth)")
    assert loaded == 320
    result, before = (page.locator(".picture img").nth(one).bounding_box() for one in (1, 0))
    assert before["x"] + before["width"] <= result["x"] + 1
    assert ada.complaints == []


def test_two_who_judge_the_same_image_at_once_are_told_of_each_other(person, client, batch):
    ada, ben = person("Ada"), person("Ben")
    for one in (ada, ben):
        one.sign_in()
        one.go(path_of(batch)).keyboard.press("ArrowRight")
    press(ada.page, "a")
    ben.page.get_by_label("Why").fill("The handle is cut off.")
    box(ben.page, 0).focus()
    press(ben.page, "r")
    told = ben.page.get_by_role("alert")
    told.wait_for()
    assert "1 left as Ada judged them meanwhile." in told.inner_text()
    assert said_of(client, batch) == ["approved", "pending", "pending", "pending"]
    assert ben.page.get_by_label("Why").input_value() == "The handle is cut off."
    # What the other one has not judged goes on.
    ben.page.keyboard.press("ArrowRight")
    press(ben.page, "r")
    assert said_of(client, batch) == ["approved", "rejected", "pending", "pending"]
    assert ada.complaints == ben.complaints == []


def test_what_was_written_is_there_again_when_a_session_ends_in_the_middle(
    person, client, batch, database
):
    ada = person()
    ada.sign_in()
    page = ada.go(path_of(batch))
    box(page, 2).check()
    page.get_by_label("Why").fill("The spout drips.")
    page.get_by_label("Prompt").fill("a green jug")
    for send in (
        lambda: page.get_by_role("button", name="Reject chosen").click(),
        # By a script, which is led to the same place.
        lambda: (box(page, 2).focus(), page.keyboard.press("r")),
    ):
        end_sessions(database)
        send()
        page.wait_for_url("**/sign-in?**")
        assert "What you sent was not done." in page.locator("main").inner_text()
        page.get_by_label("API key").fill(ada.key)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/review*")
        assert said_of(client, batch) == ["pending"] * 4
        assert "What you wrote is here again" in page.get_by_role("alert").inner_text()
        assert page.get_by_label("Why").input_value() == "The spout drips."
        assert page.get_by_label("Prompt").input_value() == "a green jug"
        assert box(page, 2).is_checked()
    page.get_by_role("button", name="Reject chosen").click()
    page.get_by_text("1 image rejected.").wait_for()
    assert said_of(client, batch) == ["pending", "pending", "rejected", "pending"]
    # Once: it is not in the next form.
    assert page.get_by_label("Why").input_value() == ""


def test_a_recipe_that_was_being_written_is_not_lost(person, client, database):
    ada = person()
    ada.sign_in()
    page = ada.go(f"{WORKBENCH}/recipes")
    page.get_by_role("button", name="New recipe").click()
    page.locator("input[name=name]").fill("summer")
    page.locator("select[name=mode]").select_option("cutout")
    end_sessions(database)
    page.locator("form[action$='/recipes'] button[type=submit]").click()
    page.wait_for_url("**/sign-in?**")
    page.get_by_label("API key").fill(ada.key)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/recipes*")
    assert client.get("/v1/recipes").json()["items"] == []
    assert page.locator("select[name=mode]").input_value() == "cutout"
    page.locator("form[action$='/recipes'] button[type=submit]").click()
    page.wait_for_url("**/recipes/summer*")
    (recipe,) = client.get("/v1/recipes").json()["items"]
    assert recipe["name"] == "summer"
