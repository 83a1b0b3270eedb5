"""The one Celery task."""

from uuid import UUID

from celery import Celery
from celery.exceptions import Reject

from core.queue import GENERATE
from worker.runner import Delivery, Runner


def register(celery: Celery, runner: Runner) -> None:
    """Give `celery` the task, run by `runner`."""

    @celery.task(name=GENERATE, shared=False)
    def generate(generation_id: str) -> None:
        """Compute one image."""
        if runner.run(UUID(generation_id)) is Delivery.AGAIN:
            raise Reject("the generation is queued", requeue=True)
