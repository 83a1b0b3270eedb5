"""Which keys requests came with, gathered until it is written to Postgres."""

from threading import Lock
from uuid import UUID

from core.db.engine import Database
from core.keys import note_use


class KeyUse:
    """The keys that requests came with, until it is written to Postgres."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._used: set[UUID] = set()

    def note(self, key_id: UUID) -> None:
        """Record that a request came with a key."""
        with self._lock:
            self._used.add(key_id)

    def flush(self, database: Database) -> None:
        """Write what was noted; what cannot be written is written the next time."""
        with self._lock:
            used, self._used = self._used, set()
        if not used:
            return
        try:
            with database.session() as session:
                note_use(session, used)
        except Exception:
            with self._lock:
                self._used |= used
            raise
