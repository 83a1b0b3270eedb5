"""What a worker counts for Prometheus.

Label values are few and known beforehand: never a tenant, a prompt or an id.
"""

from prometheus_client import Counter, Gauge, Histogram

from core.domain.lanes import Lane

UNET_BATCH_IMAGES = Histogram(
    "packshot_unet_batch_images",
    "Images that shared a UNet call.",
    buckets=(1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64),
)

UNET_STEPS = Counter(
    "packshot_unet_steps", "Denoising steps of images, whatever their calls shared."
)

STAGE_SECONDS = Histogram(
    "packshot_stage_seconds",
    "Seconds of one call of a stage: encode, encode_image, unet and decode for the images that "
    "share it, store and record for one image.",
    ["stage"],
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100),
)

ATTEMPTS = Counter(
    "packshot_attempts",
    "Claims of a generation that ended, by what came of them: succeeded, failed, canceled, "
    "postponed, handed_back or elsewhere.",
    ["outcome"],
)

IMAGE_SECONDS = Histogram(
    "packshot_image_seconds",
    "Seconds of computing of an image, its share of every model call that it was in, by lane.",
    ["lane"],
    buckets=(0.1, 0.3, 1, 3, 10, 30, 60, 120, 300, 600, 1800),
)

IMAGE_LATENCY_SECONDS = Histogram(
    "packshot_image_latency_seconds",
    "Seconds from an image's way into a worker's engine to its decoded pixels, by lane.",
    ["lane"],
    buckets=(0.1, 0.3, 1, 3, 10, 30, 60, 120, 300, 600, 1800),
)

MODELS = Gauge("packshot_models_loaded", "Models in memory.")

MODEL_BYTES = Gauge("packshot_models_bytes", "What the models in memory take of the budget.")

MODEL_LOADS = Counter(
    "packshot_model_loads",
    "Models that were loaded, or could not be: loaded or failed.",
    ["outcome"],
)

MODEL_UNLOADS = Counter(
    "packshot_model_unloads",
    "Models that were unloaded, by why: budget for another one's room, idle after their time "
    "without use, memory for the limit of the process.",
    ["reason"],
)

MODEL_LOAD_SECONDS = Histogram(
    "packshot_model_load_seconds",
    "Seconds from a bundle's folder to a model that is ready.",
    buckets=(0.3, 1, 3, 10, 30, 60, 120, 300, 600, 1800),
)

NETWORK_USABLE = Gauge(
    "packshot_cutout_network_usable",
    "Whether this worker has the network that cuts products out of rooms: 1, or 0 where its files "
    "are damaged or missing.",
)

# There from the start, so that a rate over the first image is no gap.
for _lane in Lane:
    IMAGE_SECONDS.labels(_lane.value)
    IMAGE_LATENCY_SECONDS.labels(_lane.value)

for _stage in ("encode", "encode_image", "unet", "decode", "store", "record"):
    STAGE_SECONDS.labels(_stage)

for _outcome in ("loaded", "failed"):
    MODEL_LOADS.labels(_outcome)

for _why in ("budget", "idle", "memory"):
    MODEL_UNLOADS.labels(_why)
