"""What is said about processors that lack something."""

import pytest

from bundles.processor import read_features, read_instruction_sets, shortcomings

SERVER = {"avx2", "avx512f", "avx512_vnni", "avx512_bf16"}
DESKTOP = {"avx2", "avx_vnni"}
OLD = {"sse4_2", "avx", "avx2"}


@pytest.mark.parametrize(
    ("features", "precisions", "topics"),
    [
        (SERVER, {"int8"}, []),
        (SERVER, {"bf16"}, []),
        (DESKTOP, {"int8"}, ["no AVX-512"]),
        (DESKTOP, {"bf16"}, ["no AVX-512", "no BF16"]),
        (OLD, {"fp32"}, ["no AVX-512"]),
        (OLD, {"int8-qat"}, ["no AVX-512", "no INT8"]),
        ({"avx512f"}, {"int8"}, ["no INT8"]),
        ({"avx512f"}, {"fp16", "int8"}, ["no INT8"]),
        ({"avx512f"}, {"bf16", "int8"}, ["no INT8", "no BF16"]),
        ({"avx512f"}, {"fp16", "float"}, []),
        ({"avx512f", "amx_int8", "amx_bf16"}, {"bf16"}, []),
        (set(), {"int8"}, []),
    ],
)
def test_what_is_missing_is_said_and_that_it_works(features, precisions, topics):
    sentences = shortcomings(features, precisions)
    assert len(sentences) == len(topics)
    for sentence, topic in zip(sentences, topics, strict=True):
        assert topic in sentence
        assert "works" in sentence or "runs" in sentence


def test_features_are_read_as_linux_writes_them(tmp_path):
    file = tmp_path / "cpuinfo"
    file.write_text("processor\t: 0\nmodel name\t: A CPU\nflags\t\t: fpu avx2 avx512f\n\n" * 2)
    assert read_features(file) == {"fpu", "avx2", "avx512f"}


@pytest.mark.parametrize("text", ["", "Features\t: asimd bf16\n"])
def test_other_systems_say_nothing(tmp_path, text):
    file = tmp_path / "cpuinfo"
    file.write_text(text)
    assert read_features(file) == frozenset()
    assert read_features(tmp_path / "absent") == frozenset()


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        (
            "model name\t: KVM\nflags\t\t: fpu sse4_2 avx avx2 fma f16c md_clear hypervisor\n",
            ("avx", "avx2", "f16c", "fma", "sse4_2"),
        ),
        (
            "flags: avx512f avx512_bf16 amx_bf16 amx_tile rdtscp\n",
            ("amx_bf16", "amx_tile", "avx512_bf16", "avx512f"),
        ),
        (
            "Features\t: fp asimd crc32 fphp asimdhp sve bf16\n",
            ("asimd", "asimdhp", "bf16", "fphp", "sve"),
        ),
        ("", ()),
    ],
)
def test_only_instruction_sets_of_kernels_are_told(tmp_path, cpuinfo: str, expected):
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    assert read_instruction_sets(tmp_path / "cpuinfo") == expected
