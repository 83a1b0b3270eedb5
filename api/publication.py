"""After the commit: workers are woken up, or told to stop.

Best effort: what fails here, the housekeeping makes good.
"""

import logging
from collections.abc import Sequence
from uuid import UUID

from api.services import Services
from core.broker import BROKER_ERRORS
from core.domain.lanes import Lane
from core.lifecycle.feeding import mark_published, release, split

logger = logging.getLogger("packshot.api")


def publish(
    services: Services, tenant: str, api_key_id: UUID, generations: Sequence[tuple[UUID, Lane]]
) -> None:
    """Send the messages of a key's new generations, as far as the tenant's window reaches.

    A failure is only logged: the rows are there, and the housekeeping sends what was not noted.
    """
    if not generations:
        return
    window = services.settings.queue_window
    try:
        with services.database.session() as session:
            messages, waiting = split(
                session, tenant, generations, window=window, api_key_id=api_key_id
            )
            if waiting:
                release(session, waiting)
        services.publisher.publish(messages)
        with services.database.session() as session:
            mark_published(session, messages)
    # Whatever it is: the answer is out, and the rows are safe.
    except Exception as error:
        logger.warning(
            "%d images are queued, but %s at %s was not told (%s); the sweeper will do it.",
            len(generations),
            services.broker.name,
            services.broker.address,
            error,
        )


def revoke(services: Services, generation_ids: Sequence[UUID]) -> None:
    """Tell workers to drop messages; without it they drop them when they look at the row."""
    try:
        services.publisher.revoke(generation_ids)
    except BROKER_ERRORS as error:
        logger.warning(
            "%s at %s was not told of %d cancellations (%s); workers see them in Postgres.",
            services.broker.name,
            services.broker.address,
            len(generation_ids),
            error,
        )
