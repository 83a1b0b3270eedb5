"""How long a hit takes: in one process's memory, and through the API."""

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from benchmarks.report import percentile, show
from core.db.engine import Database
from core.eviction import BoundedMap, Policy
from core.keys import create_key
from core.settings import Settings, fields_in

PROMPTS = 50
BODY = bytes(40_000)
"""About what an image of 128 × 128 takes as PNG."""


def measure(hits: int) -> None:
    """Measure both, and show them."""
    memory = {policy.value: _memory_hit(policy) for policy in Policy}
    with tempfile.TemporaryDirectory() as folder:
        # The embedded Postgres runs as another user when this is root.
        Path(folder).chmod(0o755)
        api = _api_hits(Path(folder), hits)
    rows = [
        {"hit": f"in memory, {name}", "median": f"{value:.2f} µs", "95 %": ""}
        for name, value in memory.items()
    ]
    rows += [
        {
            "hit": name,
            "median": f"{statistics.median(values):.2f} ms",
            "95 %": f"{percentile(values, 95):.2f} ms",
        }
        for name, values in api.items()
    ]
    result = {
        "memory_us": memory,
        "api_ms_median": {name: statistics.median(values) for name, values in api.items()},
        "api_ms_95": {name: percentile(values, 95) for name, values in api.items()},
        "hits": hits,
    }
    show("caches: hits", rows, result)


def _memory_hit(policy: Policy, entries: int = 10_000, looks: int = 100_000) -> float:
    """Give the median microseconds of a look-up that finds something."""
    cache: BoundedMap[tuple[str, str], int] = BoundedMap(
        policy=policy, max_bytes=entries, max_entries=entries
    )
    keys = [("shop", uuid4().hex) for _ in range(entries)]
    for number, key in enumerate(keys):
        cache.put(key, number, size=1)
    rounds = []
    for start in range(0, looks, 1000):
        chosen = [keys[place % entries] for place in range(start, start + 1000)]
        began = time.perf_counter()
        for key in chosen:
            cache.get(key)
        rounds.append((time.perf_counter() - began) * 1e6 / 1000)
    return statistics.median(rounds)


def _api_hits(folder: Path, hits: int) -> dict[str, list[float]]:
    from local.infrastructure import Infrastructure
    from migrations import upgrade
    from tests.integration.api.conftest import describe_bundle, serving

    bundle = folder / "bundle"
    describe_bundle(bundle)
    with Infrastructure(folder / "services", durable=True) as services:
        names = fields_in(services.environment)
        upgrade(names["database_url"])
        found: dict[str, list[float]] = {}
        for name, size in (("with memory", 64 * 2**20), ("without", 0)):
            settings = Settings(
                _env_file=None,
                **names | {"bundle": bundle, "result_memory_bytes": size},
            )
            with serving(settings) as url:
                found |= {
                    f"{what}, {name}": values
                    for what, values in _measure_api(settings, url, hits).items()
                }
    return found


def _measure_api(settings: Settings, url: str, hits: int) -> dict[str, list[float]]:
    database = Database(settings)
    with database.session() as session:
        _, key = create_key(session, "benchmark")
    with httpx.Client(
        base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60, trust_env=False
    ) as client:
        _fill(client, settings, database)

        def ask(number: int) -> Any:
            answer = client.post("/v1/jobs", json={"prompt": f"mug {number % PROMPTS}"})
            assert answer.json()["cache"] == "exact", answer.text
            return answer.json()["image"]["url"]

        paths = [ask(number) for number in range(2 * PROMPTS)]
        for path in paths:
            client.get(path)
        asked = _timed(ask, range(hits))
        read = _timed(lambda n: client.get(paths[n % len(paths)]).read(), range(hits))
    database.close()
    return {"POST /v1/jobs": asked, "GET image": read}


def _fill(client: httpx.Client, settings: Settings, database: Database) -> None:
    from core.storage import Storage
    from tests.integration.api.conftest import Worker
    from tests.integration.shop import Shop

    storage = Storage(settings)
    worker = Worker(Shop(database), storage)
    for number in range(PROMPTS):
        job = client.post("/v1/jobs", json={"prompt": f"mug {number}"}).json()
        if job["state"] == "queued":
            worker.make(job["id"], BODY + str(number).encode())
    storage.close()


def _timed(work: Callable[[int], object], numbers: Sequence[int]) -> list[float]:
    """Give the milliseconds of each call."""
    found = []
    for number in numbers:
        began = time.perf_counter()
        work(number)
        found.append((time.perf_counter() - began) * 1e3)
    return found
