"""Workers that share one Postgres and one Redis, as a closed network of queues.

A worker holds some images at a time. Each waits for its message in Redis, for its claim in
Postgres, for its turn at the worker's model, for its record in Postgres and for its
acknowledgement in Redis; then the next image takes its place. Beside that a worker costs both
something merely because it is there: heartbeats, renewed leases, questions for messages.
"""

import heapq
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.report import percentile

ROWS = 8
"""Images that a worker holds at a time (`PACKSHOT_ROW_LIMIT`)."""
IMAGES = 60
"""Of each worker, that are simulated."""
WARM_UP = 0.4
"""Share of the time that is not counted: the queues fill."""
LEAST_LEFT = 0.02
"""Share of a server that is left to images where workers' heartbeats would take all of it."""


@dataclass(frozen=True, kw_only=True)
class JobCosts:
    """What workers and images cost those that they share; CPU seconds of recorded runs."""

    postgres_seconds: float
    """Of an image, from its submission to its end."""
    redis_seconds: float
    """The same."""
    postgres_share_of_worker: float
    """Of a core, for a worker that holds images, whether or not any end."""
    redis_share_of_worker: float
    """The same."""
    connections_of_worker: float
    """To Postgres."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What so many workers came to."""

    workers: int
    seconds: float
    """What an image costs a worker's model."""
    images_per_second: float
    share_of_linear: float
    """Of what as many workers would make that share nothing."""
    postgres_busy: float
    """Share of its cores, heartbeats included."""
    redis_busy: float
    claim_seconds_p95: float
    """From the question to the claim."""
    connections: int


class Server:
    """Something with a number of equal places, at which those who find none free queue up."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: deque[tuple[float, Callable[[], None]]] = deque()
        self.busy = 0.0
        """Seconds of work that it did."""

    def enter(self, clock: "Clock", seconds: float, then: Callable[[], None]) -> None:
        """Wait for a place, keep it for so long, go on."""
        if self._free:
            self._free -= 1
            self._serve(clock, seconds, then)
        else:
            self._waiting.append((seconds, then))

    def _serve(self, clock: "Clock", seconds: float, then: Callable[[], None]) -> None:
        self.busy += seconds

        def leave() -> None:
            if self._waiting:
                self._serve(clock, *self._waiting.popleft())
            else:
                self._free += 1
            then()

        clock.after(seconds, leave)


class Clock:
    """What happens, in the order in which it does."""

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0

    def after(self, seconds: float, event: Callable[[], None]) -> None:
        """Schedule an event."""
        self._number += 1
        heapq.heappush(self._events, (self.now + seconds, self._number, event))

    def run(self, until: float) -> None:
        """Run all events up to a moment."""
        while self._events and self._events[0][0] <= until:
            self.now, _, event = heapq.heappop(self._events)
            event()
        self.now = until


class Simulation:
    """The shared servers, and the images that go round."""

    def __init__(
        self, costs: JobCosts, *, workers: int, seconds: float, postgres_cores: int, seed: int
    ) -> None:
        self.clock = Clock()
        self.postgres, self.redis = Server(postgres_cores), Server(1)
        self._models = [Server(1) for _ in range(workers)]
        self._random = random.Random(seed)
        self.ended = 0
        self.claims: list[float] = []
        # Heartbeats come evenly: they leave less of a server to the images.
        standing = {
            "postgres": workers * costs.postgres_share_of_worker / postgres_cores,
            "redis": workers * costs.redis_share_of_worker,
        }
        left = {name: max(LEAST_LEFT, 1 - share) for name, share in standing.items()}
        self._visit_postgres = costs.postgres_seconds / 2 / left["postgres"]
        self._visit_redis = costs.redis_seconds / 2 / left["redis"]
        self.standing: Mapping[str, float] = standing
        self._seconds = seconds
        self.until = IMAGES * max(
            seconds,
            2 * workers * self._visit_postgres / postgres_cores,
            2 * workers * self._visit_redis,
        )
        """What the fullest of all needs for so many images of each worker."""
        for model in self._models:
            for _ in range(ROWS):
                # Not all at once.
                self.clock.after(self._random.random() * seconds, lambda own=model: self._next(own))

    def _spread(self, mean: float) -> float:
        return self._random.expovariate(1 / mean) if mean else 0.0

    def _next(self, model: Server) -> None:
        self.redis.enter(self.clock, self._spread(self._visit_redis), lambda: self._claim(model))

    def _claim(self, model: Server) -> None:
        asked = self.clock.now

        def claimed() -> None:
            self.claims.append(self.clock.now - asked)
            model.enter(self.clock, self._seconds, lambda: self._record(model))

        self.postgres.enter(self.clock, self._spread(self._visit_postgres), claimed)

    def _record(self, model: Server) -> None:
        def recorded() -> None:
            self.ended += 1
            self.redis.enter(self.clock, self._spread(self._visit_redis), lambda: self._next(model))

        self.postgres.enter(self.clock, self._spread(self._visit_postgres), recorded)


def simulate(
    costs: JobCosts, *, workers: int, seconds: float, postgres_cores: int, seed: int = 1
) -> Outcome:
    """Run workers that make images for a while.

    Args:
        costs: Of an image and of a worker.
        workers: How many share Postgres and Redis.
        seconds: What an image costs a worker's model.
        postgres_cores: Statements that Postgres executes at the same time; Redis: one.
        seed: Of the lengths of visits.
    """
    one = Simulation(
        costs, workers=workers, seconds=seconds, postgres_cores=postgres_cores, seed=seed
    )
    until = one.until
    one.clock.run(WARM_UP * until)
    ended, busy = one.ended, (one.postgres.busy, one.redis.busy)
    one.claims.clear()
    one.clock.run(until)
    counted = until - WARM_UP * until
    rate = (one.ended - ended) / counted
    shares: Sequence[float] = (
        (one.postgres.busy - busy[0]) / counted / postgres_cores,
        (one.redis.busy - busy[1]) / counted,
    )
    return Outcome(
        workers=workers,
        seconds=seconds,
        images_per_second=rate,
        share_of_linear=rate * seconds / workers,
        postgres_busy=_with_standing(shares[0], one.standing["postgres"]),
        redis_busy=_with_standing(shares[1], one.standing["redis"]),
        claim_seconds_p95=percentile(one.claims, 95) if one.claims else 0.0,
        connections=round(workers * costs.connections_of_worker),
    )


def _with_standing(of_images: float, standing: float) -> float:
    """Add what heartbeats take to what images took of the rest."""
    return min(1.0, standing + of_images * max(LEAST_LEFT, 1 - standing))
