"""`packshot model requeue`, against a real database."""

from dataclasses import replace

import pytest

from cli.main import main
from core.domain.photograph_spec import PhotographSpec
from core.domain.states import JobState
from core.lifecycle import serving
from tests.integration.api.conftest import describe_bundle
from tests.integration.shop import Shop, wanted

OLD = "a" * 64
NEW = "b" * 64


@pytest.fixture
def shop(database):
    return Shop(database, bundle_revision=OLD)


@pytest.fixture
def run(settings, tmp_path, monkeypatch, capsys):
    """Run the command on the test's database; give exit code, standard output and error."""
    describe_bundle(tmp_path / "bundle", revision="b")
    monkeypatch.setenv("PACKSHOT_BUNDLE", str(tmp_path / "bundle"))

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["packshot", "model", "requeue", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_without_a_revision_it_lists_what_waits_and_for_whom(run, shop, database):
    shop.want("mug", "cup")
    Shop(database, bundle_revision=NEW).want("mug")
    with database.session() as session:
        serving.announce(session, "w", {NEW})
    code, out, _ = run()
    lines = [line.split() for line in out.splitlines()]
    assert code == 0
    assert [OLD[:16], "–", "2", "0"] in lines
    assert [NEW[:16], "default", "1", "1"] in lines


def test_it_queues_for_the_bundle_of_the_settings(run, shop):
    (job, odd) = shop.want("mug", wanted("cup", width=8)).job_ids
    code, _, err = run("aaaa")
    assert code == 0
    assert "Images: 1 queued for the new model" in err
    assert "1 failed" in err
    assert shop.generation(shop.generation_of(job)).bundle_revision == NEW
    assert shop.job(odd).error_code == "model_replaced"
    code, _, err = run("bbbb")
    assert code != 0
    assert "already" in err


def test_what_the_new_bundle_cannot_make_fails_with_the_reason(run, shop, tmp_path):
    begun = PhotographSpec(source="ab" * 32, strength=0.5)
    edit = replace(wanted("mug"), spec=wanted("mug").spec.over(begun))
    slow = wanted("cup", scheduler="ddim", steps=5000)
    jobs = shop.want("jar", edit, slow).job_ids
    (tmp_path / "bundle" / "vae_decoder").mkdir()
    code, _, err = run("aaaa")
    assert code == 0
    assert "Images: 1 queued for the new model" in err
    assert "2 failed" in err
    reasons = [shop.job(one).error_message for one in jobs]
    assert reasons[0] is None
    assert "has no encoder of images to begin with" in reasons[1]
    assert "does not work with ddim in 5000 steps" in reasons[2]


def test_it_queues_for_the_model_that_is_named(run, shop, tmp_path, monkeypatch):
    (job,) = shop.want("mug").job_ids
    describe_bundle(tmp_path / "proof", revision="c")
    models = f"studio={tmp_path / 'bundle'},proof={tmp_path / 'proof'}"
    monkeypatch.setenv("PACKSHOT_MODELS", models)
    assert run("aaaa", "--to", "proof")[0] == 0
    assert shop.generation(shop.generation_of(job)).bundle_revision == "c" * 64
    assert (shop.job(job).model, shop.job(job).bundle_revision) == ("proof", "c" * 64)
    lines = [line.split() for line in run()[1].splitlines()]
    assert ["c" * 16, "proof", "1", "0"] in lines


def test_it_fails_what_waits(run, shop):
    (job,) = shop.want("mug").job_ids
    assert run(OLD, "--fail", "--to", "x")[0] != 0
    code, _, err = run(OLD, "--fail")
    assert (code, "Images: 1 failed" in err) == (0, True)
    assert shop.job(job).state is JobState.FAILED


def test_a_revision_that_nothing_waits_for_is_answered_with_those_that_are(run, shop):
    shop.want("mug")
    code, _, err = run("cccc")
    assert code != 0
    assert OLD[:16] in err
    assert shop.generations()[0].bundle_revision == OLD
