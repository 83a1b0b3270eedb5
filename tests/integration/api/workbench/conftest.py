"""People at the workbench in a real browser: Debian's Chromium, driven by Playwright."""

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from api.pages.site import ROUTERS
from core.db.engine import Database
from core.errors import GenerationFailedError
from core.keys import create_key
from core.links import WORKBENCH
from tests.integration.api.conftest import Worker
from tests.pictures import near_white, png, product

CHROMIUM = Path("/usr/bin/chromium")
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 375, "height": 740}


# Of a module: while Playwright runs, its loop is the running one of this thread.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser without any cookies; each context of it is somebody's."""
    if not CHROMIUM.exists():
        pytest.skip("chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


class Person:
    """Somebody with a browser and a key."""

    def __init__(self, context: BrowserContext, url: str, key: str) -> None:
        self.context = context
        self.url = url
        self.key = key
        self.complaints: list[str] = []
        """What the browser said of scripts that failed, and of what pages may not load."""
        self.page = context.new_page()
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._note)

    def _note(self, message: Any) -> None:
        # A status that is no success is the page's to show.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def sign_in(self, path: str = "/") -> Page:
        """Go to a page of the workbench, and sign in on the way."""
        self.page.goto(f"{self.url}{WORKBENCH}{path}")
        self.page.get_by_label("API key").fill(self.key)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url(lambda url: "/sign-in" not in url)
        return self.page

    def go(self, path: str) -> Page:
        """Go to a path of the server."""
        self.page.goto(f"{self.url}{path}")
        return self.page


@pytest.fixture
def person(
    chromium: Browser,
    client: httpx.Client,
    database: Database,
) -> Iterator[Callable[..., Person]]:
    """Give a key and a browser of their own to somebody of the tenant `shop`."""
    contexts = []

    def arrive(name: str = "Ada", *, tenant: str = "shop", **options: Any) -> Person:
        with database.session() as session:
            _, key = create_key(session, tenant, name)
        context = chromium.new_context(
            **{"viewport": DESKTOP, "reduced_motion": "reduce"} | options
        )
        context.set_default_timeout(60_000)
        contexts.append(context)
        return Person(context, str(client.base_url), key)

    yield arrive
    for context in contexts:
        context.close()


@pytest.fixture
def catalogue(
    client: httpx.Client,
    send: Callable[..., dict],
    worker: Worker,
    things: dict[str, str],
) -> dict[str, str]:
    """A tenant's things: beside one of each kind, a batch that is under way."""
    rows = "".join(f"MUG-{number},a red mug {number}\n" for number in range(1, 7))
    batch = send(client, f"sku,prompt\n{rows}", name="Autumn catalogue")
    jobs = client.get(batch["links"]["items"]).json()["items"]
    for job in jobs[:3]:
        worker.make(job["id"], png(near_white(product())))
    worker.fail(jobs[3]["id"], GenerationFailedError("The graph broke."))
    return things | {"batch_id": batch["id"], "job_id": jobs[0]["id"]}


def paths_of_pages() -> list[str]:
    """Return the path of every page that shows something, with the names of its parameters."""
    routes = [route for router in ROUTERS for route in router.routes if "GET" in route.methods]
    # The others send files and events.
    shown = [route for route in routes if "page" in inspect.signature(route.endpoint).parameters]
    return sorted({route.path for route in shown})
