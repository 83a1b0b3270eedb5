"""A packshot server in memory, for the client's tests."""

import csv
import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
from PIL import Image

KEY = "psk_right"


def png(colour: str = "red", size: tuple[int, int] = (16, 16)) -> bytes:
    """A small image file."""
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, "PNG")
    return stream.getvalue()


@dataclass
class Job:
    """One wanted image."""

    sku: str
    variant: int = 1
    line: int | None = 2
    state: str = "succeeded"
    cache: str = "miss"
    prompt: str = "a red mug on a white background"
    error: str | None = None
    body: bytes = field(default_factory=png)
    file_name: str | None = None
    renditions: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def json(self, number: int) -> dict[str, object]:
        """What the API says about it."""
        image = {
            "url": f"/v1/jobs/{number}/image",
            "content_type": "image/png",
            "digest": hashlib.sha256(self.body).hexdigest(),
            "size": len(self.body),
            "width": 16,
            "height": 16,
        }
        error = {"code": "generation_failed", "message": self.error, "retry_helps": True}
        return {
            "id": str(number),
            "line": self.line,
            "sku": self.sku,
            "variant": self.variant,
            "state": self.state,
            "cache": self.cache,
            "prompt": self.prompt,
            "error": error if self.error else None,
            "image": image if self.state == "succeeded" else None,
            "file_name": self.file_name,
            "renditions": [
                {"channel": channel, "file_name": name, "note": self.notes.get(channel)}
                for channel, name in self.renditions.items()
            ],
        }


class FakeServer:
    """Answers as the API does, a page of `page` items at a time."""

    def __init__(self, jobs: list[Job], *, page: int = 100) -> None:
        self.jobs = jobs
        self.page = page
        self.requests: list[httpx.Request] = []
        self.intercept: Callable[[httpx.Request], httpx.Response | None] = lambda _: None
        """What happens instead of an answer."""

    @property
    def transport(self) -> httpx.MockTransport:
        """How a client reaches it."""
        return httpx.MockTransport(self.answer)

    def downloads(self) -> list[str]:
        """The images that were read, in order."""
        return [r.url.path for r in self.requests if r.url.path.endswith("/image")]

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Route one request."""
        self.requests.append(request)
        instead = self.intercept(request)
        if instead is not None:
            return instead
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return httpx.Response(401, json={"detail": "Send an API key.", "status": 401})
        routes: dict[str, Callable[[], httpx.Response]] = {
            "/v1/batches": lambda: httpx.Response(200, json=self.batch()),
            "/v1/batches/b1": lambda: httpx.Response(200, json=self.batch()),
            "/v1/batches/b1/retry": lambda: httpx.Response(202, json=self.batch()),
            "/v1/batches/b1/items": lambda: httpx.Response(
                200, json=self.items(request.url.params.get("cursor"))
            ),
            "/v1/batches/b1/results.csv": lambda: httpx.Response(200, text=self.results()),
            "/v1/batches/b1/manifest.jsonl": lambda: httpx.Response(200, text=self.manifest()),
            "/v1/batches/b1/images.zip": lambda: httpx.Response(
                200, text=f"zip for {request.url.params.get('channel', 'everybody')}"
            ),
        } | {
            f"/v1/jobs/{number}/image": lambda job=job: httpx.Response(200, content=job.body)
            for number, job in enumerate(self.jobs)
        }
        routes |= {
            f"/v1/jobs/{number}/renditions/{channel}": lambda text=f"{channel} of {number}": (
                httpx.Response(200, text=text)
            )
            for number in range(len(self.jobs))
            for channel in ("walmart", "web")
        }
        missing = httpx.Response(404, json={"detail": "There is no such thing here."})
        return routes.get(request.url.path, lambda: missing)()

    def batch(self) -> dict[str, object]:
        """The batch as it is now."""
        states = [job.state for job in self.jobs]
        counts = {state: states.count(state) for state in ("queued", "running", *set(states))}
        return {
            "id": "b1",
            "name": "sheet.csv",
            "total": len(states),
            "counts": counts,
            "warnings": [],
        }

    def items(self, cursor: str | None) -> dict[str, object]:
        """One page."""
        start = int(cursor or 0)
        end = start + self.page
        found = [job.json(start + at) for at, job in enumerate(self.jobs[start:end])]
        return {"items": found, "next": str(end) if end < len(self.jobs) else None}

    def manifest(self) -> str:
        """manifest.jsonl."""
        return "".join(f"{json.dumps(job.json(at))}\n" for at, job in enumerate(self.jobs))

    def results(self) -> str:
        """results.csv, with a column `image` of the sheet's own too."""
        stream = io.StringIO()
        writer = csv.writer(stream)
        writer.writerow(["sku", "image", "variant", "status", "error", "image", "cache"])
        for number, job in enumerate(self.jobs):
            path = f"/v1/jobs/{number}/image" if job.state == "succeeded" else ""
            row = [job.sku, "old.jpg", job.variant, job.state, job.error or "", path, job.cache]
            writer.writerow(row)
        return stream.getvalue()
