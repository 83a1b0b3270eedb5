"""The registry of a worker's models, and how each of them is loaded."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import structlog

from bundles.manifest import Manifest
from bundles.model_input import read_model_input
from bundles.plan import Plan, plan_for
from bundles.processor import read_features
from bundles.row_memory import RowMemory
from core.settings import Settings
from worker.embeddings import EmbeddingStore
from worker.headroom import Headroom
from worker.loaded import LoadedModel
from worker.memory import process_room, usable_memory
from worker.model import Model
from worker.registry import Registry
from worker.tokenizer import Tokenizer
from worker.topology import warn_of_processor
from worker.turns import CallLimits
from worker.watchdog import Watchdog

log = structlog.get_logger(__name__)

Load = Callable[[Path, Settings, Plan], Model]
"""Loads the model of a bundle's folder, compiled as planned."""


def make_registry(settings: Settings, load: Load, watchdog: Watchdog) -> Registry:
    """Make what loads the models of the settings, one after the other or together."""
    texts = EmbeddingStore(settings.embedding_cache_bytes)

    def load_model(folder: Path, manifest: Manifest) -> LoadedModel:
        warn_of_processor(read_features(), manifest.precisions)
        plan = plan_for(settings, manifest)
        log.info("plan", model=manifest.name, **plan.model_dump())
        model = load(folder, settings, plan)
        return LoadedModel(
            model,
            revision=manifest.revision,
            limits=CallLimits(row_limit=plan.rows, streams=plan.streams),
            guidance_rescale=manifest.defaults.guidance_rescale,
            negative_prompt=manifest.defaults.negative_prompt,
            thresholds=manifest.approximate_thresholds,
            end=Tokenizer(folder, reading=manifest.prompt_reading).end
            if settings.approximate_budget_bytes
            else None,
            texts=texts,
            reads=read_model_input(folder),
            headroom=_headroom(settings, folder, manifest, model, registry.relieve),
        )

    registry = Registry(
        settings.models,
        load_model,
        budget_bytes=settings.models_memory_mib * 2**20 or usable_memory() // 2,
        idle_seconds=settings.models_idle_seconds,
        watch=partial(watchdog.watch, limit_seconds=settings.model_load_seconds),
    )
    return registry


def _headroom(
    settings: Settings,
    folder: Path,
    manifest: Manifest,
    model: Model,
    relieve: Callable[[], bool],
) -> Headroom | None:
    """Make what looks for memory for a model's rows; None: nobody knows what they take."""
    memory = RowMemory.read(folder, manifest, precision=model.precision)
    if memory is None:
        return None
    return Headroom(
        memory,
        tile=settings.decode_tile,
        free_bytes=partial(process_room, settings.worker_max_rss_mib),
        relieve=relieve,
    )
