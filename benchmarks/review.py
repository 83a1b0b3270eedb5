"""The page *Review* of a large batch: what pages take, and somebody who judges at a person's pace.

`python -m benchmarks.review [--images 10000] [--variants 2] [--rounds 20] [--judgements 500]
[--pace 1.2]`: on the embedded Postgres a finished batch under the gate is stored, without pixels,
and the API runs in a process of its own. Measured from a client on the same machine, with a warm
database: the first page, one in the middle, those by the beginning of a SKU, and others
(milliseconds until the whole page is there, and its bytes), then so many judgements as the page's
script sends them, one each `pace` seconds: mostly approved, every tenth rejected, about every tenth
picked of its row, every twentieth taken back.
"""

import argparse
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from benchmarks.report import percentile, show, spread

PAGE = 500
"""Images that are recorded in one transaction."""
CHOSEN = re.compile(r'name="chosen" value="([^"]+)"')
PICKED = re.compile(r'name="picked"[^>]* value="([^"]+)"')


def main() -> None:
    """Measure, and show it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--variants", type=int, default=2, help="of each row")
    parser.add_argument("--rounds", type=int, default=20, help="of each page")
    parser.add_argument("--judgements", type=int, default=500)
    parser.add_argument("--pace", type=float, default=1.2, help="seconds from one to the next")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        # The embedded Postgres runs as another user when this is root.
        folder.chmod(0o755)
        with _serving(folder, arguments.images, arguments.variants) as (url, batch, key):
            path = f"/workbench/batches/{batch}/review"
            with _signed_in(url, key) as http:
                pages = _measure_pages(http, path, arguments.rounds)
                judged = _judge(http, path, arguments.judgements, arguments.pace)
    rows = [
        {
            "what": one["page"],
            "ms (min–max)": spread(one["milliseconds"]),
            "kB": f"{one['bytes'] / 1000:.0f}",
        }
        for one in pages
    ]
    rows.append({"what": "a judgement", "ms (min–max)": spread(judged["milliseconds"]), "kB": "–"})
    result = {"images": arguments.images, "variants": arguments.variants, "pages": pages}
    judged["milliseconds_95"] = percentile(judged.pop("milliseconds"), 95)
    show("review", rows, result | {"pace": arguments.pace, "judged": judged})


@contextmanager
def _serving(folder: Path, images: int, variants: int) -> Iterator[tuple[str, UUID, str]]:
    """Run an API on a stored batch; yield its address, the batch, and a key."""
    from core.db.engine import Database
    from core.keys import create_key
    from core.settings import Settings, fields_in
    from local.infrastructure import Infrastructure
    from migrations import upgrade
    from tests.integration.api.conftest import api_process, describe_bundle

    describe_bundle(folder / "bundle")
    with Infrastructure(folder / "services", durable=False) as services:
        upgrade(services.environment["PACKSHOT_DATABASE_URL"])
        database = Database(Settings(**fields_in(services.environment)))
        try:
            batch = _fill(database, images, variants)
            with database.session() as session:
                _, key = create_key(session, "shop", "Ada", requests_per_minute=0)
        finally:
            database.close()
        with api_process(services.environment, folder / "bundle") as process:
            yield process.url(), batch, key


def _fill(database: Any, images: int, variants: int) -> UUID:
    """Store a finished batch, of which somebody should look at every tenth image."""
    from sqlalchemy import text

    from core.db.models import Job
    from core.lifecycle import claims, completion
    from tests.integration.shop import Shop, finished
    from tests.specs import wanted

    shop = Shop(database)
    sheet = [
        wanted(
            f"mug {number}",
            sku=f"SKU-{number // variants:05}",
            line=2 + number // variants,
            variant=1 + number % variants,
            files={"web": f"sku-{number}.webp"},
        )
        for number in range(images)
    ]
    jobs = shop.want(*sheet, batch=True, require_approval=True).job_ids
    queued = [row.generation_id for row in shop.all(Job)]
    for start in range(0, len(queued), PAGE):
        page = queued[start : start + PAGE]
        with database.session() as session:
            held = claims.claim(session, page, owner="benchmark", lease_seconds=600)
            completion.succeed(session, [finished(one) for one in held.values()])
    batch = shop.job(jobs[0]).batch_id
    quality = """{"needs_review": true, "reasons": ["holes"], "source": "kept", "notes": []}"""
    flag = (
        "update image set quality = cast(:quality as jsonb) where get_byte(uuid_send(id), 15) < 26"
    )
    with database.session() as session:
        session.execute(text(flag), {"quality": quality})
    with database.engine.connect() as connection:
        # As autovacuum does within a minute.
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("analyze"))
    return batch


@contextmanager
def _signed_in(url: str, key: str) -> Iterator[httpx.Client]:
    from tests.integration.api.browser import Browser

    with Browser(url) as browser:
        browser.sign_in(key)
        yield browser.http


def _measure_pages(http: httpx.Client, path: str, rounds: int) -> list[dict[str, Any]]:
    """Ask for each page so many times, once before that; give every time and the size."""
    every = _pages(http, path)
    asked = {
        "the first page": path,
        "one in the middle": every[len(every) // 2],
        "the first by the beginning of a SKU": f"{path}?sku=sku-000",
        "the last by the whole SKU": f"{path}?sku=SKU-00000",
        "the first to look at": f"{path}?show=look",
        "approved, of which there are none": f"{path}?show=approved",
        "a batch's page": path.removesuffix("/review"),
    }
    found = []
    for name, one in asked.items():
        http.get(one).raise_for_status()
        times = []
        for _ in range(rounds):
            began = time.perf_counter()
            answer = http.get(one).raise_for_status()
            times.append((time.perf_counter() - began) * 1000)
        found.append({"page": name, "milliseconds": times, "bytes": len(answer.content)})
    return found


def _pages(http: httpx.Client, path: str) -> list[str]:
    """Go from page to page to the end; return their paths."""
    found, following = [], path
    while following:
        found.append(following)
        page = http.get(following).raise_for_status()
        link = re.search(r'rel="next" href="([^"]+)"', page.text)
        following = path + unescape(link[1]) if link else ""
    return found


def _judge(http: httpx.Client, path: str, judgements: int, pace: float) -> Mapping[str, Any]:
    """Judge images as the page's script does, each so many seconds after the one before."""
    times: list[float] = []
    boxes: list[str] = []
    late, pages, began = 0.0, 0, time.perf_counter()
    for number in range(judgements):
        if not boxes:
            page = http.get(path).raise_for_status()
            boxes, picks = CHOSEN.findall(page.text), PICKED.findall(page.text)
            token = re.search(r'name="csrf" value="([^"]+)"', page.text)
            if not boxes or token is None:
                break
            form, pages = {"csrf": token[1], "show": "pending"}, pages + 1
        due = began + number * pace
        time.sleep(max(0.0, due - time.perf_counter()))
        late = max(late, time.perf_counter() - due)
        chosen = boxes.pop(0)
        pick = next((one for one in picks if one.startswith(chosen)), chosen)
        others = set(pick.split(",")) - {chosen}
        asked = time.perf_counter()
        # Where nothing of the row was judged: what the page has seen of it is still so.
        if number % 10 in (8, 9) and others and others <= set(boxes):
            said = _send(http, f"{path}/pick", form | {"picked": pick})
            boxes = [one for one in boxes if one not in others]
        else:
            state = "rejected" if number % 10 == 4 else "approved"
            said = _send(http, path, form | {"state": state, "chosen": chosen})
        if number % 20 == 19:
            _send(http, f"{path}/undo", form | {"said_at": said})
        times.append((time.perf_counter() - asked) * 1000)
    return {
        "milliseconds": times,
        "judgements": len(times),
        "pages": pages,
        "seconds": time.perf_counter() - began,
        "most_late_seconds": late,
    }


def _send(http: httpx.Client, path: str, form: Mapping[str, str]) -> str:
    """Send what a key asks for; return when it was said, as the answer names it."""
    answer = http.post(path, data=dict(form), headers={"HX-Request": "true"})
    answer.raise_for_status()
    following = httpx.URL(str(http.base_url)).join(answer.headers["HX-Redirect"])
    return following.params.get("undo", "")


if __name__ == "__main__":
    main()
