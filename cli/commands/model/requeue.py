"""`packshot model requeue`: what waits for a model that no worker has any more."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from bundles.manifest import Sizes, scheduler_support
from bundles.manifest_file import load_manifest
from bundles.model_input import read_model_input
from bundles.scheduler_support import SchedulerSupport
from cli.bundles import bundle_folder, find_bundle, served_models
from cli.connection import service_settings
from cli.console import say, show
from cli.errors import UsageError
from core.domain.image_request import ModelRevision
from core.domain.image_spec import ImageSpec
from core.errors import BundleError

if TYPE_CHECKING:
    from core.db.engine import Database
    from core.lifecycle.requeue import RequeueOutcome
    from core.lifecycle.serving import Waiting
    from core.settings import Settings

TRIES = 5
"""Of a portion, when others ask for the same images at the same moment."""


def requeue(
    old: Annotated[
        str | None,
        typer.Argument(
            help="Revision that the images wait for, or its first characters. Without it, list "
            "what waits."
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            help="Model or bundle to make them with, by name or folder. Default: the first of "
            "PACKSHOT_MODELS, else PACKSHOT_BUNDLE."
        ),
    ] = None,
    fail: Annotated[bool, typer.Option("--fail", help="Let them fail instead.")] = False,
) -> None:
    """Move images that wait for a replaced model to the new one, or fail them.

    Images that a worker is computing are not touched.
    """
    if fail and to is not None:
        raise UsageError("Give either --to or --fail, not both.")
    # Takes half a second, which `packshot --help` need not wait.
    from core.db.engine import Database  # noqa: PLC0415
    from core.lifecycle import serving  # noqa: PLC0415

    settings = service_settings()
    database = Database(settings)
    try:
        database.check()
        with database.session() as session:
            waiting = serving.waiting(session)
        if old is None:
            _list(waiting, settings)
            return
        revision = _find(old, waiting)
        if fail:
            say(f"Images: {_fail(database, revision):,} failed.")
        else:
            _report(_move(database, settings, revision, _target(settings, to)))
    finally:
        database.close()


def _list(waiting: Sequence["Waiting"], settings: "Settings") -> None:
    models: dict[str, list[str]] = {}
    for name, folder in served_models(settings).items():
        # A bundle that cannot be read has no revision to tell.
        with suppress(BundleError):
            models.setdefault(load_manifest(folder).revision, []).append(name)
    table = Table("revision", "model", "queued images", "workers", box=None)
    for one in waiting:
        names = ", ".join(models.get(one.revision, ())) or "–"
        table.add_row(one.revision[:16], names, f"{one.images:,}", f"{one.workers:,}")
    show(table)


def _find(old: str, waiting: Sequence["Waiting"]) -> str:
    found = [one.revision for one in waiting if one.revision.startswith(old)]
    if len(found) == 1:
        return found[0]
    if not waiting:
        raise UsageError(f"No images wait, for {old} or any other revision.")
    there = ", ".join(one.revision[:16] for one in waiting)
    what = "Several revisions begin" if found else "No images wait for a revision that begins"
    raise UsageError(f"{what} with {old}. Images wait for: {there}.")


@dataclass(frozen=True, kw_only=True)
class _NewModel:
    """The model that shall make the images."""

    model: ModelRevision
    sizes: Sizes
    schedulers: Mapping[str, SchedulerSupport]

    def refuses(self, spec: ImageSpec) -> str | None:
        """Return why it cannot make an image, in the words after "which"; None: it can."""
        drawn, sizes = spec.drawn, self.sizes
        if not all(
            sizes.min <= side <= sizes.max and side % sizes.multiple_of == 0
            for side in (drawn.width, drawn.height)
        ):
            return "does not make images of this size. Send it again with another size."
        begins = spec.photograph is not None and spec.photograph.strength > 0
        if begins and not self.model.reads.encodes_pictures:
            return "has no encoder of images to begin with. Send it again with another model."
        support = self.schedulers.get(spec.scheduler)
        if support is None or not support.works or not support.limits.allows(spec.steps):
            return (
                f"does not work with {spec.scheduler} in {spec.steps} steps. Send it again with "
                "another scheduler or other steps."
            )
        return None


def _target(settings: "Settings", to: str | None) -> _NewModel:
    folder = bundle_folder(settings) if to is None else find_bundle(to, settings)
    manifest, names = load_manifest(folder), served_models(settings).items()
    name = next((one for one, other in names if other == folder.resolve()), manifest.name)
    reads = read_model_input(folder)
    return _NewModel(
        model=ModelRevision(name=name, revision=manifest.revision, reads=reads),
        sizes=manifest.sizes,
        schedulers=scheduler_support(manifest, folder),
    )


def _move(
    database: "Database", settings: "Settings", revision: str, target: _NewModel
) -> Counter["RequeueOutcome"]:
    from sqlalchemy.exc import IntegrityError  # noqa: PLC0415

    from core.lifecycle.requeue import move_some  # noqa: PLC0415

    if target.model.revision == revision:
        raise UsageError(
            f"The images wait for {revision[:16]} already: name another model with --to."
        )
    done: Counter[RequeueOutcome] = Counter()
    tries = 0
    while True:
        try:
            with database.session() as session:
                moved = move_some(
                    session,
                    revision,
                    to=target.model,
                    refuses=target.refuses,
                    ttl_seconds=settings.result_ttl_seconds,
                )
        except IntegrityError:
            tries += 1
            if tries == TRIES:
                raise
            continue
        tries = 0
        if not sum(moved.values()):
            return done
        done.update(moved)


def _fail(database: "Database", revision: str) -> int:
    from core.errors import ModelReplacedError  # noqa: PLC0415
    from core.lifecycle.requeue import fail_some  # noqa: PLC0415

    done = 0
    while True:
        with database.session() as session:
            failed = fail_some(session, revision, error=ModelReplacedError())
        if not failed:
            return done
        done += failed


def _report(done: Counter["RequeueOutcome"]) -> None:
    from core.lifecycle.requeue import RequeueOutcome  # noqa: PLC0415

    say(
        f"Images: {done[RequeueOutcome.MOVED]:,} queued for the new model, "
        f"{done[RequeueOutcome.STORED]:,} found in store, "
        f"{done[RequeueOutcome.JOINED]:,} joined equal images, "
        f"{done[RequeueOutcome.FAILED]:,} failed."
    )
