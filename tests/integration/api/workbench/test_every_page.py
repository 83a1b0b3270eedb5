"""What every page of the workbench keeps: contrast, names, the phone's width, no scripts needed."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from core.links import WORKBENCH
from tests.integration.api.workbench.conftest import PHONE, Person, paths_of_pages

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


def pages(things: dict[str, str]) -> list[str]:
    """Return the paths of all pages that a person can be at."""
    return [path.format_map(things) for path in paths_of_pages()]


def violations(person: Person) -> list[str]:
    found = Axe().run(person.page, options={"runOnly": {"type": "tag", "values": WCAG}}).response
    return [
        f"{one['id']}: {node['html'][:200]} ({node['failureSummary'][:300]})"
        for one in found["violations"]
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_wrong_with_any_page(person, catalogue, scheme):
    ada = person(color_scheme=scheme)
    ada.go(f"{WORKBENCH}/sign-in")
    found = {"sign-in": violations(ada)}
    ada.sign_in()
    for path in pages(catalogue):
        ada.go(path)
        if ada.page.locator("main").count():
            found[path] = violations(ada)
    assert {path: one for path, one in found.items() if one} == {}
    assert ada.complaints == []


def test_no_page_is_wider_than_a_phone(person, catalogue):
    ada = person(viewport=PHONE, has_touch=True, is_mobile=True)
    ada.sign_in()
    wide = {}
    for path in pages(catalogue):
        ada.go(path)
        width = ada.page.evaluate("document.documentElement.scrollWidth")
        if width > PHONE["width"]:
            wide[path] = width
    assert wide == {}


def test_every_page_is_there_without_scripts(person, catalogue):
    ada = person(java_script_enabled=False)
    ada.sign_in()
    missing = {}
    for path in pages(catalogue):
        answer = ada.page.goto(f"{ada.url}{path}")
        if ada.page.locator("main").count() and not ada.page.locator("main h1").count():
            missing[path] = answer.status
        assert answer.status < 500, path
    assert missing == {}
