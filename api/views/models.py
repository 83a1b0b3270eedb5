"""Models as API documents: what requests may ask of each, and who serves it."""

from typing import Any

from sqlmodel import Session

from api.models import Bundle, Models
from api.schemas.models import ModelList, ModelPreset, ModelScheduler, ModelView, OtherRevision
from bundles.manifest import PRESETS
from core.errors import BundleError
from core.lifecycle.serving import images_per_call, queued_images, workers_serving

PROBLEM = "The model's bundle cannot be used: on the server, `packshot model list` says why."

_LACKING = dict.fromkeys(
    (
        "revision",
        "sizes",
        "defaults",
        "presets",
        "schedulers",
        "masked_by",
        "max_tokens",
        "prompt_weights",
    )
)


def list_models(session: Session, models: Models, tenant: str) -> ModelList:
    """Describe every model, and the other revisions that a tenant's images wait for."""
    workers, waiting = workers_serving(session), queued_images(session, tenant=tenant)

    def counts(revision: Any) -> dict[str, int]:
        return {
            "workers": workers.get(revision, 0),
            "waiting_images": waiting.get(revision, 0),
        }

    shared, items = images_per_call(session), []
    for number, name in enumerate(models):
        said = _describe(models, name)
        items.append(
            ModelView(
                name=name,
                default=number == 0,
                images_per_call=shared.get(said["revision"]),
                **said,
                **counts(said["revision"]),
            )
        )
    here = {one.revision for one in items}
    others = sorted(revision for revision in waiting if revision not in here)
    return ModelList(
        items=items, others=[OtherRevision(revision=one, **counts(one)) for one in others]
    )


def _describe(models: Models, name: str) -> dict[str, Any]:
    try:
        return _describe_bundle(models[name])
    except BundleError:
        # Why names folders of the server.
        return {"problem": PROBLEM, **_LACKING}


def _describe_bundle(bundle: Bundle) -> dict[str, Any]:
    limits, manifest = bundle.limits, bundle.manifest
    return {
        "problem": None,
        "revision": bundle.made_by.revision,
        "sizes": {
            "min": limits.smallest,
            "max": limits.largest,
            "multiple_of": limits.step_of_size,
        },
        "defaults": dict(limits.defaults),
        "presets": [
            ModelPreset(name=name, **manifest.presets[name].model_dump())
            for name in PRESETS
            if name in manifest.presets
        ],
        "schedulers": [
            ModelScheduler(name=name, least_steps=one.least, most_steps=one.most)
            for name, one in limits.schedulers.items()
        ],
        "masked_by": bundle.masked_by,
        "max_tokens": manifest.max_tokens,
        "prompt_weights": manifest.prompt_reading.weights,
    }
