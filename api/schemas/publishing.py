"""The JSON of publishing that goes in and out."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Path
from pydantic import BaseModel, Field, SecretStr

from api.schemas.addresses import Address
from api.schemas.parameters import Line
from api.schemas.renditions import KnownChannel
from api.schemas.strict import StrictModel
from core.domain.states import PublishItemState, PublishState
from core.domain.stores import Placement, StoreKind
from core.recipes import NAME

TargetName = Annotated[
    str, Path(pattern=rf"^{NAME}$", max_length=100, description="The target's name.")
]
Credentials = Annotated[
    dict[str, SecretStr],
    Field(
        min_length=1,
        max_length=4,
        description="shopify: `access_token`; woocommerce: `username` and `application_password`; "
        "s3: `access_key_id`, `secret_access_key` and `region` (`us-east-1` where there is none). "
        "Kept encrypted, and given back by nothing.",
    ),
]


class TargetRequest(StrictModel):
    """A store to publish into."""

    name: str = Field(
        pattern=rf"^{NAME}$",
        max_length=100,
        description="Lower-case letters, digits, dots, dashes and underscores.",
    )
    kind: StoreKind = Field(description="Whose API it speaks.")
    address: Address
    credentials: Credentials


class CredentialsRequest(StrictModel):
    """New credentials of a target."""

    credentials: Credentials


class TargetView(BaseModel):
    """A store, without its credentials."""

    name: str
    kind: StoreKind
    address: str
    created_at: datetime


class TargetList(BaseModel):
    """A tenant's stores."""

    items: list[TargetView]


class PublishRequest(StrictModel):
    """A plan to be made."""

    batch_id: UUID = Field(description="Whose images are published.")
    target: Line = Field(max_length=100, description="The target's name.")
    placement: Placement = Field(
        Placement.LAST, description="Where they go among the images that a product has."
    )
    channel: KnownChannel | None = Field(
        None,
        description="Publish what the images become for this channel of the batch; null: the "
        "images as they were made.",
    )


class PublishCounts(BaseModel):
    """A run's products by their states."""

    planned: int = 0
    not_found: int = 0
    published: int = 0
    failed: int = 0
    undone: int = 0


class PublishView(BaseModel):
    """A publish run, as it stands."""

    id: UUID
    batch_id: UUID
    target: str
    placement: Placement
    channel: str | None = Field(description="Whose renditions are published.")
    state: PublishState = Field(
        description="planning, then planned: nothing was changed yet; running, published; "
        "undoing, undone; failed: no plan could be made."
    )
    error: str | None = Field(description="Why it does not get on; it tries again by itself.")
    products: PublishCounts
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class PublishPage(BaseModel):
    """Some runs, newest first."""

    items: list[PublishView]
    next: str | None = Field(description="Cursor of the page that follows; null on the last.")


class PublishedImage(BaseModel):
    """An image that a run adds to a product."""

    job_id: UUID
    sku: str
    alt: str = Field(description="Its alternative text.")
    withheld: bool = Field(
        description="Whether it was left out: it is gone, or nobody approves of it any more."
    )


class StoreImage(BaseModel):
    """An image that a product had."""

    id: str = Field(description="The store's own.")
    alt: str


class PublishItemView(BaseModel):
    """What a run changes of one product."""

    position: int
    product: str | None = Field(
        description="The store's own id; null: the store has no product with the SKU."
    )
    title: str = Field(description="As the store has it.")
    state: PublishItemState
    error: str | None
    images: list[PublishedImage] = Field(description="What is added, in order.")
    before: list[StoreImage] | None = Field(description="What the product had, in order.")


class PublishItemPage(BaseModel):
    """Some products of a run."""

    items: list[PublishItemView]
    next: str | None = Field(description="Cursor of the page that follows; null on the last.")
