"""A batch's jobs, page by page: any number of rows in little memory."""

from collections.abc import Iterator, Sequence
from uuid import UUID

from sqlmodel import Session, col

from api.reading import JobRow, find_batch, jobs_of
from api.renditions import Made, find_made
from core.db.engine import Database
from core.db.models import Batch, Job

PAGE_ROWS = 1000


class BatchRows:
    """The jobs of one batch, in the order of its sheet.

    Each page is read in a session of its own: a slow client keeps no connection.
    """

    def __init__(self, database: Database, tenant: str, batch_id: UUID) -> None:
        """Find the batch, and read the first page.

        Raises:
            NotFoundError: The tenant has no such batch.
        """
        self._database = database
        self._tenant = tenant
        with database.session() as session:
            self.batch: Batch = find_batch(session, tenant, batch_id)
            self.first = self._page(session, after=-1)

    def pages(self) -> Iterator[Sequence[JobRow]]:
        """Give one page after the other."""
        page = self.first
        while page:
            yield page
            with self._database.session() as session:
                page = self._page(session, after=page[-1][0].position)

    def made(self, page: Sequence[JobRow]) -> Made:
        """Find the renditions of a page's images."""
        with self._database.session() as session:
            return find_made(session, [(job, image) for job, image, *_ in page])

    def _page(self, session: Session, *, after: int) -> Sequence[JobRow]:
        statement = (
            jobs_of(self._tenant)
            .where(col(Job.batch_id) == self.batch.id, col(Job.position) > after)
            .order_by(col(Job.position))
            .limit(PAGE_ROWS)
        )
        return session.execute(statement).all()
