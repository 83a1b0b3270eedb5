"""`packshot cache`, against a real database."""

import pytest

from cli.main import main
from core.domain.states import CacheOutcome


@pytest.fixture
def run(settings, monkeypatch, capsys):
    """Run the command on the test's database; give exit code, standard output and error."""

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["packshot", "cache", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_the_table_has_a_line_for_every_cache(run, store, shop):
    store.make("red mug", size=2**20)
    for _ in range(3):
        shop.want("red mug")
    shop.want("red mug", tenant="other")
    code, out, err = run("stats")
    assert code == 0
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert set(lines) == {"cache", "result", "in_flight", "approximate"}
    assert "60.0%" in lines["result"]
    assert "1 in 1.0 MiB" in lines["result"]
    assert err.startswith("Figures of 5 jobs submitted since 2")
    _, out, err = run("stats", "--tenant", "shop")
    assert "75.0%" in out
    assert err.startswith("Figures of 4 jobs")
    assert run("stats", "--tenant", "nobody")[2] == "Figures of 0 jobs.\n"


def test_a_purge_says_how_much_answers_no_more(run, store, shop):
    store.make("red mug")
    store.make("blue mug", tenant="other")
    code, _, err = run("purge", "--tenant", "shop", "--prompt", "RED mug")
    assert (code, "1 images" in err) == (0, True)
    (job,) = shop.want("red mug").job_ids
    assert shop.job(job).cache is CacheOutcome.MISS
    assert run("purge", "--all")[2].startswith("1 images")


@pytest.mark.parametrize("arguments", [[], ["--all", "--tenant", "shop"]])
def test_a_purge_must_say_what_it_means(run, arguments):
    code, _, err = run("purge", *arguments)
    assert code == 1
    assert "--tenant, --revision and --prompt, or give --all alone" in err
