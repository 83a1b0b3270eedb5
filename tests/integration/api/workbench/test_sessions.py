"""Signing in, being interrupted, and getting about by the keyboard alone."""

from datetime import timedelta

from sqlalchemy import update

from core.db.models import PageSession
from core.links import WORKBENCH


def end_sessions(database) -> None:
    """Let every session be over, as after a night."""
    with database.session() as session:
        session.execute(
            update(PageSession).values(expires_at=PageSession.expires_at - timedelta(days=365))
        )


def test_a_session_that_ends_in_the_middle_leads_back_to_where_one_was(person, catalogue, database):
    ada = person()
    ada.sign_in()
    ada.go(f"{WORKBENCH}/batches/{catalogue['batch_id']}?state=failed")
    end_sessions(database)
    ada.page.reload()
    assert "/sign-in" in ada.page.url
    assert "ended" in ada.page.locator("main").inner_text().lower()
    ada.page.get_by_label("API key").fill(ada.key)
    ada.page.get_by_role("button", name="Sign in").click()
    ada.page.wait_for_url("**/batches/*?state=failed")
    assert "Autumn catalogue" in ada.page.content()


def test_a_key_that_is_none_is_said_beside_what_was_typed(person, catalogue):
    ada = person()
    ada.go(f"{WORKBENCH}/sign-in")
    ada.page.get_by_label("API key").fill("psk_no")
    ada.page.get_by_role("button", name="Sign in").click()
    assert "unknown" in ada.page.get_by_role("alert").inner_text()


def focused(page) -> dict[str, str]:
    return page.evaluate(
        """() => {
            const one = document.activeElement, style = getComputedStyle(one);
            return {
                tag: one.tagName, text: (one.innerText || one.name || "").trim(),
                shown: style.outlineStyle !== "none" || style.boxShadow !== "none",
            };
        }"""
    )


def test_one_signs_in_and_gets_about_by_the_keyboard_alone(person, catalogue):
    ada = person()
    page = ada.go(f"{WORKBENCH}/")
    page.get_by_label("API key").focus()
    page.keyboard.type(ada.key)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{WORKBENCH}/")
    page.keyboard.press("Tab")
    assert focused(page)["text"] == "Skip to the content"
    page.keyboard.press("Enter")
    assert focused(page)["tag"] == "MAIN"
    stops = []
    page.reload()
    for _ in range(60):
        page.keyboard.press("Tab")
        stop = focused(page)
        if stop["tag"] == "BODY":
            break
        assert stop["shown"], f"the focus of {stop} is not to be seen"
        stops.append(stop["text"])
    assert "Sign out" in stops
