"""Models for what is checked against them."""

from collections.abc import Mapping

from catalogue.checks import RequestLimits
from catalogue.models import Model
from catalogue.prompts.tokens import TokenLimit
from tests.specs import made_by


def only(limits: RequestLimits, tokens: TokenLimit | None = None) -> Mapping[str, Model]:
    """Make the one model that there is."""
    return {"default": Model(made_by=made_by("r1"), limits=limits, tokens=tokens)}
