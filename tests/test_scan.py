"""Tables that are read while they are counted: the same integers as in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import askew
from askew import Annotations, InputError, evaluation, reading, streaming, universes


def as_table(prefix: str, annotations: Annotations) -> pa.Table:
    """The columns of annotations that are in one group or in none."""
    attributes, groups = annotations.to_numpy()
    labels = [annotations.group_names[int(row.argmax())] if row.any() else None for row in groups]
    columns = {prefix + name: attributes[:, c] for c, name in enumerate(annotations.attribute_names)}
    return pa.table({**columns, f"{prefix}group": labels})


def write(table: pa.Table, folder: Path, n_files: int, row_group_size: int = 777) -> None:
    folder.mkdir()
    step = -(-len(table) // n_files)
    for part in range(n_files):
        pq.write_table(table.slice(part * step, step), folder / f"{part}.parquet", row_group_size=row_group_size)


@pytest.fixture
def tables() -> tuple[Annotations, Annotations, Annotations]:
    train, test, pred = askew.datasets.make_annotations(5000, amplification=0.2, rng=1)[:3]
    return train, test, pred


@pytest.fixture
def scans(tables, tmp_path):
    train, test, pred = tables
    names = list(train.attribute_names)
    write(as_table("", train), tmp_path / "train", 3)
    both = as_table("", test)
    for name, column in zip(predicted := as_table("pred_", pred), predicted.column_names, strict=False):
        both = both.append_column(column, name)
    write(both, tmp_path / "test", 4)
    scanned = Annotations.scan(tmp_path / "train", attributes=names, groups="group")
    files = f"{tmp_path}/test/*.parquet"
    return (
        scanned,
        Annotations.scan(files, attributes=names, groups="group", like=scanned),
        Annotations.scan(files, attributes=[f"pred_{name}" for name in names], groups="pred_group", like=scanned),
    )


@pytest.fixture(params=[512, 1 << 20])
def chunk_rows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Chunks of different sizes, none of which is kept in memory."""
    monkeypatch.setattr(reading, "CHUNK_ROWS", request.param)
    monkeypatch.setattr(streaming, "KEPT", 10**9)
    return request.param


def test_groups_of_a_scan_are_not_those_of_arrays(scans) -> None:
    _, test, _ = scans
    with pytest.raises(InputError, match=r"groups are a Scan.*collect\(\)"):
        Annotations(np.zeros((5000, len(test.attribute_names))), test, like=test)


OPTIONS = {"n_resamples": 200, "rng": 3, "max_size": 3, "min_count": 20}


@pytest.mark.filterwarnings("ignore:Multi:askew.AskewWarning")
def test_an_audit_of_scans_is_that_of_tables_in_memory(tables, scans, chunk_rows):
    expected = askew.audit(*tables, **OPTIONS)
    assert askew.audit(*scans, **OPTIONS).to_dict(cells=True) == expected.to_dict(cells=True)


def test_counts_of_parts_make_the_counts_of_the_whole(tables, scans, chunk_rows):
    how = {"n_resamples": 20, "rng": 1}
    whole = askew.count(scans[1], "singletons", pred=scans[2], **how)
    parts = [askew.count(scans[1], "singletons", pred=scans[2], rows=rows, **how) for rows in [(3333, 5000), (0, 3333)]]
    assert parts[0] + parts[1] == whole
    in_memory = askew.count(tables[1], "singletons", pred=tables[2], **how)
    for view in ("truth", "prediction", "predicted_attributes", "predicted_groups"):
        for mine, theirs in zip(getattr(whole, view), getattr(in_memory, view), strict=True):
            assert np.array_equal(mine, theirs)


@pytest.mark.parametrize("share", [4, 10**9])
@pytest.mark.parametrize("support", ["any", "every"])
def test_universes_of_scans_are_those_of_tables_in_memory(tables, scans, monkeypatch, share, support):
    monkeypatch.setattr(universes, "MINED", share)  # the table is one chunk, or chunks of 512 rows
    for min_count in (100, 300):
        limits = {"min_count": min_count, "support": support}
        assert askew.AttributeSets.subsets(*scans[:2], **limits) == askew.AttributeSets.subsets(*tables[:2], **limits)
    for min_count in (1, 5):
        observed = askew.AttributeSets.observed(*scans[:2], min_count=min_count)
        assert observed == askew.AttributeSets.observed(*tables[:2], min_count=min_count)


def test_tables_of_metrics_take_scans(tables, scans, chunk_rows):
    how = {"n_resamples": 50, "rng": 1}
    for mine, theirs in [
        (askew.associations(scans[0], **how), askew.associations(tables[0], **how)),
        (askew.group_metrics(*scans[1:], "recall", **how), askew.group_metrics(*tables[1:], "recall", **how)),
        (askew.disparities(*scans[1:], **how), askew.disparities(*tables[1:], **how)),
        (askew.bias_scores(scans[0], **how), askew.bias_scores(tables[0], **how)),
    ]:
        assert mine.to_csv() == theirs.to_csv()


@pytest.mark.filterwarnings("ignore:Multi:askew.AskewWarning")
def test_several_models_take_scans(tables, scans, chunk_rows):
    train, test, pred = tables
    options = {**OPTIONS, "max_size": 2}
    mine = askew.compare(scans[0], scans[1], {"model": scans[2], "truth": scans[1]}, **options)
    assert mine.to_dict() == askew.compare(train, test, {"model": pred, "truth": test}, **options).to_dict()
    mine, theirs = (
        askew.mals(*scans[:2], [scans[2], scans[1]], **OPTIONS),
        askew.mals(train, test, [pred, test], **OPTIONS),
    )
    assert mine.to_dict(cells=True) == theirs.to_dict(cells=True)


@pytest.mark.parametrize("method", ["BCa", "studentized", "delta"])
def test_intervals_from_distinct_rows_need_the_table_in_memory(scans, chunk_rows, method):
    with pytest.raises(InputError, match=f"method='{method}' needs the distinct rows of train, which is not in memory"):
        askew.mals(*scans, method=method, n_resamples=100)
    with pytest.raises(InputError, match="which is not in memory"):
        askew.compare(*scans[:2], {"model": scans[2], "truth": scans[1]}, method=method)


@pytest.mark.filterwarnings("ignore:Multi:askew.AskewWarning")
@pytest.mark.parametrize(("tile", "per_pass", "block"), [(4, 12, 64), (1000, 1000, 1000)])
def test_tiles_and_blocks_are_those_of_tables_in_memory(tables, scans, monkeypatch, tile, per_pass, block):
    """Sets in passes of several tiles, replicates in blocks: each pass reads the files again."""
    monkeypatch.setattr(streaming, "KEPT", 10**9)
    monkeypatch.setattr(evaluation.Pass, "_tile", lambda self, n_rows: tile)
    monkeypatch.setattr(evaluation.Pass, "_block", lambda self, n_sets: block)
    sets = askew.AttributeSets.subsets(tables[0], max_size=2, min_count=200)
    assert len(sets) == 23

    def statistic(counted: evaluation.Tables) -> np.ndarray:
        return counted.test.predicted_attributes.co_set_group / counted.train.truth.co_set_group

    how = {"sets": sets, "n_resamples": 200, "rng": 3}
    expected = askew.audit(*tables, **how)
    distribution = askew.bootstrap(statistic, *tables, **how).bootstrap_distribution
    monkeypatch.setattr(evaluation.Pass, "_per_pass", lambda self, n_sets, step: per_pass)
    assert askew.audit(*scans, **how).to_dict(cells=True) == expected.to_dict(cells=True)
    assert np.array_equal(askew.bootstrap(statistic, *scans, **how).bootstrap_distribution, distribution)
