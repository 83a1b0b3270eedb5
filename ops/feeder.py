"""The feeder: sends the messages of images whose turn has come."""

from core.db.engine import Database
from core.lifecycle import feeding
from core.queue import Publisher


class Feeder:
    """Fills every tenant's window in every lane; any number of feeders may do so at once."""

    def __init__(
        self,
        *,
        database: Database,
        publisher: Publisher,
        window: int,
        republish_seconds: float,
    ) -> None:
        self._database = database
        self._publisher = publisher
        self._window = window
        self._republish_seconds = republish_seconds

    def feed(self) -> None:
        """Make one pass.

        Raises:
            sqlalchemy.exc.OperationalError: when Postgres is away.
            kombu.exceptions.OperationalError: when Redis is away; what was begun is undone.
        """
        with self._database.session() as session:
            messages = feeding.take_waiting(
                session, window=self._window, republish_seconds=self._republish_seconds
            )
            # Before the commit: when Redis does not take them, the rollback keeps them.
            self._publisher.publish(messages)
