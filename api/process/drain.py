"""On SIGTERM load balancers are told first, and connections are closed later."""

import logging
import signal
import threading
from types import FrameType

from starlette.types import Scope

draining = threading.Event()
"""Whether this process is about to end: it answers, but wants no further requests."""

_ENDING = "packshot.server_ends"

logger = logging.getLogger("packshot.api")


def note_server_ends(scope: Scope) -> None:
    """Record that the server waits for the answer to a request, to end."""
    scope[_ENDING] = True


def server_ends(scope: Scope) -> bool:
    """Check whether an answer without an end of its own is to end now."""
    return draining.is_set() or _ENDING in scope


def drain_before_end(seconds: float) -> None:
    """Keep the server running for a while after SIGTERM, and report meanwhile that it is not ready.

    Call it in the main thread, when the server handles signals already. A second SIGTERM ends the
    process as the first one did before.
    """
    end = signal.getsignal(signal.SIGTERM)
    if not seconds or not callable(end):
        return

    def finish(number: int) -> None:
        # Here, because a handler may interrupt the logging of another line.
        logger.info("SIGTERM: not ready from now on, and ending in %g s", seconds)
        if not ended.wait(seconds):
            end(number, None)

    def handle(number: int, frame: FrameType | None) -> None:
        if draining.is_set():
            ended.set()
            end(number, frame)
            return
        draining.set()
        threading.Thread(target=finish, args=(number,), daemon=True).start()

    ended = threading.Event()
    signal.signal(signal.SIGTERM, handle)
