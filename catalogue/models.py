"""The models that requests and rows may name, and what each is checked against."""

from collections.abc import Mapping
from dataclasses import dataclass

from catalogue.checks import Reason, RequestLimits
from catalogue.names import suggestion
from catalogue.prompts.tokens import TokenLimit
from core.domain.image_request import ModelRevision


@dataclass(frozen=True, kw_only=True)
class Model:
    """What a request is checked against."""

    made_by: ModelRevision
    """Its name, and the revision that makes images at the moment."""
    limits: RequestLimits
    tokens: TokenLimit | None
    """None when the bundle has no tokenizer.json: prompts are not measured then."""
    masked_by: str | None = None
    """The model that draws in its place where a mask says what may change; None: it does itself."""
    languages: tuple[str, ...] = ("en",)
    """ISO 639-1 codes of the languages of the captions that it was trained on."""


def check_model(name: str, models: Mapping[str, Model]) -> Reason:
    """Check that there is a model of a name."""
    if name in models:
        return None
    there = "is" if len(models) == 1 else "are"
    return f"There is no model {name!r} here; there {there} {', '.join(models)}." + suggestion(
        name, models
    )


def model_named(name: str | None, models: Mapping[str, Model]) -> str:
    """Return the name of the model that a request means: without one, the first."""
    return name or next(iter(models))
