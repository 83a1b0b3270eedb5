"""What each file of tests costs, so that the longest begin first.

`python -m tests.support.costs REPORT` shows where the time of a run went, and keeps it in
costs.json; `./run.sh test --all --junit-xml REPORT` writes the report.
"""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from defusedxml import ElementTree

FILE = Path(__file__).with_name("costs.json")
LEAST_SECONDS = 5
"""What takes less fits in anywhere."""


def longest_first(items: list[pytest.Item]) -> None:
    """Sort tests by the seconds that their files take; within a file their order stays."""
    costs = json.loads(FILE.read_text())
    items.sort(key=lambda item: -costs.get(item.nodeid.partition("::")[0], 0))


def read(report: Path) -> Counter[str]:
    """Add up the seconds of each file of a report in JUnit's format."""
    costs: Counter[str] = Counter()
    for case in ElementTree.parse(report).iter("testcase"):
        words = case.get("classname").split(".")
        # Behind the file's name come those of classes.
        end = next(n for n, word in enumerate(words, 1) if word.startswith("test_"))
        costs["/".join(words[:end]) + ".py"] += float(case.get("time"))
    return costs


def main(arguments: Sequence[str]) -> None:
    """Show and keep a report's seconds."""
    costs = read(Path(arguments[0]))
    for file, seconds in costs.most_common(40):
        print(f"{seconds:7.0f} s  {file}")
    print(f"{costs.total():7.0f} s  all {len(costs)} files")
    kept = {file: round(cost) for file, cost in costs.most_common() if cost >= LEAST_SECONDS}
    FILE.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
