"""Whether a tier of text embeddings in Redis would pay: encoding a text against fetching it."""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import show, spread
from core.cpus import usable_cpus

STARTER = Path("starter/weights/text_encoder")


def measure(rounds: int) -> None:
    """Encode and fetch in turns; show the medians."""
    import redis

    from local.infrastructure import Infrastructure

    with tempfile.TemporaryDirectory() as folder:
        # The embedded Postgres runs as another user when this is root.
        Path(folder).chmod(0o755)
        with Infrastructure(Path(folder) / "services", durable=True) as services:
            client = redis.Redis.from_url(services.environment["PACKSHOT_BROKER_URL"])
            starter, wide = _encoder(STARTER), _encoder(_full_size(Path(folder) / "wide"))
            small, large = np.asarray(starter()), np.asarray(wide())
            client.set("small", small.tobytes())
            client.set("large", large.tobytes())
            works: dict[str, Callable[[], Any]] = {
                f"encode, starter {small.shape[1:]}": starter,
                f"encode, CLIP ViT-L/14 {large.shape[1:]}": wide,
                f"GET {small.nbytes:,} bytes": lambda: _fetch(client, "small", small),
                f"GET {large.nbytes:,} bytes": lambda: _fetch(client, "large", large),
            }
            times: dict[str, list[float]] = {name: [] for name in works}
            for _ in range(rounds):
                for name, work in works.items():
                    began = time.perf_counter()
                    work()
                    times[name].append((time.perf_counter() - began) * 1e3)
            client.close()
    rows = [
        {"what": name, "ms, median (min–max)": spread(values, 2)} for name, values in times.items()
    ]
    medians = {name: statistics.median(values) for name, values in times.items()}
    show("caches: embedding", rows, {"rounds": rounds, "ms_median": medians})


def _fetch(client: Any, key: str, like: Any) -> Any:
    return np.frombuffer(client.get(key), like.dtype).reshape(like.shape).copy()


def _full_size(folder: Path) -> Path:
    """Save the text encoder of Stable Diffusion 1.5 with random weights: time is the same."""
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(
        hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12
    )
    CLIPTextModel(config).save_pretrained(folder)
    return folder


def _encoder(folder: Path) -> Callable[[], Any]:
    """Compile a text encoder as the worker does; give what encodes one text."""
    import openvino as ov

    from modelkit.export.conversion import convert_text_encoder

    ids = np.ones((1, 77), dtype=np.int64)
    properties = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    properties["INFERENCE_NUM_THREADS"] = str(usable_cpus())
    model = convert_text_encoder(folder)
    request = ov.Core().compile_model(model, "CPU", properties).create_infer_request()
    return lambda: request.infer({"input_ids": ids})[0]
