"""A packshot server over HTTP, as any client sees it."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx

from cli.client.records import BatchItem, BatchRecord, ListPage
from cli.errors import RefusedError, UnreachableError
from cli.server_address import host_of, is_this_machine

PAGE_ITEMS = 100
PATIENCE_SECONDS = 60.0
"""How long reading goes on trying while the server is away, for example restarting."""
LONGEST_PAUSE_SECONDS = 5.0
UPLOAD_SECONDS = 600.0
"""A sheet of 100,000 rows is checked and stored before it is answered."""

CONTENT_TYPES: Mapping[str, str] = {
    ".csv": "text/csv",
    ".jsonl": "application/x-ndjson",
    ".ndjson": "application/x-ndjson",
    ".tsv": "text/tab-separated-values",
    ".xml": "application/xml",
}

T = TypeVar("T")


class Client:
    """One server and one key.

    Reading is repeated for `patience` seconds while the server is away; sending is not, because
    what was sent may have arrived.
    """

    def __init__(
        self,
        url: str,
        key: str | None,
        *,
        patience: float = PATIENCE_SECONDS,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        host = host_of(url)
        self.url = url.rstrip("/")
        self.key = key
        self.patience = patience
        self._http = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(30, connect=5),
            transport=transport,
            # A company's proxy does not reach this machine's own ports.
            trust_env=not is_this_machine(host),
        )

    def submit(self, sheet: Path, fields: Mapping[str, object]) -> BatchRecord:
        """Send a sheet.

        Args:
            sheet: A CSV, JSONL or XML file.
            fields: What applies to every row that does not say otherwise.

        Raises:
            RefusedError: naming every bad row.
        """
        return BatchRecord.parse(self._upload(sheet, fields))

    def dry_run(self, sheet: Path, fields: Mapping[str, object]) -> Mapping[str, Any]:
        """Check a sheet, and return the report; the server keeps nothing of it."""
        report: Mapping[str, Any] = self._upload(sheet, {**fields, "dry_run": "true"})
        return report

    def _upload(self, sheet: Path, fields: Mapping[str, object]) -> Any:
        content_type = CONTENT_TYPES.get(sheet.suffix.lower(), "text/csv")
        with self._problems(), sheet.open("rb") as stream:
            response = self._http.post(
                "/v1/batches",
                files={"file": (sheet.name, stream, content_type)},
                data={name: str(value) for name, value in fields.items()},
                timeout=httpx.Timeout(UPLOAD_SECONDS, connect=5),
            )
        return self._checked(response).json()

    def find_source(self, digest: str) -> str | None:
        """Return the id of the photograph with this SHA-256; None: it is not there."""
        items = self._get("/v1/sources", {"digest": digest, "limit": 1}).json()["items"]
        return str(items[0]["id"]) if items else None

    def send_source(self, name: str, content: bytes) -> str:
        """Send a photograph; return its id. What comes twice is kept once, so it is sent again.

        Raises:
            RefusedError: It is none that is taken.
        """

        def once() -> httpx.Response:
            with self._problems():
                files = {"file": (name, content, "application/octet-stream")}
                return self._checked(self._http.post("/v1/sources", files=files))

        return str(self._patiently(once).json()["id"])

    def detect(self, name: str, content: bytes) -> Mapping[str, Any]:
        """Return what a file's marks say of how it was made.

        Raises:
            RefusedError: It is no image that is taken.
        """

        def once() -> httpx.Response:
            with self._problems():
                files = {"file": (name, content, "application/octet-stream")}
                return self._checked(self._http.post("/v1/detect", files=files))

        found: Mapping[str, Any] = self._patiently(once).json()
        return found

    def add_recipe(self, recipe: Mapping[str, Any]) -> Mapping[str, Any]:
        """Store a recipe's next version."""
        with self._problems():
            response = self._http.post("/v1/recipes", json=recipe)
        added: Mapping[str, Any] = self._checked(response).json()
        return added

    def recipe(self, name: str, version: str | None = None) -> Mapping[str, Any]:
        """Read a recipe, in its newest version unless one is named."""
        path = f"/v1/recipes/{quote(name, safe='')}"
        if version is not None:
            path += f"/versions/{quote(version, safe='')}"
        found: Mapping[str, Any] = self._get(path).json()
        return found

    def delete_recipe(self, name: str) -> None:
        """Delete a recipe with all its versions."""
        with self._problems():
            self._checked(self._http.delete(f"/v1/recipes/{quote(name, safe='')}"))

    def recipes(self, name: str | None = None) -> list[Mapping[str, Any]]:
        """List all recipes in their newest versions, or all versions of one."""
        path = "/v1/recipes" if name is None else f"/v1/recipes/{quote(name, safe='')}/versions"
        found: list[Mapping[str, Any]] = []
        cursor: str | None = None
        while True:
            query: dict[str, str | int] = {"limit": PAGE_ITEMS}
            page = self._get(path, query | ({"cursor": cursor} if cursor else {})).json()
            found += page["items"]
            cursor = page["next"]
            if cursor is None:
                return found

    def retry(self, identity: str) -> BatchRecord:
        """Retry the failed images of a batch."""
        with self._problems():
            return BatchRecord.parse(
                self._checked(self._http.post(f"/v1/batches/{identity}/retry")).json()
            )

    def batch(self, identity: str) -> BatchRecord:
        """Return the state of a batch."""
        return BatchRecord.parse(self._get(f"/v1/batches/{identity}").json())

    def items(self, identity: str, cursor: str | None = None) -> ListPage:
        """Read one page of a batch's images."""
        query: dict[str, str | int] = {"limit": PAGE_ITEMS} | ({"cursor": cursor} if cursor else {})
        body = self._get(f"/v1/batches/{identity}/items", query).json()
        return ListPage(items=[BatchItem.parse(item) for item in body["items"]], next=body["next"])

    def download(self, path: str) -> bytes:
        """Read an image."""
        return self._get(path).content

    def results(self, identity: str, target: Path, format_: str = "csv") -> None:
        """Download a batch's results as they are: `csv` or `xlsx`."""
        path = f"/v1/batches/{identity}/results.{format_}"
        self._patiently(lambda: self._stream(path, target))

    def skipped(self, identity: str, target: Path) -> None:
        """Download the rows that a batch left out."""
        self._patiently(lambda: self._stream(f"/v1/batches/{identity}/skipped.csv", target))

    def manifest(self, identity: str, target: Path) -> None:
        """Download a batch's manifest.jsonl as it is."""
        self._patiently(lambda: self._stream(f"/v1/batches/{identity}/manifest.jsonl", target))

    def archive(self, identity: str, target: Path, channel: str | None = None) -> None:
        """Download a batch's images as one ZIP, as a channel wants them if one is named."""
        query = f"?channel={quote(channel)}" if channel else ""
        self._patiently(lambda: self._stream(f"/v1/batches/{identity}/images.zip{query}", target))

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str | int] | None = None,
    ) -> Any:
        """Send a request, once; return the JSON of the answer, None where there is none.

        Raises:
            RefusedError: The server answered with a problem.
        """
        with self._problems():
            response = self._checked(self._http.request(method, path, json=body, params=query))
        return response.json() if response.content else None

    def accepts_key(self) -> bool:
        """Check whether the server knows our key."""
        try:
            self._get("/v1/batches", {"limit": 1})
        except RefusedError as error:
            if error.answer in (401, 403):
                return False
            raise
        return True

    def is_up(self) -> bool:
        """Check whether the server answers."""
        try:
            return self._http.get("/healthz").is_success
        except httpx.TransportError:
            return False

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _get(self, path: str, query: Mapping[str, str | int] | None = None) -> httpx.Response:
        def once() -> httpx.Response:
            with self._problems():
                return self._checked(self._http.get(path, params=query))

        return self._patiently(once)

    def _stream(self, path: str, target: Path) -> None:
        with self._problems(), self._http.stream("GET", path) as response:
            if not response.is_success:
                response.read()
            self._checked(response)
            with target.open("wb") as stream:
                for chunk in response.iter_bytes():
                    stream.write(chunk)

    def _patiently(self, action: Callable[[], T]) -> T:
        deadline = time.monotonic() + self.patience
        pause = 0.1
        while True:
            try:
                return action()
            except UnreachableError:
                if time.monotonic() + pause > deadline:
                    raise
            except RefusedError as error:
                if error.answer not in error.busy or time.monotonic() + pause > deadline:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _checked(self, response: httpx.Response) -> httpx.Response:
        if response.is_success:
            return response
        try:
            problem: Any = response.json()
        except ValueError:
            problem = None
        if not isinstance(problem, dict):
            problem = {"detail": f"HTTP {response.status_code} {response.reason_phrase}"}
        raise RefusedError(response.status_code, problem, who=self.url)

    @contextmanager
    def _problems(self) -> Iterator[None]:
        try:
            yield
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            raise UnreachableError(
                f"No packshot answers at {self.url} ({reason}). "
                "Start one with `packshot up`, or correct --url."
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
