"""A shop and its worker on a real database: what tests say in one line."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import text
from sqlmodel import SQLModel, select

from core.db.engine import Database
from core.db.models import Batch, Generation, Image, Job
from core.db.models.columns import new_id
from core.domain.image_request import ImageRequest
from core.domain.lanes import Lane
from core.lifecycle import claims, completion, submission
from core.lifecycle.claims import Claim
from core.lifecycle.completion import Finished
from core.lifecycle.submission import Submission
from tests.specs import made_by, wanted

Row = TypeVar("Row", bound=SQLModel)


class Shop:
    """A tenant and its worker, on one database."""

    def __init__(self, database: Database, *, bundle_revision: str = "r1") -> None:
        self.database = database
        self.model = made_by(bundle_revision)

    def want(
        self,
        *products: str | ImageRequest,
        batch: bool = False,
        tenant: str = "shop",
        lane: Lane = Lane.STANDARD,
        **values: Any,
    ) -> Submission:
        """Submit images, as a sheet or one by one."""
        images = [wanted(one) if isinstance(one, str) else one for one in products]
        sheet = None
        if batch:
            sheet = Batch(tenant=tenant, lane=lane, total_jobs=0, open_jobs=0)
        with self.database.session() as session:
            return submission.submit(
                session,
                [replace(one, model=self.model) for one in images],
                tenant=tenant,
                lane=lane,
                batch=sheet,
                **values,
            )

    def generation_of(self, job_id: UUID) -> UUID:
        found = self.job(job_id).generation_id
        assert found is not None
        return found

    def claim(
        self, generation_id: UUID, *, owner: str = "worker", lease_seconds: float = 60
    ) -> Claim | None:
        with self.database.session() as session:
            claimed = claims.claim(
                session, [generation_id], owner=owner, lease_seconds=lease_seconds
            )
            return claimed.get(generation_id)

    def start(self, job_id: UUID, **values: Any) -> Claim:
        """Claim the generation of a job that is known to be free."""
        claim = self.claim(self.generation_of(job_id), **values)
        assert claim is not None
        return claim

    def current_claim(self, job_id: UUID) -> Claim:
        """Name the claim that some worker holds."""
        row = self.generation(self.generation_of(job_id))
        assert row.lease_owner is not None
        copied = {name: getattr(row, name) for name in claims._COPIED}
        return Claim(
            generation_id=row.id,
            owner=row.lease_owner,
            attempt=row.attempts,
            claimed_at=row.started_at,
            deadline_at=None,
            lane=row.lane,
            spec=row.spec,
            **copied,
        )

    def succeed(self, claim: Claim, image: Image | None = None) -> bool:
        with self.database.session() as session:
            return claim.generation_id in completion.succeed(session, [finished(claim, image)])

    def job(self, job_id: UUID) -> Job:
        with self.database.session() as session:
            return session.get_one(Job, job_id)

    def generation(self, generation_id: UUID) -> Generation:
        with self.database.session() as session:
            return session.get_one(Generation, generation_id)

    def batch_of(self, job_id: UUID) -> Batch:
        with self.database.session() as session:
            return session.get_one(Batch, session.get_one(Job, job_id).batch_id)

    def jobs(self, *, generation_id: UUID) -> Sequence[Job]:
        with self.database.session() as session:
            return session.exec(select(Job).where(Job.generation_id == generation_id)).all()

    def images(self) -> Sequence[Image]:
        return self.all(Image)

    def generations(self) -> Sequence[Generation]:
        return self.all(Generation)

    def all(self, table: type[Row]) -> Sequence[Row]:
        with self.database.session() as session:
            return session.exec(select(table)).all()

    def wait_for_lock_wait(self) -> None:
        """Wait until some transaction waits for another's lock."""
        question = text(
            "select count(*) from pg_stat_activity"
            " where datname = current_database() and wait_event_type = 'Lock'"
        )
        # A transaction sees the activity of the moment it first looked.
        engine = self.database.engine.execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            poll(lambda: connection.execute(question).scalar_one() > 0)


def poll(condition: Callable[[], object], *, seconds: float = 60.0) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def image_of(claim: Claim) -> Image:
    return Image(
        id=new_id(),
        tenant=claim.tenant,
        fingerprint=claim.fingerprint,
        generation_id=claim.generation_id,
        key=f"images/{claim.generation_id}-{claim.attempt}",
        content_type="image/png",
        digest="0" * 64,
        size=1,
        width=claim.spec.width,
        height=claim.spec.height,
        seed=claim.spec.seed,
    )


def finished(claim: Claim, image: Image | None = None) -> Finished:
    """Make what a worker records of a claim."""
    return Finished(claim=claim, image=image or image_of(claim), seconds=1.5)
