"""How many images lately shared a UNet call, for pages and `GET /v1/models`."""

import threading


class CallSizes:
    """Counts calls by the model's revision; any thread may call it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counted: dict[str, tuple[int, int]] = {}

    def note(self, revision: str, images: int) -> None:
        """Count a call that so many images shared."""
        with self._lock:
            calls, total = self._counted.get(revision, (0, 0))
            self._counted[revision] = calls + 1, total + images

    def take(self) -> dict[str, float]:
        """Return the mean of the calls since it was last taken, by revision, and begin anew."""
        with self._lock:
            counted, self._counted = self._counted, {}
        return {revision: total / calls for revision, (calls, total) in counted.items()}
