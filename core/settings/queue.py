"""Queue."""

from pydantic import BaseModel, Field, PositiveFloat, PositiveInt


class QueueSettings(BaseModel):
    """How work gets to workers, and how often it is tried."""

    sweep_seconds: PositiveFloat = Field(
        default=2.0,
        description="Seconds between two passes of the sweeper, which brings back the images of "
        "lost workers.",
    )
    republish_seconds: PositiveFloat = Field(
        default=10.0,
        description="Seconds that a lane must be empty in Redis before its queued images are sent "
        "again.",
    )
    queue_window: PositiveInt = Field(
        default=128,
        description="Maximum number of a tenant's queued images that have messages in a lane at "
        "the same time. Raise it if one tenant's sheet does not keep all workers busy.",
    )
    feed_seconds: PositiveFloat = Field(
        default=0.2,
        description="Seconds between two passes of the feeder, which sends the images whose turn "
        "has come.",
    )
    lane_share: PositiveInt = Field(
        default=8,
        description="Number of fetches after which a worker asks the bulk lane first, so that it "
        "never starves. Lower it to favour bulk images.",
    )
    max_attempts: PositiveInt = Field(
        default=3, description="Number of times that an image is tried before it fails."
    )
