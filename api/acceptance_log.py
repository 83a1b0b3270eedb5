"""The line that leads from a request's id to what came of it, logged after the commit."""

import structlog

log = structlog.get_logger("packshot.api")


# Not a function that a thread runs: logging is quicker than finding one.
async def log_accepted(**named: object) -> None:
    """Log ids and counts of what a request asked for, beside its `request_id`."""
    log.info("accepted", **named)
