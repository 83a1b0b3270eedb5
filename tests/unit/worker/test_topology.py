"""Which CPUs a worker gets, on machines of any shape."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bundles.processor import read_features
from core.errors import InvalidSettingError
from core.settings import Settings
from worker.topology import (
    format_cpus,
    numa_nodes,
    parse_cpus,
    physical_cores,
    placement,
    settle,
    warn_of_processor,
)


def settings(**values) -> Settings:
    return Settings(_env_file=None, **values)


@pytest.fixture
def tree(tmp_path: Path):
    """Write the kernel's tree of a machine with these nodes."""

    def write(**nodes: str) -> Path:
        for name, cpus in nodes.items():
            (tmp_path / name).mkdir()
            (tmp_path / name / "cpulist").write_text(cpus + "\n")
        (tmp_path / "online").write_text("0\n")
        return tmp_path

    return write


@given(st.sets(st.integers(0, 300)))
def test_a_list_of_cpus_is_read_as_it_is_written(cpus: set[int]):
    assert parse_cpus(format_cpus(cpus)) == cpus


def test_a_list_is_written_as_the_kernel_does():
    assert format_cpus({8, 0, 1, 2, 3}) == "0-3,8"


def test_two_sockets_are_two_nodes(tree):
    root = tree(node0="0-3,8-11", node1="4-7,12-15")
    assert numa_nodes(range(16), root) == [
        frozenset({0, 1, 2, 3, 8, 9, 10, 11}),
        frozenset({4, 5, 6, 7, 12, 13, 14, 15}),
    ]


def test_nodes_come_in_the_order_of_their_numbers(tree):
    root = tree(node10="10", node2="2", node0="0")
    assert numa_nodes(range(16), root) == [{0}, {2}, {10}]


def test_nodes_without_a_cpu_for_us_do_not_count(tree):
    root = tree(node0="0-3", node1="4-7", node2="")
    assert numa_nodes({1, 2}, root) == [{1, 2}]


def test_a_machine_that_tells_nothing_is_one_node(tmp_path):
    assert numa_nodes({0, 1}, tmp_path / "nowhere") == [{0, 1}]


def test_this_machine_has_a_node_with_its_cpus():
    allowed = os.sched_getaffinity(0)
    assert frozenset().union(*numa_nodes(allowed)) == allowed


def test_hardware_threads_of_a_core_are_one(tmp_path):
    for cpu in range(8):
        topology = tmp_path / f"cpu{cpu}" / "topology"
        topology.mkdir(parents=True)
        (topology / "thread_siblings_list").write_text(f"{cpu % 4},{cpu % 4 + 4}\n")
    assert physical_cores(range(8), tmp_path) == 4
    assert physical_cores({0, 1, 4}, tmp_path) == 2, "those that are not for us do not count"
    assert physical_cores({0, 90}, tmp_path) == 2, "of which nothing is told"


def test_this_machine_has_a_core_for_some_of_its_cpus():
    allowed = os.sched_getaffinity(0)
    assert 1 <= physical_cores(allowed) <= len(allowed)


TWO = [frozenset({0, 1}), frozenset({2, 3})]


def test_each_node_gets_a_worker_of_its_own():
    assert placement(settings(), None, TWO) == [
        {"PACKSHOT_WORKER_CPUS": "0-1"},
        {"PACKSHOT_WORKER_CPUS": "2-3"},
    ]


def test_more_workers_than_nodes_share_cores_and_so_pin_nothing():
    places = placement(settings(), 3, TWO)
    assert [place["PACKSHOT_WORKER_CPUS"] for place in places] == ["0-1", "2-3", "0-1"]
    assert {place["PACKSHOT_INFERENCE_PINNING"] for place in places} == {"false"}


@pytest.mark.parametrize(("workers", "nodes"), [(1, TWO), (None, TWO[:1]), (1, TWO[:1])])
def test_a_worker_that_shares_with_nobody_is_free(workers, nodes):
    assert placement(settings(), workers, nodes) == [{}]


def test_what_the_settings_say_stays():
    given = settings(worker_cpus="0", inference_pinning=True)
    assert placement(given, 3, TWO) == [{}, {}, {}]


def test_cpus_that_are_not_here_are_named():
    with pytest.raises(InvalidSettingError, match="PACKSHOT_WORKER_CPUS=4000 cannot be used"):
        settle(settings(worker_cpus="4000"))


def test_a_process_keeps_to_its_cpus():
    before = os.sched_getaffinity(0)
    try:
        settle(settings(worker_cpus=str(min(before))))
        assert os.sched_getaffinity(0) == {min(before)}
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize("wrong", ["a", "1-", "1,,2", "0 1", "-1"])
def test_a_setting_that_is_no_list_of_cpus_is_refused(wrong: str):
    with pytest.raises(ValueError, match="worker_cpus"):
        settings(worker_cpus=wrong)


def test_what_a_plain_avx2_processor_costs_is_logged(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("flags\t\t: fpu sse4_2 avx avx2 fma\n")
    with capture_logs() as said:
        warn_of_processor(read_features(cpuinfo), {"int8"})
    assert [line["log_level"] for line in said] == ["warning", "warning"]
    assert "no AVX-512: every model runs" in said[0]["reason"]
    assert "no INT8 instructions" in said[1]["reason"]


def test_a_processor_that_has_everything_is_not_worth_a_word():
    with capture_logs() as said:
        warn_of_processor({"avx2", "avx512f", "avx512_vnni"}, {"int8"})
    assert said == []
