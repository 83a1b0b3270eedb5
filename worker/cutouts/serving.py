"""Cut-outs among the models that a worker serves: claimed while there is room for them."""

from collections.abc import Collection
from contextlib import AbstractContextManager
from typing import Protocol

from core.domain.photograph_spec import CUTOUT_REVISIONS
from worker.loaded import LoadedModel


class Roomy(Protocol):
    """What has room for images, or not."""

    @property
    def has_room(self) -> bool:
        """Whether one more can be claimed."""


class Served(Protocol):
    """A worker's models: see `worker.claiming.RowModels`."""

    def claimable(self) -> Collection[str]:
        """Return the revisions of which rows can begin now."""

    def want(self, revision: str) -> bool:
        """Have a model loaded that a row asks for; return whether this worker serves it."""

    def using(self, revision: str) -> AbstractContextManager[LoadedModel]:
        """Keep a model in memory while the block runs."""


class ServedWithCutouts:
    """A worker's models, and cut-outs as if they were one more that is always in memory.

    While there is no room for them, their messages are sent again later, as those of a model are
    that is being loaded: no thread waits that the engine's images could use.
    """

    def __init__(self, models: Served, pool: Roomy) -> None:
        """Wire it."""
        self._models = models
        self._pool = pool

    def claimable(self) -> Collection[str]:
        """Return the revisions of which rows can begin now."""
        there = set(self._models.claimable())
        return there | CUTOUT_REVISIONS if self._pool.has_room else there

    def want(self, revision: str) -> bool:
        """Have a model loaded that a row asks for; return whether this worker serves it."""
        return revision in CUTOUT_REVISIONS or self._models.want(revision)

    def using(self, revision: str) -> AbstractContextManager[LoadedModel]:
        """Keep a model in memory while the block runs."""
        return self._models.using(revision)
