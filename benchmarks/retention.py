"""What retention costs, and whether the tables stay flat over a year.

`python -m benchmarks.retention [--jobs 1000000] [--months 15] [--kept-days 90]`: on the embedded
Postgres and S3, a month's share of the jobs is inserted in bulk (sheets of a thousand rows, with a
computation, an image's row and an event for each), everything becomes thirty days older, and the
housekeeping makes passes until nothing more leaves. Shown for each month: rows before and after,
bytes of the tables and their indexes, seconds of the passes, and the longest transaction.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.report import show
from core.logs import configure

TABLES = ("batch", "job", "generation", "image", "webhook_event", "webhook_delivery")
SHEET = 1000
"""Rows of each sheet."""

FILL = (
    """
    insert into batch (id, tenant, name, lane, state, columns, warnings, total_jobs, open_jobs,
        created_at, finished_at)
    select gen_random_uuid(), 'benchmark', 'sheet', 'bulk', 'completed', '["sku"]', '[]',
        :sheet, 0, now(), now()
    from generate_series(1, :jobs / :sheet)
    """,
    """
    insert into generation select made.* from generation as old, generate_series(1, :jobs) as n,
        lateral jsonb_populate_record(old, jsonb_build_object('n', n, 'id', gen_random_uuid(),
            'fingerprint', gen_random_uuid(), 'finished_at', now(), 'created_at', now())) as made
    where old.id = :generation
    """,
    """
    insert into image select made.* from image as old, (
            select id from generation where finished_at = now() and id != :generation
        ) as new, lateral jsonb_populate_record(old, jsonb_build_object('id', gen_random_uuid(),
            'generation_id', new.id, 'token', gen_random_uuid(), 'key', gen_random_uuid(),
            'fingerprint', gen_random_uuid(), 'created_at', now(), 'last_used_at', now())) as made
    where old.id = :image
    """,
    """
    insert into job select made.* from job as old, (
            select id, generation_id, row_number() over () - 1 as n from image
            where created_at = now() and id != :image
        ) as new join (
            select id, row_number() over () - 1 as sheet from batch where created_at = now()
        ) as sheets on sheets.sheet = new.n / :sheet,
        lateral jsonb_populate_record(old, jsonb_build_object('id', gen_random_uuid(),
            'batch_id', sheets.id, 'generation_id', new.generation_id, 'image_id', new.id,
            'position', new.n % :sheet, 'created_at', now(), 'finished_at', now())) as made
    where old.id = :job
    """,
    """
    insert into webhook_event (id, tenant, type, batch_id, job_id, sequence, data, created_at)
    select gen_random_uuid(), tenant, 'image.completed', batch_id, id, 1, '{}', now()
    from job where created_at = now() and batch_id is not null
    """,
)
"""A month of work, all of it in one transaction: its `now()` tells the rows apart.

What is built of a copied row names something of the copy, `n` if nothing else: each is another one.
"""


def main() -> None:
    """Measure, and show it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000, help="of all months together")
    parser.add_argument("--months", type=int, default=15)
    parser.add_argument("--kept-days", type=float, default=90.0)
    arguments = parser.parse_args()
    configure("WARNING")
    with tempfile.TemporaryDirectory() as folder:
        # The embedded Postgres runs as another user when this is root.
        Path(folder).chmod(0o755)
        months = _measure(Path(folder), arguments)
    rows = [
        {
            "month": number,
            "jobs before": f"{one['before']['job']:,}",
            "jobs after": f"{one['after']['job']:,}",
            "generations after": f"{one['after']['generation']:,}",
            "events after": f"{one['after']['webhook_event']:,}",
            "MiB": f"{one['bytes'] / 2**20:,.0f}",
            "passes": one["passes"],
            "seconds": f"{one['seconds']:.1f}",
            "longest transaction": f"{one['longest_seconds'] * 1000:.0f} ms",
        }
        for number, one in enumerate(months, start=1)
    ]
    result = {"jobs": arguments.jobs, "kept_days": arguments.kept_days, "months": months}
    show("retention", rows, result)


def _measure(folder: Path, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    from core.db.engine import Database
    from core.settings import Settings, fields_in
    from core.storage import Storage
    from local.infrastructure import Infrastructure
    from migrations import upgrade

    with Infrastructure(folder, durable=True) as services:
        names = fields_in(services.environment)
        settings = Settings(
            _env_file=None,
            **names | {"job_retention_seconds": round(arguments.kept_days * 24 * 3600)},
        )
        upgrade(settings.database_url)
        database, storage = Database(settings), Storage(settings)
        try:
            seeds = _seed(database)
            return [
                _month(database, storage, settings, seeds, arguments.jobs // arguments.months)
                for _ in range(arguments.months)
            ]
        finally:
            database.close()
            storage.close()


def _seed(database: Any) -> dict[str, Any]:
    """Make one image as everything else does; the others are copies of its rows."""
    from core.db.models import Image
    from core.db.models.columns import new_id
    from core.domain.image_request import ImageRequest, ModelRevision
    from core.domain.image_spec import ImageSpec
    from core.domain.lanes import Lane
    from core.lifecycle import claims, completion, submission
    from core.lifecycle.completion import Finished

    spec = ImageSpec(
        prompt="a red mug",
        negative_prompt="",
        width=512,
        height=512,
        steps=4,
        guidance_scale=1.0,
        scheduler="ddim",
        seed=None,
    )
    wanted = ImageRequest(
        spec=spec,
        model=ModelRevision(name="benchmark", revision="r"),
        sku="MUG",
        row={"sku": "MUG", "prompt": "a red mug"},
    )
    with database.session() as session:
        made = submission.submit(session, [wanted], tenant="benchmark", lane=Lane.BULK)
    generation_id = made.published[0][0]
    with database.session() as session:
        claimed = claims.claim(session, [generation_id], owner="benchmark", lease_seconds=60)
        claim = claimed[generation_id]
        image = Image(
            id=new_id(),
            tenant="benchmark",
            fingerprint=claim.fingerprint,
            generation_id=generation_id,
            key="images/seed",
            content_type="image/png",
            digest="0" * 64,
            size=1,
            width=512,
            height=512,
            seed=1,
        )
        completion.succeed(session, [Finished(claim=claim, image=image, seconds=1.0)])
    return {"generation": generation_id, "image": image.id, "job": made.job_ids[0]}


def _month(
    database: Any, storage: Any, settings: Any, seeds: dict[str, Any], jobs: int
) -> dict[str, Any]:
    from sqlalchemy import event, text

    from core.lifecycle.erasure import GENERATIONS
    from core.webhooks import log as delivery_log
    from ops.eraser import Eraser, RetentionLimits
    from ops.janitor import Janitor, limits_of

    with database.session() as session:
        for statement in FILL:
            session.execute(text(statement), {"jobs": jobs, "sheet": SHEET} | seeds)
    _age(database, seeds)
    before = _count(database)
    eraser = Eraser(database=database, storage=storage, limits=RetentionLimits.of(settings))
    janitor = Janitor(database=database, storage=storage, limits=limits_of(settings))
    longest, passes, quiet, began = _Longest(), 0, 0, time.perf_counter()
    event.listen(database.engine, "begin", longest.begin)
    event.listen(database.engine, "commit", longest.end)
    # One look through the records of computations is so many passes.
    while quiet <= before["generation"] // GENERATIONS + 1:
        passes += 1
        left = _count(database)
        with database.session() as session:
            delivery_log.prune(session, seconds=settings.webhook_retention_seconds)
        eraser.clean()
        janitor.clean()
        quiet = quiet + 1 if _count(database) == left else 0
    event.remove(database.engine, "begin", longest.begin)
    event.remove(database.engine, "commit", longest.end)
    return {
        "before": before,
        "after": left,
        "bytes": _bytes(database),
        "passes": passes,
        "seconds": time.perf_counter() - began,
        "longest_seconds": longest.seconds,
    }


class _Longest:
    """The longest transaction of one thread."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._began = 0.0

    def begin(self, _connection: object) -> None:
        self._began = time.perf_counter()

    def end(self, _connection: object) -> None:
        self.seconds = max(self.seconds, time.perf_counter() - self._began)


def _age(database: Any, seeds: dict[str, Any]) -> None:
    """Make everything but the seeds thirty days older."""
    from sqlalchemy import text

    columns = {
        "batch": ("created_at", "finished_at"),
        "job": ("created_at", "finished_at"),
        "generation": ("created_at", "finished_at"),
        "image": ("created_at", "last_used_at"),
        "webhook_event": ("created_at",),
    }
    with database.session() as session:
        for table, names in columns.items():
            older = ", ".join(f"{name} = {name} - interval '30 days'" for name in names)
            but = f" where id != '{seeds[table]}'" if table in seeds else ""
            session.execute(text(f"update {table} set {older}{but}"))
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("vacuum analyze"))


def _count(database: Any) -> dict[str, int]:
    from sqlalchemy import text

    with database.session() as session:
        return {
            table: session.execute(text(f"select count(*) from {table}")).scalar_one()
            for table in TABLES
        }


def _bytes(database: Any) -> int:
    from sqlalchemy import text

    with database.session() as session:
        return int(
            sum(
                session.execute(
                    text("select pg_total_relation_size(cast(:name as regclass))"), {"name": table}
                ).scalar_one()
                for table in TABLES
            )
        )


if __name__ == "__main__":
    main()
