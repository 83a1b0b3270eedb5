"""After the commit: workers are woken up, or told to stop.

Best effort: what fails here, the sweeper makes good.
"""

import logging
from collections.abc import Sequence
from uuid import UUID

from kombu.exceptions import OperationalError

from api.services import Services
from core.lanes import Lane
from core.lifecycle.recovery import mark_published

CHUNK = 500
"""Messages between two notes in Postgres of what was sent."""
MOST = 2000
"""Messages that a request sends itself: work for minutes, sent in a second or two. The sweeper
sends the rest of a larger sheet, so that a server that stops never has much left to send."""

logger = logging.getLogger("packshot.api")


def publish(services: Services, generations: Sequence[tuple[UUID, Lane]]) -> None:
    """Send the messages of new generations, the first of them, and note that they were sent.

    A failure is only logged: the rows are there, and the sweeper sends what was not noted.
    """
    first = generations[:MOST]
    for start in range(0, len(first), CHUNK):
        chunk = first[start : start + CHUNK]
        try:
            services.publisher.publish(chunk)
            with services.database.session() as session:
                mark_published(session, [identity for identity, _ in chunk])
        # Whatever it is: the answer is out, and the rows are safe.
        except Exception as error:
            logger.warning(
                "%d images are queued, but Redis at %s was not told (%s); the sweeper will do it.",
                len(generations) - start,
                services.broker.address,
                error,
            )
            return


def revoke(services: Services, generation_ids: Sequence[UUID]) -> None:
    """Tell workers to drop messages; without it they drop them when they look at the row."""
    try:
        services.publisher.revoke(generation_ids)
    except OperationalError as error:
        logger.warning(
            "Redis at %s was not told of %d cancellations (%s); workers see them in Postgres.",
            services.broker.address,
            len(generation_ids),
            error,
        )
