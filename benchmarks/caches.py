"""What the result cache finds, and how quickly.

`python -m benchmarks.caches --part trace [--requests 20000]`: hit rate of every
eviction policy on a replayed trace, beside Belady's optimum, which knows the future.

`python -m benchmarks.caches --part hits [--hits 500]`: how long a hit takes in memory, and through
the API on real Postgres, Valkey and S3.

`python -m benchmarks.caches --part embedding [--rounds 60]`: encoding a text against fetching its
embedding from Redis.
"""

import argparse
import statistics
from typing import Any

from benchmarks.report import show
from core.eviction import Policy

EXPONENTS = (0.8, 1.0, 1.2)
BUDGETS = (0.01, 0.05, 0.20)
PRODUCTS = 2000
OPTIMUM = "optimum"


def main() -> None:
    """Run one part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=["trace", "hits", "embedding"], required=True)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--hits", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=60)
    arguments = parser.parse_args()
    if arguments.part == "trace":
        replay_traces(arguments)
    elif arguments.part == "hits":
        from benchmarks.cache_hits import measure as measure_hits

        measure_hits(arguments.hits)
    else:
        from benchmarks.embedding_tier import measure as measure_embeddings

        measure_embeddings(arguments.rounds)


def replay_traces(arguments: argparse.Namespace) -> None:
    """Replay a trace for every exponent, budget and policy; show medians over the seeds."""
    found = [_replay(arguments, exponent, budget) for exponent in EXPONENTS for budget in BUDGETS]
    rows = [
        {
            "Zipf": one["exponent"],
            "budget": f"{one['budget']:.0%}",
            "entries": one["entries"],
            **{name: f"{rate:.1%}" for name, rate in one["hit_rate"].items()},
        }
        for one in found
    ]
    result = {"requests": arguments.requests, "products": PRODUCTS, "seeds": arguments.seeds}
    show("caches: trace", rows, result | {"cases": found})


def _replay(arguments: argparse.Namespace, exponent: float, budget: float) -> dict[str, Any]:
    from benchmarks.trace import hit_rate, make_trace, optimal_hit_rate

    rates: dict[str, list[float]] = {}
    entries, distinct = [], []
    for seed in range(arguments.seeds):
        trace = make_trace(
            requests=arguments.requests, products=PRODUCTS, exponent=exponent, seed=seed
        )
        distinct.append(len(set(trace)))
        entries.append(max(1, round(budget * distinct[-1])))
        for policy in Policy:
            rate = hit_rate(trace, policy, entries=entries[-1], seed=seed)
            rates.setdefault(policy.value, []).append(rate)
        optimum = optimal_hit_rate(trace, entries=entries[-1])
        rates.setdefault(OPTIMUM, []).append(optimum)
        rates.setdefault("no limit", []).append(1 - distinct[-1] / len(trace))
    return {
        "exponent": exponent,
        "budget": budget,
        "distinct": statistics.median(distinct),
        "entries": statistics.median(entries),
        "hit_rate": {name: statistics.median(values) for name, values in rates.items()},
    }


if __name__ == "__main__":
    main()
