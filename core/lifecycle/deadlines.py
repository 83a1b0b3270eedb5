"""The moment until which images are wanted."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from sqlmodel import Session

from core.db.clock import transaction_time
from core.domain.image_request import ImageRequest


def with_deadline(
    session: Session, wanted: Sequence[ImageRequest], seconds: float | None
) -> Sequence[ImageRequest]:
    """Add the moment until which the images are wanted, by Postgres's clock."""
    if seconds is None:
        return wanted
    now = transaction_time(session)
    return [replace(one, deadline_at=now + timedelta(seconds=seconds)) for one in wanted]
