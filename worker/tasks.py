"""The one Celery task, and what monitors such as Flower hear of it.

They show a task by its last event, so each way out sends the one that says how the generation
stands in Postgres. What they are shown names a state and never a prompt.
"""

from typing import Any, NoReturn
from uuid import UUID

from billiard.einfo import ExceptionInfo, ExceptionWithTraceback
from celery import Celery
from celery.exceptions import Ignore, Reject, Retry
from celery.worker.request import Request

from core.queue import GENERATE
from worker.endings import Delivery
from worker.runner import Runner


class GenerationFailed(Exception):  # noqa: N818 - monitors show the name, beside the state FAILURE
    """The generation was given up; its jobs' errors and the worker's log say why."""


class GenerationCanceled(Ignore):
    """Nobody wants the generation any more."""


class GenerationTask(Request):
    """A message of ours, on its way through Celery's worker."""

    def on_failure(
        self, exc_info: ExceptionInfo, send_failed_event: bool = True, return_ok: bool = False
    ) -> Any:
        """Report a cancellation to monitors, too: Celery has no exception for that."""
        outcome = super().on_failure(exc_info, send_failed_event, return_ok)
        cause = exc_info.exception
        if isinstance(cause, ExceptionWithTraceback):
            cause = cause.exc
        if isinstance(cause, GenerationCanceled):
            self.send_event("task-revoked", terminated=False, signum=None, expired=False)
        return outcome


def register(celery: Celery, runner: Runner) -> None:
    """Register the task with `celery`, run by `runner`."""

    @celery.task(name=GENERATE, shared=False, Request=GenerationTask, throws=(GenerationFailed,))
    def generate(generation_id: str) -> None:
        """Compute one image."""
        delivery = runner.run(UUID(generation_id))
        if delivery is not Delivery.DONE:
            _leave(delivery)


def _leave(delivery: Delivery) -> NoReturn:
    """End the task without success.

    Raises:
        Reject: The message goes back; its task is REJECTED until a worker takes it.
        Retry: It is acknowledged, and another follows; RETRY until then.
        GenerationCanceled: Acknowledged; REVOKED.
        GenerationFailed: Acknowledged; FAILURE.
        Ignore: Acknowledged; the worker that has it tells the rest.
    """
    match delivery:
        case Delivery.AGAIN:
            raise Reject("the generation is queued", requeue=True)
        case Delivery.LATER:
            raise Retry("the generation is queued")
        case Delivery.CANCELED:
            raise GenerationCanceled("nobody waits for the generation")
        case Delivery.FAILED:
            raise GenerationFailed("the job's error says why")
        case _:
            raise Ignore("another worker has the generation")
