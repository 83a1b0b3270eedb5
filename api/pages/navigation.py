"""Where the navigation of every page leads."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from core.domain.scopes import Scope
from core.links import NEW_BATCH, PREVIEW, WORKBENCH


@dataclass(frozen=True, kw_only=True)
class Place:
    """A page that the navigation names."""

    label: str
    path: str
    scope: Scope
    """Who has it not, does not see the place."""


NAVIGATION: Sequence[Place] = (
    Place(label="Home", path=f"{WORKBENCH}/", scope=Scope.READ),
    Place(label="New batch", path=NEW_BATCH, scope=Scope.SUBMIT),
    Place(label="Preview", path=PREVIEW, scope=Scope.SUBMIT),
    Place(label="Publish", path=f"{WORKBENCH}/publishes", scope=Scope.READ),
    Place(label="Recipes", path=f"{WORKBENCH}/recipes", scope=Scope.READ),
    Place(label="Webhooks", path=f"{WORKBENCH}/webhooks", scope=Scope.READ),
    Place(label="Models", path=f"{WORKBENCH}/models", scope=Scope.READ),
    Place(label="System", path=f"{WORKBENCH}/system", scope=Scope.READ),
)
"""In the order in which people need them."""


def places_for(scopes: Collection[str]) -> Sequence[Place]:
    """Return what a key with these scopes may see."""
    return [one for one in NAVIGATION if one.scope in scopes]
