"""The JSON of webhooks that goes in and out."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from api.schemas.addresses import Address
from api.schemas.parameters import Line
from api.schemas.strict import StrictModel
from core.domain.states import DeliveryState
from core.webhooks.event_types import EventType

Filter = Annotated[
    list[
        Literal[
            "image.completed",
            "image.failed",
            "image.approved",
            "image.rejected",
            "batch.progress",
            "batch.completed",
            "batch.canceled",
            "endpoint.disabled",
        ]
    ],
    Field(min_length=1, max_length=20),
]


class EndpointRequest(StrictModel):
    """An endpoint to be made."""

    url: Address
    description: Line = Field("", max_length=200, description="For you.")
    events: Filter | None = Field(None, description="Types of events; null: all.")


class EndpointChange(StrictModel):
    """What is to be changed; the rest stays."""

    url: Address | SkipJsonSchema[None] = None
    description: Annotated[Line, Field(max_length=200)] | SkipJsonSchema[None] = None
    events: Filter | None = Field(None, description="Types of events; null: all.")
    disabled: bool | SkipJsonSchema[None] = Field(
        None, description="true: tell it nothing; false: tell it again."
    )

    @model_validator(mode="after")
    def _nothing_is_no_change(self) -> Self:
        for name in ("url", "description", "disabled"):
            if name in self.model_fields_set and getattr(self, name) is None:
                raise ValueError(f"{name} cannot be null; leave it out")
        return self

    def values(self) -> dict[str, Any]:
        """Return what was named."""
        return self.model_dump(include=self.model_fields_set)


class EndpointView(BaseModel):
    """One endpoint, without its secret."""

    id: UUID
    url: str
    description: str
    events: list[str] | None = Field(description="Types of events; null: all.")
    failing_since: datetime | None = Field(description="First failure since the last success.")
    disabled_at: datetime | None
    disabled_reason: str | None
    previous_secret_until: datetime | None = Field(
        description="Until when the secret before the present one signs too."
    )
    created_at: datetime


class EndpointWithSecret(EndpointView):
    """One endpoint with its secret, shown this once."""

    secret: str = Field(description="`whsec_…`: verifies what the endpoint is sent.")


class EndpointList(BaseModel):
    """All endpoints, oldest first."""

    items: list[EndpointView]


class CallbackSecretView(BaseModel):
    """What callbacks are signed with, shown this once."""

    secret: str = Field(description="`whsec_…`: verifies what callbacks bring.")


class AttemptView(BaseModel):
    """One attempt at a delivery."""

    at: datetime
    status: int | None = Field(description="The HTTP status; null: there was no answer.")
    error: str | None = Field(description="Why it was no success.")
    seconds: float
    pause_seconds: float | None = Field(
        default=None,
        description="How long its Retry-After held back all that goes to this address; null: it "
        "did not.",
    )


class DeliveryView(BaseModel):
    """One event on its way to one address."""

    id: UUID
    endpoint_id: UUID | None = Field(description="null: a callback.")
    url: str | None = Field(description="Of a callback.")
    event_id: str = Field(description="The `webhook-id` that the receiver sees.")
    type: EventType
    batch_id: UUID | None
    job_id: UUID | None
    state: DeliveryState
    attempts: list[AttemptView]
    next_attempt_at: datetime | None = Field(description="null: there is none.")
    created_at: datetime
    finished_at: datetime | None


class DeliveryPage(BaseModel):
    """Some deliveries, newest first."""

    items: list[DeliveryView]
    next: str | None = Field(description="Cursor of the page that follows; null on the last.")


class ReplayRequest(StrictModel):
    """What is to be sent once more."""

    since: AwareDatetime = Field(description="All events from this moment on.")
    failed_only: bool = Field(False, description="Leave out what was delivered.")


class ReplayResult(BaseModel):
    """How much is sent once more."""

    deliveries: int
