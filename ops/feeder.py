"""The feeder: sends the messages of images whose turn has come."""

from collections.abc import Collection

from core.broker import Broker
from core.db.engine import Database
from core.domain.lanes import Message
from core.lifecycle import feeding
from core.queue import Publisher


class Feeder:
    """Fills every tenant's window in every lane; any number of feeders may do so at once."""

    def __init__(
        self,
        *,
        database: Database,
        broker: Broker,
        publisher: Publisher,
        window: int,
        republish_seconds: float,
    ) -> None:
        self._database = database
        self._broker = broker
        self._publisher = publisher
        self._window = window
        self._republish_seconds = republish_seconds

    def feed(self) -> None:
        """Make one pass.

        Raises:
            sqlalchemy.exc.OperationalError: Postgres is away.
            ServiceDownError: Redis is away, or takes nothing; nothing was begun.
            kombu.exceptions.OperationalError: Redis went away; what was begun is undone.
        """
        # Else each pass would mark a thousand rows, and take that back.
        self._broker.check_writes()
        with self._database.session() as session:
            messages = feeding.take_waiting(
                session, window=self._window, republish_seconds=self._republish_seconds
            )
        self.send(messages)

    def send(self, messages: Collection[Message]) -> None:
        """Send messages that were marked as sent: no transaction is open while Redis is written to.

        Raises:
            kombu.exceptions.OperationalError: Redis does not take them; they are marked no more.
        """
        try:
            self._publisher.publish(messages)
        except Exception:
            with self._database.session() as session:
                feeding.unmark_published(session, messages)
            raise
