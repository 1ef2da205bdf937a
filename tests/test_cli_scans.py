"""The command line on folders and globs, with checkpoints, and on counts."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import askew
from askew import AttributeSets, cli

COLUMNS = ["--groups", "gender", "--attributes", "a,b,c", "--pred-attributes", "pa,pb,pc", "--pred-groups", "pg"]
LIMITS = ["--resamples", "200", "--min-count", "5"]
pytestmark = pytest.mark.filterwarnings("ignore:Multi:askew.AskewWarning")


def table(n: int, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    columns = {name: rng.random(n) < 0.4 for name in ("a", "b", "c", "pa", "pb", "pc")}
    labels = {name: rng.choice(["female", "male"], n) for name in ("gender", "pg")}
    return pa.table({**columns, **labels, "id": rng.permutation(n)})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Train and test in one file each, and the same rows in folders of several."""
    monkeypatch.chdir(tmp_path)
    for name, n, seed in [("train", 3000, 1), ("test", 2000, 2)]:
        whole = table(n, seed)
        pq.write_table(whole, f"{name}.parquet")
        (tmp_path / name).mkdir()
        for part in range(4):
            pq.write_table(whole.slice(part * n // 4, n // 4), f"{name}/{part}.parquet", row_group_size=100)
    return tmp_path


def result(capsys, *argv: str) -> dict:
    assert cli.main([*argv, "--json", "-", "--quiet"]) == 0
    return json.loads(capsys.readouterr().out)


def paths(train: str, test: str, pred: str) -> list[str]:
    return ["audit", "--train", train, "--test", test, "--pred", pred, *COLUMNS, *LIMITS]


@pytest.mark.parametrize("checkpoint", [[], ["--checkpoint", "kept"]])
def test_folders_and_globs_are_audited_as_one_file_is(folder, capsys, checkpoint):
    expected = result(capsys, *paths("train.parquet", "test.parquet", "test.parquet"))
    assert result(capsys, *paths("train", "test/*.parquet", "test/*.parquet"), *checkpoint) == expected
    parts = [f"test/{part}.parquet" for part in range(4)]
    argv = ["audit", "--train", "train", "--test", *parts, "--pred", *parts, *COLUMNS, *LIMITS, *checkpoint]
    assert result(capsys, *argv) == expected


def test_predictions_are_joined_by_id(folder, capsys):
    expected = result(capsys, *paths("train.parquet", "test.parquet", "test.parquet"))
    test = pq.read_table("test.parquet")
    (folder / "pred").mkdir()
    order = np.random.default_rng(5).permutation(len(test))
    pq.write_table(test.take(pa.array(order)), "pred/all.parquet", row_group_size=300)
    assert result(capsys, *paths("train", "test", "pred"), "--id", "id") == expected


def test_progress_is_told_in_rows(folder, capsys):
    argv = [*paths("train", "test", "test"), "--checkpoint", "kept", "--progress"]
    assert cli.main(argv) == 0
    err = capsys.readouterr().err
    assert re.search(r"100%\|.*\| 5\.00k of 5\.00k rows, .*rows/s, \d\d:\d\d<", err)


def test_a_broken_file_is_named_or_skipped(folder, capsys):
    (folder / "train" / "2.parquet").write_bytes(b"PAR1 and nothing else")
    argv = paths("train", "test", "test")
    assert cli.main(argv) == 2
    assert "train/2.parquet cannot be read" in capsys.readouterr().err
    skipping = result(capsys, *argv, "--on-error", "skip")
    assert skipping["run"]["n_train"] == 2250
    assert cli.main([*argv, "--on-error", "skip"]) == 0
    assert "were skipped: train/2.parquet cannot be read" in capsys.readouterr().err


def test_counts_are_merged_and_evaluated(folder, capsys):
    def scan(name, columns, groups, like=None):
        names = {"like": like} if like is not None else {}
        return askew.Annotations.scan(name, attributes=columns, groups=groups, **names)

    train = scan("train", ["a", "b", "c"], "gender")
    test, pred = scan("test", ["a", "b", "c"], "gender", train), scan("test", ["pa", "pb", "pc"], "pg", train)
    sets = AttributeSets.singletons(train) | AttributeSets.subsets(train, test, min_count=5)
    how = {"n_resamples": 200, "rng": 0}
    askew.count(train, sets, **how).save("train.counts")
    for part, rows in enumerate([(0, 700), (700, 2000)]):
        askew.count(test, sets, pred=pred, rows=rows, **how).save(f"test-{part}.counts")
    expected = result(capsys, *paths("train", "test", "test"))
    parts = ["test-0.counts", "test-1.counts"]
    assert result(capsys, "evaluate", "--train", "train.counts", "--test", *parts)["metrics"] == expected["metrics"]
    assert cli.main(["merge", *parts, "--output", "test.counts"]) == 0
    assert "rows 0 to 1,999 of test" in capsys.readouterr().out
    assert (
        result(capsys, "evaluate", "--train", "train.counts", "--test", "test.counts")["metrics"] == expected["metrics"]
    )
    with pytest.raises(SystemExit):  # needs distinct rows, which counts have not
        cli.main(["evaluate", "--train", "train.counts", "--test", "test.counts", "--method", "BCa"])
    assert "invalid choice: 'BCa'" in capsys.readouterr().err
    assert cli.main(["merge", *parts, *parts, "--output", "twice.counts"]) == 2
    assert "test-0.counts: these counts cannot be added: both contain rows 0 to 699" in capsys.readouterr().err
    assert not (folder / "twice.counts").exists()
