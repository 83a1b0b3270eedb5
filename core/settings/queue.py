"""Queue."""

from pydantic import BaseModel, Field, PositiveFloat, PositiveInt


class QueueSettings(BaseModel):
    """How work gets to workers, and how often it is tried."""

    sweep_seconds: PositiveFloat = Field(
        default=2.0, description="Pause between two passes of the sweeper."
    )
    republish_seconds: PositiveFloat = Field(
        default=10.0,
        description="A queued image whose lane is empty in Redis for this long is sent again.",
    )
    queue_window: PositiveInt = Field(
        default=128,
        description="Queued images of a tenant that have messages in a lane at the same time.",
    )
    feed_seconds: PositiveFloat = Field(
        default=0.2, description="Pause between two looks for images whose turn has come."
    )
    lane_share: PositiveInt = Field(
        default=8,
        description="Every so many fetches a worker asks the bulk lane first, so it never starves.",
    )
    max_attempts: PositiveInt = Field(
        default=3, description="Times an image is tried before it fails."
    )
