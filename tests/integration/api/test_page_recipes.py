"""Recipes on pages."""

import re

import pytest

from core.keys import create_key
from tests.integration.api.browser import Browser, forms_in


@pytest.fixture
def browser(client, database):
    with database.session() as session:
        _, plain = create_key(session, "shop", "Ada")
    with Browser(str(client.base_url)) as browser:
        browser.sign_in(plain)
        yield browser


PATH = "/workbench/recipes"


def save(browser, page, **values):
    """Send the form of a recipe with the other inputs as they are."""
    (form,) = [one for one in forms_in(page.text) if one["action"] == PATH]
    return browser.http.post(PATH, data=form["fields"] | values)


def test_a_recipe_is_stored_as_the_api_stores_it(browser, client):
    page = save(
        browser, browser.get(PATH), name="summer", steps="4", channels="web, walmart",
        template="a {{ title }}", more='{"seed": "per_sku"}',
    )  # fmt: skip
    assert page.url.path == f"{PATH}/summer"
    assert "summer@1 is stored." in page.text
    stored = client.get("/v1/recipes/summer").json()
    assert stored["fields"] == {
        "steps": 4, "channels": ["web", "walmart"], "template": "a {{ title }}", "seed": "per_sku",
    }  # fmt: skip
    assert "summer" in browser.get(PATH).text


def test_a_change_is_the_next_version_and_keeps_what_the_form_has_no_input_for(browser, client):
    fields = {"steps": 4, "approximate": True, "template": "a\n{{ title }}"}
    client.post("/v1/recipes", json={"name": "summer", "fields": fields})
    page = browser.get(f"{PATH}/summer")
    answer = browser.http.post(
        PATH,
        data=forms_in(page.text)[1]["fields"]
        | {"steps": "5", "note": "One more step", "more": '{"approximate": true}'},
    )
    assert "summer@2 is stored." in answer.text
    second = client.get("/v1/recipes/summer").json()
    assert second["fields"]["steps"] == 5
    assert second["fields"]["approximate"] is True
    old = browser.get(f"{PATH}/summer", params={"version": 1})
    assert re.search(r'name="steps" value="4"', old.text)
    assert "One more step" in old.text
    assert "approximate" in old.text


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"name": "Not A Name"}, "name"),
        ({"steps": "many"}, "steps"),
        ({"steps": "100000"}, "steps"),
        ({"channels": "nowhere"}, "nowhere"),
        ({"more": "{"}, "no JSON"),
        ({"more": "[1]"}, "JSON object"),
        ({"more": '{"stepz": 4}'}, "no such field"),
        ({"steps": ""}, "empty"),
    ],
)
def test_a_bad_recipe_is_named_and_nothing_that_was_typed_is_lost(browser, client, typed, said):
    values = {"name": "summer", "note": "for <b>", "steps": "4"} | typed
    page = save(browser, browser.get(PATH), **values)
    assert page.status_code == 422
    assert said in page.text
    assert 'value="for &lt;b&gt;"' in page.text
    assert client.get("/v1/recipes").json()["items"] == []


def test_saying_the_same_again_is_no_version(browser):
    save(browser, browser.get(PATH), name="summer", steps="4")
    page = save(browser, browser.get(f"{PATH}/summer"))
    assert "says that already" in page.text


def test_deleting_a_recipe(browser, client):
    save(browser, browser.get(PATH), name="summer", steps="4")
    page = browser.submit(browser.get(f"{PATH}/summer"), "/summer/delete")
    assert "The recipe summer is deleted." in page.text
    assert client.get("/v1/recipes").json()["items"] == []


def test_a_stranger_has_no_such_recipe(client, browser, database):
    save(browser, browser.get(PATH), name="summer", steps="4")
    with database.session() as session:
        _, plain = create_key(session, "stranger")
    with Browser(str(client.base_url)) as stranger:
        page = stranger.sign_in(plain)
        assert stranger.get(f"{PATH}/summer").status_code == 404
        token = re.findall(r'name="csrf" value="(\w+)"', page.text)[0]
        gone = stranger.http.post(f"{PATH}/summer/delete", data={"csrf": token})
        assert gone.status_code == 404
    assert client.get("/v1/recipes/summer").status_code == 200
