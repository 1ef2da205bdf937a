"""The command line says what the Python API says, on stdout, and what went wrong on stderr."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import askew
from askew import cli

pytestmark = pytest.mark.filterwarnings("ignore:.*interval too high:askew.AskewWarning")  # of noise, as here

pytest.importorskip("narwhals")
pyarrow = pytest.importorskip("pyarrow")
csv_format = pytest.importorskip("pyarrow.csv")
parquet_format = pytest.importorskip("pyarrow.parquet")

ATTRIBUTES = ["cup", "tie", "dog"]


def start(*argv: str, stdout: object = subprocess.PIPE) -> subprocess.Popen:
    """The command in a process of its own, which imports what this one does."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    if find_spec("askew._core") is None:
        env["ASKEW_BACKEND"] = "numba" if find_spec("numba") else "numpy"  # asked for, so that it is not warned of
    command = [sys.executable, "-m", "askew", *argv]
    return subprocess.Popen(command, env=env, stdout=stdout, stderr=subprocess.PIPE, text=True)


def run(*argv: str, stdout: object = subprocess.PIPE) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    process = start(*argv, stdout=stdout)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def table(n: int, seed: int) -> pyarrow.Table:
    """Attributes as columns and as tags, groups as labels and as columns, for n instances."""
    rng = np.random.default_rng(seed)
    bits = rng.random((n, 3)) < [0.5, 0.3, 0.4]
    female = rng.random(n) < 0.5
    columns = dict(zip(ATTRIBUTES, bits.T, strict=True))
    columns["objects"] = [[a for a, bit in zip(ATTRIBUTES, row, strict=True) if bit] for row in bits]
    columns["gender"] = np.where(female, "female", "male").astype(object)
    columns["female"], columns["male"] = female.astype(int), (~female).astype(int)
    columns["id"] = [f"image{i}" for i in range(n)]
    return pyarrow.table(columns)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder with train, test and pred, in Parquet and in CSV."""
    monkeypatch.chdir(tmp_path)
    for name, n, seed in [("train", 300, 1), ("test", 200, 2), ("pred", 200, 3)]:
        save(table(n, seed), name)
        csv_format.write_csv(table(n, seed).drop_columns("objects"), f"{name}.csv")
    return tmp_path


def save(data: pyarrow.Table, name: str) -> None:
    parquet_format.write_table(data, f"{name}.parquet")


def files(kind: str = "parquet") -> list[str]:
    return [text for name in ("train", "test", "pred") for text in (f"--{name}", f"{name}.{kind}")]


TAGS = [*files(), "--groups", "gender", "--tags", "objects", "--resamples", "200"]


def audit(*argv: str) -> int:
    return cli.main(["audit", *argv])


def result(capsys, *argv: str) -> dict:
    """The JSON of an audit that goes well."""
    assert audit(*argv, "--json", "-") == 0
    return json.loads(capsys.readouterr().out)


def error(capsys, *argv: str) -> str:
    """The message of an audit of bad input: one line, no traceback, nothing on stdout."""
    try:
        code = audit(*argv)
    except SystemExit as stop:  # from argparse
        code = stop.code
    out, err = capsys.readouterr()
    assert code == 2
    assert out == ""
    *log, message = err.splitlines()
    assert all(line.startswith("askew: ") for line in log)
    assert message.startswith("askew: error: ")
    return message


def expected(**options) -> dict:
    """What the Python API says about the tables of `folder`."""
    train = askew.Annotations.from_parquet("train.parquet", tags="objects", groups="gender")
    test, pred = (
        askew.Annotations.from_parquet(f"{name}.parquet", tags="objects", groups="gender", like=train)
        for name in ("test", "pred")
    )
    return json.loads(askew.audit(train, test, pred, **{"n_resamples": 200, "rng": 0, **options}).to_json())


def metrics(result: dict) -> dict:
    return result["metrics"]


# ---- Audits


def test_data_on_stdout_and_log_on_stderr(folder):
    code, out, err = run("audit", *TAGS)
    assert code == 0
    assert out.startswith("metric ")
    assert "Multi_M->G" in out
    assert "200 poisson replicates" in out
    *read, warning = err.splitlines()
    assert [line.split(":")[:2] for line in read] == [
        ["askew", f" {name}.parquet"] for name in ("train", "test", "pred")
    ]
    assert warning.startswith("askew: warning: Multi_")
    assert "interval too high" in warning
    assert "groups: female, male" in err


def test_json_is_that_of_the_python_api(folder, capsys):
    assert result(capsys, *TAGS) == expected()


def test_options_reach_the_audit(folder, capsys):
    options = {
        "sets": "observed",
        "max_size": 2,
        "min_count": 5,
        "support": "any",
        "max_sets": 50,
        "convention": "reference",
        "n_resamples": 150,
        "confidence_level": 0.9,
        "method": "basic",
        "resample": "test",
        "weights": "poisson32",
        "backend": "numpy",
    }
    flags = {name.replace("n_resamples", "resamples").replace("_", "-"): value for name, value in options.items()}
    argv = [text for flag, value in flags.items() for text in (f"--{flag}", str(value))]
    got = result(capsys, *TAGS, *argv, "--seed", "7", "--threads", "2", "--max-memory", "512MiB")
    assert got == expected(**options, rng=7)
    assert got["run"]["seed"] == 7


@pytest.mark.parametrize(
    "columns",
    [
        ["--groups", "gender", "--attributes", "cup,tie,dog"],
        ["--groups", "female", "male", "--attributes", "cup", "tie,dog"],
        ["--groups", "gender", "--pred-groups", "female,male", "--attributes", *ATTRIBUTES],
    ],
)
@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_every_form_of_the_tables_says_the_same(folder, capsys, kind, columns):
    got = metrics(result(capsys, *files(kind), *columns, "--resamples", "100", "--max-size", "1"))
    tags = metrics(result(capsys, *TAGS, "--resamples", "100", "--max-size", "1"))
    assert got.keys() == tags.keys()
    for name, estimate in got.items():  # sums over sets in another order
        assert estimate["value"] == pytest.approx(tags[name]["value"])
        assert estimate["confidence_interval"] == pytest.approx(tags[name]["confidence_interval"])


def test_strata_and_clusters_in_columns(folder, capsys):
    people = {name: [f"person {i // 3}" for i in range(n)] for name, n in (("train", 300), ("test", 200))}
    cities = {name: ["north" if int(p.split()[1]) % 4 else "south" for p in who] for name, who in people.items()}
    for name in people:
        data = parquet_format.read_table(f"{name}.parquet")
        save(data.append_column("person", [people[name]]).append_column("city", [cities[name]]), name)
    wanted = expected(weights="multinomial", strata=cities, clusters=people)
    given = ["--weights", "multinomial", "--strata", "city", "--clusters", "person"]
    found = result(capsys, *TAGS, *given)
    assert found == wanted
    assert found["run"]["n_clusters"] == {"train": 100, "test": 67}
    assert audit(*TAGS, *given) == 0
    assert "in clusters (100 of train, 67 of test) within strata (2 of train, 2 of test)" in capsys.readouterr().out
    assert "train.parquet" in error(capsys, *TAGS, "--clusters", "nobody")
    only_test = result(capsys, *TAGS, "--clusters", "person", "--resample", "test")
    assert only_test == expected(clusters=people["test"], resample="test")


def test_tags_with_groups_in_columns(folder, capsys):
    got = result(capsys, *files(), "--groups", "female,male", "--tags", "objects", "--resamples", "200")
    assert got == expected()


def test_truth_as_tags_and_predictions_as_columns(folder, capsys):
    assert result(capsys, *TAGS, "--pred-attributes", *sorted(ATTRIBUTES)) == expected()


def test_predictions_in_other_columns_of_the_test_table(folder, capsys):
    test, pred = table(200, 2), table(200, 3)
    for name in ("objects", "gender", *ATTRIBUTES):
        test = test.append_column(f"{name}_hat", pred[name])
    save(test, "both")
    argv = ["--train", "train.parquet", "--test", "both.parquet", "--pred", "both.parquet", "--groups", "gender"]
    argv += ["--resamples", "200", "--pred-groups", "gender_hat"]
    assert result(capsys, *argv, "--tags", "objects", "--pred-tags", "objects_hat") == expected()
    hats = [f"{name}_hat" for name in sorted(ATTRIBUTES)]
    assert result(capsys, *argv, "--attributes", *sorted(ATTRIBUTES), "--pred-attributes", *hats) == expected()


@pytest.mark.parametrize("columns", [["--tags", "objects"], ["--attributes", *ATTRIBUTES]])
def test_a_model_that_predicts_no_groups(folder, capsys, columns):
    save(table(200, 3).drop_columns(["gender", "female", "male"]), "pred")
    given = [*files(), "--groups", "gender", *columns, "--resamples", "0", "--quiet", "--json", "-"]
    assert audit(*given) == 2
    assert "gender" in capsys.readouterr().err
    assert audit(*given, "--test-groups") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["metrics"]["BiasAmp_T->A"]["value"] == 0
    assert result["metrics"]["BA_MALS"]["value"] != 0


def test_predictions_that_are_the_truth_by_mistake(folder, capsys):
    assert "--pred-tags" in error(capsys, *TAGS, "--pred", "test.parquet")


def test_quiet_and_warnings(folder, capsys):
    assert audit(*TAGS, "--resamples", "20") == 0
    assert "\naskew: warning: 20 replicates are too few" in capsys.readouterr().err
    assert audit(*TAGS, "--resamples", "20", "--quiet") == 0
    assert capsys.readouterr().err == ""


def test_progress_needs_tqdm(folder, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert "needs tqdm" in error(capsys, *TAGS, "--progress")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert audit(*TAGS) == 0


def test_progress_bar_on_stderr(folder, capsys):
    pytest.importorskip("tqdm")
    assert audit(*TAGS, "--progress", "--json", "-") == 0
    out, err = capsys.readouterr()
    assert "%|" in err
    json.loads(out)


# ---- Instances joined by id


def test_id_joins_predictions_in_any_order(folder, capsys):
    wanted = expected()
    save(table(200, 3).take(np.random.default_rng(0).permutation(200)), "pred")
    assert result(capsys, *TAGS) != wanted
    assert result(capsys, *TAGS, "--id", "id") == wanted
    columns = ["--groups", "gender", "--attributes", *sorted(ATTRIBUTES), "--resamples", "200"]
    assert result(capsys, *files(), *columns, "--id", "id") == wanted


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (range(199), "pred.parquet: column 'id': ids of the reference are missing: 'image199'"),
        ([*range(199), 0], "pred.parquet: column 'id': ids: rows 0 and 199 have the same id 'image0'"),
    ],
)
def test_ids_that_do_not_join(folder, capsys, rows, message):
    save(table(200, 3).take(list(rows)), "pred")
    assert message in error(capsys, *TAGS, "--id", "id")


@pytest.mark.parametrize("columns", [TAGS, ["--groups", "gender", "--attributes", *ATTRIBUTES]])
def test_rows_that_are_joined_have_their_numbers_in_the_file(folder, capsys, columns):
    pred = table(200, 3)
    genders = pred["gender"].to_pylist()
    genders[3] = "femal"
    pred = pred.set_column(pred.schema.get_field_index("gender"), "gender", [genders])
    save(pred.take([*range(100, 200), *range(100)]), "pred")
    assert "row 103 has the label 'femal'" in error(capsys, *files(), *columns, "--id", "id")


def test_same_id_twice_in_test(folder, capsys):
    save(table(200, 2).take([*range(199), 0]), "test")
    assert "test.parquet: ids: rows 0 and 199" in error(capsys, *TAGS, "--id", "id")


def test_other_number_of_instances_without_ids(folder, capsys):
    save(table(199, 3), "pred")
    assert "200 and 199 instances" in error(capsys, *TAGS)


# ---- Vocabularies


def test_unknown_tags(folder, capsys):
    known = metrics(expected())
    pred = table(200, 3)
    tags = pred["objects"].to_pylist()
    tags[4].append("unicorn")
    save(pred.set_column(pred.schema.get_field_index("objects"), "objects", [tags]), "pred")
    message = error(capsys, *TAGS)
    assert "pred.parquet: " in message
    assert "row 4 has the tag 'unicorn'" in message
    assert metrics(result(capsys, *TAGS, "--unknown-tags", "ignore")) == known


def test_vocabulary_file(folder, capsys):
    Path("tags.txt").write_text("\ufeffdog\ncup\r\n\ntie\nzebra\n", encoding="utf-8")
    assert audit(*TAGS, "--vocabulary", "tags.txt", "--max-size", "1", "--cells", "-") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {row["set"] for row in rows} == {"dog", "cup", "tie", "zebra"}
    Path("tags.txt").write_text("dog\ncup\n", encoding="utf-8")
    assert "'tie', which was not declared" in error(capsys, *TAGS, "--vocabulary", "tags.txt")
    assert "no_such.txt cannot be read" in error(capsys, *TAGS, "--vocabulary", "no_such.txt")
    Path("tags.txt").write_bytes(b"\xff\xfe\xfa")
    assert "tags.txt cannot be read" in error(capsys, *TAGS, "--vocabulary", "tags.txt")
    argv = [*files(), "--groups", "gender", "--attributes", "cup", "--vocabulary", "tags.txt"]
    assert "it goes with --tags" in error(capsys, *argv)


def test_group_that_train_does_not_have(folder, capsys):
    save(table(200, 2).set_column(4, "gender", [["other"] * 200]), "test")
    assert "test.parquet: groups: row 0 has the label 'other'" in error(capsys, *TAGS)


# ---- Outputs


def test_output_files(folder, capsys):
    assert audit(*TAGS, "--json", "a.json", "--csv", "a.csv", "--cells", "cells.csv") == 0
    assert capsys.readouterr().out.startswith("metric ")
    wanted = expected()
    assert json.loads(Path("a.json").read_text()) == wanted
    rows = list(csv.DictReader(Path("a.csv").read_text().splitlines()))
    assert {row["metric"]: float(row["value"]) for row in rows} == {
        name: estimate["value"] for name, estimate in metrics(wanted).items()
    }
    cells = list(csv.DictReader(Path("cells.csv").read_text().splitlines()))
    n_cells = {name: 2 * estimate["n_sets"] for name, estimate in metrics(wanted).items()}
    assert {name: sum(cell["metric"] == name for cell in cells) for name in n_cells} == n_cells
    columns = ["metric", "set", "group", "baseline", "predicted", "delta", "low", "high"]
    assert list(cells[0]) == [*columns, "standard_error", "p_value", "q_value", "p_adjusted"]


def test_outputs_replace_what_stands_there_and_follow_links(folder):
    Path("real.json").write_text("old")
    Path("link.json").symlink_to("real.json")
    assert audit(*TAGS, "--json", "link.json") == 0
    assert Path("link.json").is_symlink()
    assert json.loads(Path("real.json").read_text()) == expected()


def test_output_on_stdout_is_all_there_is(folder, capsys):
    for output, n_columns in [("--csv", 13), ("--cells", 12)]:
        assert audit(*TAGS, output, "-", "--json", "also.json") == 0
        rows = list(csv.reader(capsys.readouterr().out.splitlines()))
        assert {len(row) for row in rows} == {n_columns}
        assert json.loads(Path("also.json").read_text()) == expected()


def test_two_outputs_in_one_place(folder, capsys):
    assert "--json and --csv" in error(capsys, *TAGS, "--json", "-", "--csv", "-")


@pytest.mark.parametrize("path", ["no_such_folder/a.json", "."])
def test_wrong_output_path_is_told_before_the_work(folder, capsys, monkeypatch, path):
    monkeypatch.setattr(cli, "audit", None)
    assert "cannot be written" in error(capsys, *TAGS, "--json", path)


def test_failures_leave_the_old_file_and_nothing_else(folder, capsys, monkeypatch):
    Path("a.json").write_text("old")
    before = sorted(os.listdir())
    error(capsys, *TAGS, "--json", "a.json", "--csv", "a.csv", "--train", "no_such.parquet")

    def full(self: askew.Audit) -> str:
        raise OSError("No space left on device")

    monkeypatch.setattr(askew.Audit, "to_csv", full)
    assert audit(*TAGS, "--cells", "cells.csv", "--csv", "a.csv") == 1
    assert capsys.readouterr().err.endswith("askew: error: No space left on device\n")
    assert sorted(os.listdir()) == before
    assert Path("a.json").read_text() == "old"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_devices_and_pipes_are_written_to(folder):
    with open("/dev/full", "w") as full:
        done = run("demo", "--resamples", "0", stdout=full)
    assert done == (1, None, "askew: error: [Errno 28] No space left on device\n")
    read, write = os.pipe()
    with open(read) as pipe:
        assert audit(*TAGS, "--json", f"/dev/fd/{write}") == 0  # as a shell does for >(command)
        os.close(write)
        assert json.load(pipe) == expected()


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
def test_broken_pipe_is_quiet(folder):
    read, write = os.pipe()
    os.close(read)
    try:
        assert run("audit", *TAGS, "--quiet", "--csv", "a.csv", stdout=write) == (0, None, "")
    finally:
        os.close(write)
    assert Path("a.csv").exists()


# ---- What goes wrong


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--train", "no_such.parquet"], "no_such.parquet: there is no such file"),
        (["--train", "train.txt"], "train.txt: expected a file that ends in"),
        (["--groups", "gendre"], "train.parquet has no column 'gendre'; did you mean 'gender'?"),
        (["--tags", "gender"], "expected a list of tags per instance"),
        (["--resamples", "-1"], "n_resamples must be a whole number from 0"),
        (["--resamples", "many"], "argument --resamples: invalid int value: 'many'"),
        (["--seed", "-1"], "argument --seed: expected a whole number from 0 to 2**64 - 1, not '-1'"),
        (["--seed", str(2**64)], "argument --seed: expected a whole number from 0"),
        (["--confidence-level", "95"], "confidence_level must be a number between 0 and 1"),
        (["--max-size", "0"], "max_size must be"),
        (["--threads", "0"], "n_threads must be"),
        (["--max-memory", "1GB"], "expected a size such as 1GiB"),
        (["--max-memory", "1KiB"], "max_memory must be"),
        (["--sets", "all"], "argument --sets: invalid choice: 'all'"),
        (["--method", "bca"], "argument --method: invalid choice: 'bca'"),
        (["--min-count", "1000"], "min_count"),
        (["--attributes", "cup"], "argument --attributes: not allowed with argument --tags"),
        (["--no-such-option"], "unrecognized arguments: --no-such-option"),
    ],
)
def test_bad_input(folder, capsys, argv, message):
    assert message in error(capsys, *TAGS, *argv)


def test_value_that_is_neither_0_nor_1_is_named(folder, capsys):
    test = table(200, 2)
    save(test.set_column(0, "cup", [[0] * 7 + [2] + [1] * 192]), "test")
    message = error(capsys, *files(), "--groups", "gender", "--attributes", *ATTRIBUTES)
    assert message.endswith("test.parquet: attributes: column 'cup', row 7 is 2; expected 0 or 1")


def test_truncated_parquet(folder):
    data = Path("pred.parquet").read_bytes()
    Path("pred.parquet").write_bytes(data[: len(data) // 2])
    code, out, err = run("audit", *TAGS, "--json", "a.json")
    assert (code, out) == (2, "")
    assert "askew: error: pred.parquet cannot be read" in err
    assert "Traceback" not in err
    assert not Path("a.json").exists()


def test_other_failures_are_1(folder, capsys, monkeypatch):
    for failure in (askew.BackendError("cannot run"), MemoryError(), OSError("disk")):

        def fail(*tables, failure=failure, **options):
            raise failure

        monkeypatch.setattr(cli, "audit", fail)
        assert audit(*TAGS) == 1
        assert "askew: error: " in capsys.readouterr().err


def test_interrupt(folder, capsys, monkeypatch):
    def interrupt(*tables, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "audit", interrupt)
    assert audit(*TAGS, "--json", "a.json") == 130
    assert capsys.readouterr().err.endswith("askew: interrupted\n")
    assert not [name for name in os.listdir() if name.startswith("a.json")]


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_in_a_process(folder):
    running = start("audit", *TAGS, "--resamples", "1000000", "--json", "a.json")
    lines = [running.stderr.readline() for _ in range(3)]  # the three tables are read
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert lines[2].startswith("askew: pred.parquet")
    assert (running.returncode, out, err) == (130, "", "askew: interrupted\n")
    assert not [name for name in os.listdir() if name.startswith("a.json")]


# ---- The other commands


def test_demo():
    code, out, err = run("demo")
    assert (code, err) == (0, "")
    for text in ("ProPublica", "Multi_G->M", "1,000 poisson replicates", "two_year_recid", "askew audit --train"):
        assert text in out


def test_demo_groups_and_json(tmp_path, capsys):
    assert cli.main(["demo", "--groups", "race", "--resamples", "100", "--seed", "3", "--json", "-"]) == 0
    wanted = askew.audit(*askew.datasets.load_compas("race"), n_resamples=100, rng=3)
    assert json.loads(capsys.readouterr().out) == json.loads(wanted.to_json())
    path = tmp_path / "demo.json"
    assert cli.main(["demo", "--resamples", "0", "--json", str(path)]) == 0
    assert "COMPAS" in capsys.readouterr().out
    assert json.loads(path.read_text())["run"]["n_resamples"] == 0


def test_info_and_version(capsys):
    assert cli.main(["info"]) == 0
    askew.show_config()
    first, second = np.array_split(capsys.readouterr().out.splitlines(), 2)
    assert first.tolist() == second.tolist()
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"askew {askew.__version__}\n"


@pytest.mark.parametrize("argv", [["--help"], ["audit", "--help"], ["demo", "--help"], ["info", "--help"]])
def test_help(capsys, argv):
    with pytest.raises(SystemExit, match="0"):
        cli.main(argv)
    assert "usage: askew" in capsys.readouterr().out


@pytest.mark.parametrize("argv", [[], ["no-such-command"], ["audit"], ["demo", "--groups", "age"]])
def test_wrong_arguments(argv):
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert err.startswith("askew: error: ")
    assert len(err.splitlines()) == 1


# ---- Scores


SCORES = ["--attributes", *ATTRIBUTES, "--groups", "gender", "--max-size", "1"]


@pytest.fixture
def scored(folder) -> Path:
    """The same, with scores in pred: in the columns of the attributes, and in others; 0.5 is among them."""
    rng = np.random.default_rng(4)
    data = table(200, 3)
    for position, name in enumerate(ATTRIBUTES):
        scores = pyarrow.array(rng.random(200).round(1))
        data = data.set_column(data.column_names.index(name), name, scores)
        data = data.append_column(f"score{position}", scores)
    save(data.select(data.column_names[::-1]), "pred")
    return folder


@pytest.mark.parametrize(
    "columns",
    [[], ["--pred-attributes", "dog,cup,tie"], ["--pred-attributes", "score0,score1,score2"]],
    ids=["same", "reordered", "renamed"],
)
@pytest.mark.parametrize(
    "groups", [["--pred-groups", "gender"], ["--pred-groups", "female,male"], ["--test-groups"], ["--id", "id"]]
)
def test_scores_and_a_threshold(scored, capsys, columns, groups):
    train = askew.Annotations.from_parquet("train.parquet", attributes=ATTRIBUTES, groups="gender")
    test = askew.Annotations.from_parquet("test.parquet", groups="gender", like=train)
    read = parquet_format.read_table("pred.parquet")
    scores = np.column_stack([read[name].to_numpy() for name in ATTRIBUTES])
    members = test if "--test-groups" in groups else read["gender"]
    pred = askew.Annotations.from_scores(scores, members, thresholds=0.5, like=train)
    expected = json.loads(askew.audit(train, test, pred, max_size=1).to_json())
    argv = [*files(), *SCORES, "--threshold", "0.5", *columns, *groups]
    assert metrics(result(capsys, *argv, "--resamples", "0")) == expected["metrics"]


def test_scores_that_cannot_be(scored, capsys):
    assert "--threshold is for columns of scores" in error(capsys, *TAGS, "--threshold", "0.5")
    argv = [*files(), *SCORES, "--threshold"]
    assert "thresholds contain NaN" in error(capsys, *argv, "nan")
    assert "invalid float value: 'half'" in error(capsys, *argv, "half")
    message = error(capsys, *argv, "0.5", "--pred-attributes", "cup,score1,score2")
    assert "pred.parquet: of the columns of scores only 'cup' are called as attributes" in message
    assert "2 columns, but 3 names" in error(capsys, *argv, "0.5", "--pred-attributes", "score1,score2")
    assert "expected 0 or 1" in error(capsys, *files(), *SCORES)
    read = parquet_format.read_table("pred.parquet")
    broken = pyarrow.array([0.5, None, *[0.0] * 198])
    save(read.set_column(read.column_names.index("tie"), "tie", broken), "pred")
    message = error(capsys, *argv, "0.5")
    assert "pred.parquet: scores: row 1, column 1 ('tie') is missing (nan); expected a number" in message
