"""What tests cost: the longest files begin first, and what takes long only `--all` runs.

`python -m tests.support.costs REPORT ...` shows where the time of runs went, and keeps it in
costs.json; `./run.sh test --all --junit-xml REPORT` writes a report. One without the slow tests,
given beside it, shows what others set up in their place.
"""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from defusedxml import ElementTree

FILE = Path(__file__).with_name("costs.json")
LEAST_SECONDS = 5
"""What takes less fits in anywhere."""
SLOW_SECONDS = 2
"""Of a test with all its parameters: what takes longer is left to `--all`."""
WHOLE_SHARE = 0.8
"""Of a file's seconds: where its slow tests take so much, all are left to `--all`; the others would
set up the same."""
ALWAYS = {
    "tests/e2e/test_demo.py::test_the_example_from_an_empty_folder_and_again",
    "tests/static/test_checks.py::test_module_finds_nothing",
}
"""What a contributor waits for whatever it takes: all processes once, and types."""


def arrange(items: list[pytest.Item], *, shared: bool) -> None:
    """Mark the tests that are slow, and begin with the files that take longest.

    Args:
        items: The tests; sorted in place if several processes share them.
        shared: Whether they do. Within a file the order stays.
    """
    costs: dict[str, Any] = json.loads(FILE.read_text())
    for item in items:
        if item.nodeid.partition("[")[0] in costs["slow"]:
            item.add_marker("slow")
    if shared:
        items.sort(key=lambda item: -costs["files"].get(item.nodeid.partition("::")[0], 0))


def read(report: Path) -> Counter[str]:
    """Add up the seconds of each test function of a report in JUnit's format, by node id."""
    costs: Counter[str] = Counter()
    for case in ElementTree.parse(report).iter("testcase"):
        words = case.get("classname").split(".")
        # Behind the file's name come those of classes.
        end = next(n for n, word in enumerate(words, 1) if word.startswith("test_"))
        function = case.get("name").partition("[")[0]
        costs["::".join(["/".join(words[:end]) + ".py", *words[end:], function])] += float(
            case.get("time")
        )
    return costs


def find_slow(tests: Counter[str], files: Counter[str]) -> set[str]:
    """Return the slow ones of tests, and all of those files that are hardly anything else."""
    slow = {test for test, seconds in tests.items() if seconds >= SLOW_SECONDS} - ALWAYS
    parts: Counter[str] = Counter()
    for test in slow:
        parts[test.partition("::")[0]] += tests[test]
    whole = {
        file
        for file, seconds in parts.items()
        if seconds >= max(WHOLE_SHARE * files[file], LEAST_SECONDS)
    }
    return slow | {test for test in tests if test.partition("::")[0] in whole} - ALWAYS


def main(arguments: Sequence[str]) -> None:
    """Show and keep a report's seconds."""
    tests: Counter[str] = Counter()
    for report in arguments:
        tests |= read(Path(report))  # of each test the longest
    files: Counter[str] = Counter()
    for test, seconds in tests.items():
        files[test.partition("::")[0]] += seconds
    for file, seconds in files.most_common(40):
        print(f"{seconds:7.0f} s  {file}")
    slow = find_slow(tests, files)
    print(f"{files.total():7.0f} s  all {len(files)} files")
    print(f"{sum(tests[test] for test in slow):7.0f} s  {len(slow)} slow tests")
    kept = {
        "files": {file: round(cost) for file, cost in files.most_common() if cost >= LEAST_SECONDS},
        "slow": sorted(slow),
    }
    FILE.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
