"""Every setting is described, and named where people look for it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from core.settings import (
    Settings,
    describe_invalid_settings,
    describe_unused_bundle,
    unknown_settings,
)

ROOT = Path(__file__).parents[3]
NAMES = [f"PACKSHOT_{name.upper()}" for name in Settings.model_fields]


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_setting_has_a_sentence(name: str):
    description = Settings.model_fields[name].description
    assert description
    assert description.endswith(".")


@pytest.mark.parametrize("unit", ["seconds", "bytes"])
def test_the_sentence_names_the_unit_that_the_setting_has(unit: str):
    for name, field in Settings.model_fields.items():
        if name.endswith(f"_{unit}"):
            assert unit in (field.description or "").lower(), name


def test_the_example_names_every_setting_and_no_other():
    text = (ROOT / ".env.example").read_text()
    assert sorted(re.findall(r"^#?\s?(PACKSHOT_\w+)=", text, re.MULTILINE)) == sorted(NAMES)


def test_the_example_gives_the_defaults():
    text = (ROOT / ".env.example").read_text()
    given = dict(re.findall(r"^# (PACKSHOT_\w+)=(.*)$", text, re.MULTILINE))
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else str(field.default)
        assert given[f"PACKSHOT_{name.upper()}"] == default


def test_the_guide_explains_every_setting():
    text = (ROOT / "docs" / "settings.md").read_text()
    for name, field in Settings.model_fields.items():
        assert f"| `PACKSHOT_{name.upper()}` |" in text
        assert (field.description or "") in text


def test_the_guide_has_the_sections_of_the_code():
    text = (ROOT / "docs" / "settings.md").read_text()
    written = [
        [name.lower() for name in re.findall(r"^\| `PACKSHOT_(\w+)` \|", part, re.MULTILINE)]
        for part in text.split("\n## ")[1:]
    ]
    sections = [one for one in Settings.__bases__ if one is not BaseSettings]
    assert written == [list(section.model_fields) for section in sections]
    for section in sections:
        assert f"\n\n{section.__doc__}\n\n" in text


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("PACKSHOT_ROW_LIMITS", "PACKSHOT_ROW_LIMIT"),
        ("PACKSHOT_LEASE_SECS", "PACKSHOT_LEASE_SECONDS"),
        ("PACKSHOT_WATCH_DOG_SECONDS", "PACKSHOT_WATCHDOG_SECONDS"),
        ("packshot_inferense_threads", "PACKSHOT_INFERENCE_THREADS"),
        ("PACKSHOT_QQXZJ", None),
        ("PACKSHOT_", None),
    ],
)
def test_a_variable_that_is_no_setting_is_named_with_the_nearest_that_is(name, meant):
    assert unknown_settings({name: "1", "PATH": "/bin"}) == {name: meant}


def test_settings_in_any_case_and_what_the_command_reads_are_known():
    known = dict.fromkeys(NAMES, "1") | {name.lower(): "1" for name in NAMES}
    beside = {"PACKSHOT_URL": "http://here", "PACKSHOT_KEY": "k", "PACKSHOTS": "1"}
    assert unknown_settings(known | beside) == {}


def test_the_file_is_looked_through_too(tmp_path):
    file = tmp_path / ".env"
    file.write_text("# PACKSHOT_OFF=1\nPACKSHOT_BUNDEL=/x\nPACKSHOT_BUNDLE=/y\nOTHER=1\n")
    assert unknown_settings({}, file) == {"PACKSHOT_BUNDEL": "PACKSHOT_BUNDLE"}
    assert unknown_settings({}, tmp_path / "none") == {}


def test_a_process_names_them_at_its_start_and_goes_on(tmp_path):
    (tmp_path / ".env").write_text("PACKSHOT_BUNDEL=/x\n")
    # Postgres is nowhere, so it ends soon.
    environment = {
        "PYTHONPATH": str(ROOT),
        "PACKSHOT_DATABASE_URL": "postgresql+psycopg://packshot@127.0.0.1:1/packshot",
        "PACKSHOT_ROW_LIMITS": "4",
    }
    process = subprocess.run(
        [sys.executable, "-m", "api"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if "PACKSHOT" not in name}
        | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "PACKSHOT_BUNDEL is no setting and is ignored; did you mean PACKSHOT_BUNDLE?" in (
        process.stderr
    )
    assert "did you mean PACKSHOT_ROW_LIMIT?" in process.stderr
    assert "Postgres at 127.0.0.1:1 does not answer" in process.stderr


def settings(**values: object) -> Settings:
    return Settings(_env_file=None, **values)  # type: ignore[call-arg, arg-type]


@pytest.mark.parametrize(
    ("lease", "heartbeat", "watchdog"),
    [(60, 1, 300), (2, 1, 300), (0.2, 0.1, 0.1), (600, 1, 300), (10, 1, 10)],
)
def test_leases_that_outlive_heartbeats_are_accepted(
    lease: float, heartbeat: float, watchdog: float
):
    made = settings(lease_seconds=lease, heartbeat_seconds=heartbeat, watchdog_seconds=watchdog)
    assert made.lease_seconds == lease


@pytest.mark.parametrize(
    "values",
    [
        {"lease_seconds": 1.5},
        {"heartbeat_seconds": 60},
        {"heartbeat_seconds": 30.5},
        {"watchdog_seconds": 0.5},
        {"lease_seconds": 20, "heartbeat_seconds": 10, "watchdog_seconds": 9},
    ],
)
def test_leases_that_healthy_workers_would_lose_are_refused(
    values: dict[str, float], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PACKSHOT_S3_SECRET_ACCESS_KEY", "only-ours")
    with pytest.raises(ValidationError) as refused:
        settings(**values)
    message = str(refused.value)
    for name in ("LEASE", "HEARTBEAT", "WATCHDOG"):
        assert f"PACKSHOT_{name}_SECONDS" in message
    assert "only-ours" not in message


@pytest.mark.parametrize("name", ["lease_seconds", "heartbeat_seconds", "watchdog_seconds"])
@pytest.mark.parametrize("value", [float("inf"), float("nan"), 0])
def test_a_time_without_end_is_refused(name: str, value: float):
    with pytest.raises(ValidationError, match=name):
        settings(**{name: value})


@pytest.mark.parametrize("ports", ["80,443", "1-65535", "8000-8000"])
def test_ports_of_urls_are_accepted(ports: str):
    assert settings(outbound_ports=ports).outbound_ports == ports


@pytest.mark.parametrize(
    "values",
    [
        {"api_port": 0},
        {"api_port": 65536},
        {"worker_metrics_port": 65536},
        {"outbound_ports": "80,70000"},
        {"outbound_ports": "0"},
        {"outbound_ports": "9000-8000"},
    ],
)
def test_ports_that_do_not_exist_are_refused(values: dict[str, object]):
    with pytest.raises(ValidationError, match=next(iter(values))):
        settings(**values)


@pytest.mark.parametrize("level", ["warning", "WARNING"])
def test_a_log_level_is_one_in_any_case(level: str):
    assert settings(log_level=level).log_level == "WARNING"


def test_a_log_level_that_does_not_exist_is_refused():
    with pytest.raises(ValidationError, match="log_level"):
        settings(log_level="VERBOSE")


@pytest.mark.parametrize("name", ["broker_url", "rate_limit_url"])
@pytest.mark.parametrize(
    "url", ["amqp://shop:only-ours@rabbit:5672//", "memory://", "valkey://host", "host:6379"]
)
def test_another_broker_than_redis_is_refused_and_no_password_is_said(name: str, url: str):
    with pytest.raises(ValidationError) as refused:
        Settings(_env_file=None, **{name: url})  # type: ignore[call-arg, arg-type]
    assert "only-ours" not in str(refused.value)
    (sentence,) = describe_invalid_settings(refused.value)
    assert sentence.startswith(f"PACKSHOT_{name.upper()}: give the address of a Redis or Valkey")
    assert "only-ours" not in sentence


@pytest.mark.parametrize("url", ["redis://127.0.0.1:6379/0", "rediss://:secret@broker/1"])
def test_redis_and_valkey_are_accepted(url: str):
    made = Settings(_env_file=None, broker_url=url, rate_limit_url=url)
    assert made.broker_url == made.rate_limit_url == url


@pytest.mark.parametrize("process", ["api", "ops.housekeeping"])
def test_a_process_refuses_another_broker_in_a_sentence(process: str, tmp_path: Path):
    environment = {"PYTHONPATH": str(ROOT), "PACKSHOT_BROKER_URL": "amqp://shop:secret@rabbit//"}
    refused = subprocess.run(
        [sys.executable, "-m", process],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if "PACKSHOT" not in name}
        | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert refused.returncode != 0
    assert "PACKSHOT_BROKER_URL: give the address of a Redis or Valkey" in refused.stderr
    assert "there is no other broker." in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "secret" not in refused.stderr


def read_models(**given):
    return Settings(_env_file=None, **given).models


def test_without_models_there_is_one_called_default():
    assert read_models() == {"default": Path(".packshot/bundles/starter")}
    assert read_models(bundle="/b") == {"default": Path("/b")}
    assert read_models(bundle="/b", models=" , ") == {"default": Path("/b")}


def test_models_keep_their_order_and_the_bundle_counts_for_nothing(monkeypatch):
    monkeypatch.setenv("PACKSHOT_MODELS", "studio = /m/a=b, a.b-2_c=~/c,")
    models = read_models(bundle="/b")
    assert list(models.items()) == [
        ("studio", Path("/m/a=b")),
        ("a.b-2_c", Path("~/c").expanduser()),
    ]
    (sentence,) = describe_unused_bundle(Settings(_env_file=None, bundle="/b"))
    assert "PACKSHOT_BUNDLE is ignored" in sentence
    assert "studio, a.b-2_c" in sentence
    assert not describe_unused_bundle(Settings(_env_file=None, bundle="/m/../m/a=b"))
    assert not describe_unused_bundle(Settings(_env_file=None))


def test_models_that_draw_masked_rows_are_named_by_models(monkeypatch):
    monkeypatch.setenv("PACKSHOT_MODELS", "a=/a,b=/b")
    assert Settings(_env_file=None).inpainting_models == {}
    monkeypatch.setenv("PACKSHOT_INPAINTING_MODELS", " a = b ,")
    assert Settings(_env_file=None).inpainting_models == {"a": "b"}


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("a", "'a' is not two models' names: write starter=inpaint"),
        ("a=c", "There is no model 'c': name those of PACKSHOT_MODELS (a, b)"),
        ("c=a", "There is no model 'c'"),
    ],
)
def test_models_for_masked_rows_that_are_none_are_explained(written, reason):
    with pytest.raises(ValidationError) as failed:
        Settings(_env_file=None, models="a=/a,b=/b", inpainting_models=written)
    (sentence,) = describe_invalid_settings(failed.value)
    assert sentence.startswith("PACKSHOT_INPAINTING_MODELS: ")
    assert reason in sentence


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("/models/a", "is not a model's name and folder"),
        ("a=", "is not a model's name and folder"),
        ("Studio=/a", "'Studio' cannot be a model's name"),
        ("=/a", "'' cannot be a model's name"),
        (f"{'a' * 65}=/a", "at most 64"),
        ("a=/a,b=/b,a=/c", "Two models are called 'a'"),
    ],
)
def test_models_that_cannot_be_read_are_explained(written, reason):
    with pytest.raises(ValidationError) as failed:
        read_models(models=written)
    (sentence,) = describe_invalid_settings(failed.value)
    assert sentence.startswith("PACKSHOT_MODELS: ")
    assert reason in sentence


def test_images_of_the_largest_models_own_size_are_decoded_whole():
    assert Settings().decode_tile >= 1024
