"""One candidate on the real UNet: every stream busy, as with a full queue."""

import statistics
import threading
import time
from collections.abc import Callable

import numpy as np

from bundles.manifest import Defaults
from modelkit.tuning.search import PlanCandidate, Sample
from worker.model import StepInputs, stack
from worker.pipeline import Pipeline
from worker.unet import UNet


class Bench:
    """Measures candidates on one bundle, and keeps the model that was compiled last."""

    def __init__(
        self, pipeline: Pipeline, defaults: Defaults, *, size: tuple[int, int], seconds: float
    ) -> None:
        """Set the bench up.

        Args:
            pipeline: The bundle, compiled in any way.
            defaults: The bundle's: guided images take two UNet rows.
            size: Width and height of the images, in pixels.
            seconds: How long to look at a candidate; a call that has begun is waited for.
        """
        guided = defaults.guidance_scale > 1 and not pipeline.embeds_guidance
        self.calls = 2 if guided else 1
        """UNet rows of an image."""
        self.size = size
        self._pipeline = pipeline
        self._seconds = seconds
        self._latents = pipeline.latent_shape(width=size[0], height=size[1])
        self._shape = pipeline.sample_shape(width=size[0], height=size[1])
        (text,) = pipeline.encode([""])
        beside = pipeline.conditioning(guidance_scale=3.0, width=size[0], height=size[1])
        self._row = {**text, **beside}
        self._unet: UNet | None = None
        self._compiled: tuple[object, ...] = ()

    def measure(self, candidate: PlanCandidate) -> Sample:
        """Run a candidate's calls in all of its streams, after one to warm up."""
        unet = self._compile(candidate)
        rows = candidate.rows * self.calls
        rng = np.random.default_rng(0)
        samples = rng.standard_normal((rows, *self._shape), dtype=np.float32)
        # Rows of a real queue stand at different noise levels.
        timesteps = [float(level) for level in np.linspace(1, 999, rows)]
        conditioning = stack([self._row] * rows)
        inputs = StepInputs(samples=samples, timesteps=timesteps, conditioning=conditioning)

        def call() -> None:
            unet.predict(inputs)

        calls = self._in_all_streams(call, candidate.streams)
        speeds = [len(seconds) * candidate.rows / sum(seconds) for seconds in calls]
        every = [second for seconds in calls for second in seconds]
        return Sample(steps_per_second=sum(speeds), step_seconds=statistics.median(every))

    def decode_seconds(self, repeats: int = 3) -> float:
        """Measure the decoding of one image, after one to warm up."""
        latents = np.zeros((1, *self._latents), np.float32)
        self._pipeline.decode(latents)
        return statistics.median(_timed(lambda: self._pipeline.decode(latents), repeats))

    def _compile(self, candidate: PlanCandidate) -> UNet:
        plan = candidate.plan(calls=self.calls, size=self.size)
        wanted = (plan.streams, plan.threads, plan.batches)
        if self._unet is None or wanted != self._compiled:
            # The one before goes first: two of them may be too much for the memory.
            self._unet = None
            self._unet = self._pipeline.compile_unet(plan)
            self._compiled = wanted
        return self._unet

    def _in_all_streams(self, call: Callable[[], None], streams: int) -> list[list[float]]:
        """Return the seconds of each call of each stream."""
        found: list[list[float]] = [[] for _ in range(streams)]
        failures: list[BaseException] = []
        start = threading.Barrier(streams)

        def work(seconds: list[float]) -> None:
            try:
                call()
                start.wait()
                end = time.perf_counter() + self._seconds
                while not seconds or time.perf_counter() < end:
                    seconds += _timed(call, 1)
            except BaseException as error:
                failures.append(error)
                start.abort()

        threads = [threading.Thread(target=work, args=(seconds,)) for seconds in found]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        return found


def _timed(call: Callable[[], object], repeats: int) -> list[float]:
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return seconds
