"""Workers, queue and webhooks, as Postgres knows them."""

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import func, select
from sqlmodel import Session, col

from bundles.manifest_file import load_manifest
from cli.doctor.finding import Finding, asking, bad, good, worth_knowing
from core.db.engine import DATABASE_ERRORS, Database
from core.db.models import Generation, WebhookDelivery, WebhookEndpoint
from core.domain.states import DeliveryState, GenerationState
from core.errors import BundleError, ServiceDownError, first_line
from core.lifecycle.serving import abandoned_images, workers_serving
from core.queue_stats import read
from core.settings import Settings

LONG_SECONDS = 3600
"""Waiting images that are older than that are told of."""
LATE_SECONDS = 300
"""A message that was due so long ago waits for a process that does not send it."""
SHOWN = 3


def look_at_work(settings: Settings, database: Database) -> list[Finding]:
    """Look at what is to be done, and at who does it."""

    def look() -> Iterator[Finding]:
        try:
            with database.reader() as session:
                yield from _workers(session, settings)
                yield from _lanes(session)
                yield from _failures(session)
                yield from _webhooks(session)
        except DATABASE_ERRORS as error:
            raise ServiceDownError(f"Postgres fails ({first_line(error)}).") from error

    return asking("work", look)


def _workers(session: Session, settings: Settings) -> Iterator[Finding]:
    serving = workers_serving(session)
    if not serving:
        yield bad(
            "workers",
            "No worker is there: images wait. Start one (`packshot up`, or `python -m worker`); "
            "if one runs, its log says what it waits for.",
        )
        return
    for name, folder in settings.models.items():
        try:
            revision = load_manifest(folder).revision
        except BundleError:  # said of the machine
            continue
        number = serving.get(revision, 0)
        if number:
            yield good("workers", f"{number:,} serve the model {name}.")
        else:
            yield bad(
                "workers",
                f"None serves the model {name} ({revision[:12]}) that this machine has in "
                f"{folder}: images that are asked for here wait. Give workers the same folder, "
                "and start them again.",
            )
    for revision, images in abandoned_images(session).items():
        yield worth_knowing(
            "queue",
            f"{images:,} images wait for the model {revision[:12]}, which no worker serves. Start "
            "a worker with it, or give them to another model: `packshot model requeue`.",
        )


def _lanes(session: Session) -> Iterator[Finding]:
    for lane in read(session):
        if not lane.number:
            continue
        said = (
            f"{lane.number:,} images of the lane {lane.lane} are {lane.state}, the oldest for "
            f"{lane.oldest_seconds / 60:,.0f} minutes"
        )
        if lane.oldest_seconds > LONG_SECONDS:
            yield worth_knowing("queue", f"{said}. More workers, or fewer steps, shorten that.")
        else:
            yield good("queue", f"{said}.")


def _failures(session: Session) -> Iterator[Finding]:
    """Tell of images that failed within a day, by what they failed of."""
    number = func.count().label("number")
    failed = session.execute(
        select(col(Generation.error_code), number)
        .where(
            col(Generation.state) == GenerationState.FAILED,
            col(Generation.finished_at) > func.now() - timedelta(days=1),
        )
        .group_by(col(Generation.error_code))
        .order_by(number.desc())
    ).all()
    if failed:
        most = ", ".join(f"{code} {count:,}" for code, count in failed[:SHOWN])
        yield worth_knowing(
            "failures",
            f"{sum(count for _, count in failed):,} images failed within a day ({most}). Batches' "
            "results say which and why; `packshot retry` tries those again where that helps.",
        )


def _webhooks(session: Session) -> Iterator[Finding]:
    late = session.execute(
        select(func.count()).where(
            col(WebhookDelivery.state) == DeliveryState.PENDING,
            col(WebhookDelivery.not_before) < func.now() - timedelta(seconds=LATE_SECONDS),
        )
    ).scalar_one()
    if late:
        yield bad(
            "webhooks",
            f"{late:,} messages are late: the process that sends them (`python -m ops.webhooks`) "
            "does not run, or has too much to do. Look at its log.",
        )
    disabled = session.execute(
        select(func.count()).where(
            col(WebhookEndpoint.disabled_at).is_not(None), col(WebhookEndpoint.deleted_at).is_(None)
        )
    ).scalar_one()
    if disabled:
        yield worth_knowing(
            "webhooks",
            f"{disabled:,} endpoints are disabled. `packshot webhooks list` says why, and "
            "`packshot webhooks enable` sends to them again.",
        )
