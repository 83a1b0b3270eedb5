"""Old events go, a few thousand at a time."""

import structlog

from core.db.engine import Database
from core.webhooks import log as delivery_log

log = structlog.get_logger(__name__)


def prune(database: Database, *, seconds: float) -> None:
    """Delete events that are older than so many seconds, with what became of them."""
    total = 0
    while True:
        with database.session() as session:
            gone = delivery_log.prune(session, seconds=seconds)
        total += gone
        if gone < delivery_log.AT_ONCE:
            break
    if total:
        log.info("old webhook events deleted", events=total)
