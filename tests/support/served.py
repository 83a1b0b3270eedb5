"""Models for a runner, as a worker that has them in memory would give them."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from core.domain.image_spec import ModelInput
from worker.loaded import LoadedModel
from worker.registry import ModelNotLoadedError


class ServedModels:
    """Serves a model, under several revisions if need be, that is in memory for good."""

    def __init__(self, *revisions: str, model: Any = None, wanted: Collection[str] = ()) -> None:
        """Serve some revisions.

        Args:
            revisions: Those in memory.
            model: What runners are given; None: one that only an engine of the test's can run.
            wanted: Those that could be loaded, and never are.
        """
        self.revisions = set(revisions)
        self.model = model or _Plain()
        self.loadable = set(wanted)
        self.asked: list[str] = []

    def claimable(self) -> set[str]:
        return self.revisions

    def want(self, revision: str) -> bool:
        self.asked.append(revision)
        return revision in self.revisions | self.loadable

    @contextmanager
    def using(self, revision: str) -> Iterator[LoadedModel]:
        if revision not in self.revisions:
            raise ModelNotLoadedError(revision)
        yield self.model


class _Plain:
    revision = ""
    reads = ModelInput()

    def latent_shape(self, *, width: int, height: int) -> tuple[int, int, int]:
        return 4, height // 8, width // 8
