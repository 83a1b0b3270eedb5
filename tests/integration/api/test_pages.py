"""The workbench's foundation: sessions, forms, what a browser may load."""

import re
from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import func, update

from core.db.models import ApiKey, PageSession
from core.domain.scopes import Scope
from core.flower_pass import Kind, is_valid
from core.keys import create_key, revoke_key, rotate_key
from core.page_sessions import prune_sessions
from tests.integration.api.browser import Browser, forms_in


@pytest.fixture
def browser(client):
    with Browser(str(client.base_url)) as browser:
        yield browser


@pytest.fixture
def key(database):
    with database.session() as session:
        return create_key(session, "shop", "Ada")


@pytest.fixture
def signed_in(browser, key):
    page = browser.sign_in(key[1])
    assert page.status_code == 200
    assert page.url.path == "/workbench/"
    return browser


def sessions(shop) -> list[PageSession]:
    return list(shop.all(PageSession))


def age(database, **columns: timedelta) -> None:
    """Let all sessions be older by some time."""
    values = {name: getattr(PageSession, name) - by for name, by in columns.items()}
    with database.session() as session:
        session.execute(update(PageSession).values(values))


def test_signing_in_leads_to_where_one_wanted_to_go(browser, key, send, client):
    send(client, "sku,prompt\nA,a red mug\n", name="autumn")
    page = browser.sign_in(key[1], "/workbench/?cursor=NjM")
    assert (page.url.path, page.url.query) == ("/workbench/", b"cursor=NjM")
    assert page.status_code == 422
    assert "The cursor is not valid" in page.text
    assert "autumn" in browser.get("/workbench/").text


def test_the_root_leads_to_the_pages(signed_in):
    assert signed_in.get("/").url.path == "/workbench/"


def test_the_cookie_is_out_of_reach_and_its_token_is_stored_nowhere(signed_in, shop, key):
    (row,) = sessions(shop)
    cookie = signed_in.http.cookies["packshot_session"]
    assert cookie not in (row.digest, row.key_digest)
    assert row.api_key_id == key[0].id
    page = signed_in.get("/workbench/sign-in")
    answer = signed_in.http.post(
        "/workbench/sign-in",
        data=forms_in(page.text)[-1]["fields"] | {"key": key[1]},
        follow_redirects=False,
    )
    (sent,) = [one for one in answer.headers.get_list("set-cookie") if "packshot_session" in one]
    assert "HttpOnly" in sent
    assert "SameSite=lax" in sent
    assert "Secure" not in sent
    assert [one.digest for one in sessions(shop)] != [row.digest], "the old session is ended"


def test_the_cookie_is_secure_behind_https(browser, key):
    page = browser.get("/workbench/sign-in")
    answer = browser.http.post(
        "/workbench/sign-in",
        data=forms_in(page.text)[0]["fields"] | {"key": key[1]},
        headers={"X-Forwarded-Proto": "https"},
        follow_redirects=False,
    )
    assert any("Secure" in one for one in answer.headers.get_list("set-cookie"))


@pytest.mark.parametrize("wrong", ["psk_wrong", "", "\u00e4\x00"])
def test_a_wrong_key_begins_nothing(browser, shop, wrong):
    page = browser.sign_in(wrong)
    assert page.status_code == 401
    assert "unknown, revoked or expired" in page.text
    assert sessions(shop) == []


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example/workbench",
        "/workbench\\..\\x",
        "/v1/keys",
        "javascript:1",
    ],
)
def test_signing_in_leads_nowhere_else(browser, key, elsewhere):
    page = browser.get("/workbench/sign-in", params={"next": elsewhere})
    answer = browser.submit(page, "/sign-in", key=key[1])
    assert answer.url.path == "/workbench/"
    assert answer.url.host == browser.http.base_url.host


def test_signing_out_ends_the_session_everywhere(signed_in, shop):
    copied = dict(signed_in.http.cookies)
    page = signed_in.submit(signed_in.get("/workbench/"), "/sign-out")
    assert page.url.path == "/workbench/sign-in"
    assert sessions(shop) == []
    with Browser(str(signed_in.http.base_url)) as other:
        other.http.cookies.update(copied)
        assert other.get("/workbench/").url.path == "/workbench/sign-in"


@pytest.mark.parametrize(
    "aged",
    [{"last_used_at": timedelta(hours=3)}, {"expires_at": timedelta(hours=13)}],
    ids=["idle", "absolute"],
)
def test_a_session_ends_and_comes_back_to_where_one_was(signed_in, database, key, aged):
    age(database, **aged)
    page = signed_in.get("/workbench/?cursor=abc")
    assert page.url.path == "/workbench/sign-in"
    assert "Your session has ended" in page.text
    again = signed_in.submit(page, "/sign-in", key=key[1])
    assert again.url.query == b"cursor=abc"


def test_a_session_that_ends_before_a_form_is_sent_comes_back_to_the_form(signed_in, database, key):
    page = signed_in.get("/workbench/")
    age(database, last_used_at=timedelta(hours=3))
    fields = forms_in(page.text)[0]["fields"]
    answer = signed_in.http.post(
        "/workbench/sign-out", data=fields, headers={"Referer": f"{page.url}?cursor=abc"}
    )
    assert "Your session has ended" in answer.text
    assert signed_in.submit(answer, "/sign-in", key=key[1]).url.query == b"cursor=abc"


def test_use_keeps_a_session(signed_in, database, shop):
    age(database, last_used_at=timedelta(minutes=90))
    (before,) = sessions(shop)
    assert signed_in.get("/workbench/").url.path == "/workbench/"
    (after,) = sessions(shop)
    assert after.last_used_at > before.last_used_at
    assert after.expires_at == before.expires_at


def test_htmx_is_led_to_where_one_signs_in(signed_in, database):
    age(database, last_used_at=timedelta(hours=3))
    headers = {"HX-Request": "true", "HX-Current-URL": "http://x/workbench/?cursor=abc"}
    answer = signed_in.get("/workbench/", headers=headers)
    assert answer.status_code == 204
    target = answer.headers["HX-Redirect"]
    assert target.startswith("/workbench/sign-in?")
    assert "next=%2Fworkbench%2F%3Fcursor%3Dabc" in target


@pytest.mark.parametrize("how", ["revoked", "expired", "rotated", "deleted"])
def test_a_key_that_ends_ends_its_sessions(signed_in, database, key, how):
    row, _ = key
    with database.session() as session:
        if how == "revoked":
            revoke_key(session, row.id)
        elif how == "rotated":
            rotate_key(session, row.id)
        elif how == "deleted":
            session.delete(session.get_one(ApiKey, row.id))
        else:
            session.execute(update(ApiKey).values(expires_at=func.now()))
    assert signed_in.get("/workbench/").url.path == "/workbench/sign-in"


def test_a_rotation_with_an_overlap_keeps_sessions_until_its_end(signed_in, database, key):
    with database.session() as session:
        rotate_key(session, key[0].id, overlap_seconds=60)
    assert signed_in.get("/workbench/").url.path == "/workbench/"
    with database.session() as session:
        session.execute(update(ApiKey).values(previous_until=func.now()))
    assert signed_in.get("/workbench/").url.path == "/workbench/sign-in"


def test_old_sessions_are_pruned(signed_in, database, shop):
    with database.session() as session:
        prune_sessions(session)
    assert len(sessions(shop)) == 1
    age(database, expires_at=timedelta(hours=13))
    with database.session() as session:
        prune_sessions(session)
    assert sessions(shop) == []


def test_a_form_without_its_token_does_nothing(signed_in, shop):
    for data in ({}, {"csrf": "0" * 64}, {"csrf": "\u00e4"}):
        answer = signed_in.http.post("/workbench/sign-out", data=data)
        assert answer.status_code == 403
        assert "Load the page again" in answer.text
    assert len(sessions(shop)) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", ["/workbench/sign-out", "/workbench/sign-in"])
def test_a_form_of_another_site_does_nothing(signed_in, shop, key, headers, path):
    page = signed_in.get("/workbench/")
    fields = forms_in(page.text)[0]["fields"] | {"key": key[1]}
    answer = signed_in.http.post(path, data=fields, headers=headers)
    assert answer.status_code == 403
    assert len(sessions(shop)) == 1


def test_a_form_of_this_site_is_taken(signed_in, shop):
    page = signed_in.get("/workbench/")
    origin = str(signed_in.http.base_url).rstrip("/")
    fields = forms_in(page.text)[0]["fields"]
    signed_in.http.post(
        "/workbench/sign-out",
        data=fields,
        headers={"Origin": origin, "Sec-Fetch-Site": "same-origin"},
    )
    assert sessions(shop) == []


def test_attempts_to_sign_in_are_counted(serve, settings):
    client = serve(settings.model_copy(update={"sign_ins_per_minute": 3}))
    with Browser(str(client.base_url)) as browser:
        answers = [browser.sign_in("psk_wrong").status_code for _ in range(4)]
    assert answers == [401, 401, 401, 429]


def test_pages_count_for_their_key_and_pictures_do_not(browser, database, client, worker):
    with database.session() as session:
        _, plain = create_key(session, "shop", requests_per_minute=2)
    job = client.post("/v1/jobs", json={"prompt": "a red mug"}).json()
    worker.make(job["id"])
    browser.sign_in(plain)
    for _ in range(5):
        assert browser.get(f"/workbench/pictures/{job['id']}/whole").status_code == 200
    assert browser.get("/workbench/").status_code == 200
    answer = browser.get("/workbench/")
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert "requests in a minute" in answer.text


PATHS = ["/workbench/sign-in", "/workbench/", "/workbench/nothing", "/workbench/?cursor=NjM"]


@pytest.mark.parametrize("path", PATHS)
def test_a_page_loads_nothing_from_elsewhere_and_is_framed_nowhere(signed_in, path):
    page = signed_in.get(path)
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Referrer-Policy"] == "same-origin"
    assert page.headers["Cache-Control"] == "no-store"
    assert not re.search(
        r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|(src|href)=\"https?:", page.text
    )


def test_what_pages_load_is_kept_for_good_under_its_digest(signed_in):
    page = signed_in.get("/workbench/")
    paths = set(re.findall(r'(?:src|href)="(/workbench/static/[^"]+)"', page.text))
    assert len(paths) == 5
    with Browser(str(signed_in.http.base_url)) as stranger:
        for path in paths:
            answer = stranger.get(path)
            assert answer.status_code == 200
            assert "immutable" in answer.headers["Cache-Control"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert stranger.get("/workbench/static/0000/pico.min.css").status_code == 404


def test_pages_are_not_in_the_description(client):
    assert "workbench" not in client.get("/openapi.json").text


def test_a_key_is_no_session_and_a_session_no_key(signed_in, client):
    answer = client.get("/workbench/", follow_redirects=False)
    assert answer.status_code == 303
    assert signed_in.get("/v1/batches").status_code == 401


def test_a_page_asks_for_its_scope(browser, database):
    with database.session() as session:
        _, plain = create_key(session, "shop", scopes=[Scope.SUBMIT])
    page = browser.sign_in(plain)
    assert page.status_code == 403
    assert "scope read" in page.text
    assert 'href="/workbench/"' not in page.text.split('class="places"')[1].split("</ul>")[0]


def test_a_stranger_sees_nothing_of_a_tenant(client, browser, database, send, worker):
    batch = send(client, "sku,prompt\nA,a red mug\n", name="autumn")
    (job,) = client.get(batch["links"]["items"]).json()["items"]
    worker.make(job["id"])
    with database.session() as session:
        _, plain = create_key(session, "stranger")
    assert "autumn" not in browser.sign_in(plain).text
    for size in ("whole", "small"):
        assert browser.get(f"/workbench/pictures/{job['id']}/{size}").status_code == 404


def test_names_are_escaped(client, signed_in, send):
    send(client, "sku,prompt\nA,a red mug\n", name="<script>alert(1)</script>")
    page = signed_in.get("/workbench/")
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert" in page.text


FLOWER = {"flower_url": "https://flower.example/tasks", "flower_login": SecretStr("ada:pass")}


@pytest.mark.parametrize("scopes", [[Scope.READ, Scope.ADMIN], [Scope.READ]])
def test_administrators_come_to_flower_without_its_password(serve, settings, database, scopes):
    with database.session() as session:
        _, plain = create_key(session, "shop", scopes=scopes)
    client = serve(settings.model_copy(update=FLOWER))
    with Browser(str(client.base_url)) as browser:
        browser.sign_in(plain)
        page = browser.get("/workbench/system").text
        link = re.findall(r'href="([^"]+)"[^>]*>Flower', page)
        answer = browser.http.get("/workbench/system/flower", follow_redirects=False)
    if Scope.ADMIN not in scopes:
        assert link == ["https://flower.example/tasks"]
        assert answer.status_code == 403
        return
    assert link == ["/workbench/system/flower"]
    address, _, ticket = answer.headers["location"].partition("?ticket=")
    assert address == "https://flower.example/tasks/"
    assert is_valid(ticket, Kind.TICKET, "ada:pass")


def test_flower_is_not_linked_where_it_has_no_address(signed_in):
    assert "Flower" not in signed_in.get("/workbench/system").text
    assert signed_in.get("/workbench/system/flower").status_code == 404


def test_strangers_are_not_sent_to_flower(serve, settings):
    client = serve(settings.model_copy(update=FLOWER))
    with Browser(str(client.base_url)) as browser:
        assert "ticket" not in str(browser.get("/workbench/system/flower").url)


def test_without_pages_there_are_none(serve, settings):
    client = serve(settings.model_copy(update={"pages": False}))
    assert client.get("/").status_code == 404
    assert client.get("/workbench/").status_code == 404
    assert client.get("/workbench/").headers["content-type"] == "application/problem+json"
