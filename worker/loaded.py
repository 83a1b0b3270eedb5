"""A compiled model in memory, with everything that a worker keeps for it."""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from core.domain.approximation import NIRVANA, Threshold
from core.domain.image_spec import ModelInput
from core.domain.texts import canonical_text
from worker.embeddings import EmbeddingCache, EmbeddingStore
from worker.features import CachingSchedules
from worker.headroom import Headroom
from worker.model import Model
from worker.turns import CallLimits

EMBEDDING_BYTES = 64 * 2**20
"""Of a model's texts, where no store is shared."""


class LoadedModel:
    """A model that rows can be computed with; it holds its memory until nobody refers to it."""

    def __init__(
        self,
        model: Model,
        *,
        revision: str = "",
        limits: CallLimits | None = None,
        guidance_rescale: float = 0.0,
        negative_prompt: str = "",
        thresholds: Sequence[Threshold] = NIRVANA,
        end: Callable[[str], int] | None = None,
        texts: EmbeddingStore | None = None,
        reads: ModelInput | None = None,
        headroom: Headroom | None = None,
    ) -> None:
        """Assemble the parts.

        Args:
            model: The compiled one.
            revision: Its bundle's.
            limits: Its plan's; None: the engine's.
            guidance_rescale: How far what guidance adds to a prediction's spread is taken back.
            negative_prompt: The bundle's own; its embedding is computed once, and so is that of
                the empty text.
            thresholds: How much of a near prompt's schedule may be taken over.
            end: Gives the place of a prompt's end token; None: nobody asks.
            texts: Where embeddings are kept; None: in a store of its own.
            reads: What the model sees of a request; None: what Stable Diffusion does.
            headroom: Memory for its rows; None: nobody looks.
        """
        self.model = model
        self.revision = revision
        self.reads = reads or ModelInput()
        self.limits = limits
        self.headroom = headroom
        self.guidance_rescale = guidance_rescale
        self.thresholds = thresholds
        self.embeddings = EmbeddingCache(
            model.encode,
            store=EmbeddingStore(EMBEDDING_BYTES) if texts is None else texts,
            revision=revision,
            pinned=("", negative_prompt),
            canonical=partial(canonical_text, taught=model.taught),
        )
        caching = model.feature_caching
        self.schedules = CachingSchedules(caching, model.alignment) if caching else None
        self._end = end
        # Tokenizers change their settings as they go.
        self._tokenizing = threading.Lock()

    def end(self, prompt: str) -> int:
        """Return the place of a prompt's end token; any thread may ask.

        Raises:
            ValueError: The model was loaded for who does not ask.
        """
        if self._end is None:
            raise ValueError("the model was loaded without a tokenizer of its own")
        with self._tokenizing:
            return self._end(prompt)

    def latent_shape(self, *, width: int, height: int) -> tuple[int, int, int]:
        """Return the latents' (channels, height, width) of an image size in pixels."""
        return self.model.latent_shape(width=width, height=height)


class LoadedModels(Protocol):
    """Models in memory, by revision."""

    def __getitem__(self, revision: str, /) -> LoadedModel:
        """Return one.

        Raises:
            KeyError: It is not in memory.
        """
