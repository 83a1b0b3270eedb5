"""A browser without scripts: cookies, redirects, forms."""

from html.parser import HTMLParser
from types import TracebackType
from typing import Any

import httpx


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[dict[str, Any]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self.forms.append({"action": given.get("action"), "fields": {}})
        elif tag in ("input", "button") and self.forms and given.get("name"):
            if given.get("type") in ("checkbox", "radio") and "checked" not in given:
                return
            self.forms[-1]["fields"][given["name"]] = given.get("value") or ""


def forms_in(html: str) -> list[dict[str, Any]]:
    parser = _Forms()
    parser.feed(html)
    return parser.forms


class Browser:
    """Looks at pages as somebody who signs in with a key."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=60, trust_env=False, follow_redirects=True)

    def __enter__(self) -> "Browser":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: object, __: TracebackType | None
    ) -> None:
        self.http.close()

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.http.get(path, **options)

    def submit(self, page: httpx.Response, action: str, **values: Any) -> httpx.Response:
        """Fill in the form of a page that leads to a path, and send it."""
        (form,) = [one for one in forms_in(page.text) if (one["action"] or "").endswith(action)]
        url = form["action"] or str(page.url)
        return self.http.post(url, data=form["fields"] | values)

    def sign_in(self, key: str, path: str = "/workbench/") -> httpx.Response:
        """Go to a page, and sign in on the way."""
        page = self.get(path)
        assert page.url.path == "/workbench/sign-in", page.text
        return self.submit(page, "/sign-in", key=key)
