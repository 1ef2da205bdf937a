"""Time and working memory of 1,000 replicates of every metric on COCO captions and CelebA.

    python benchmarks/real_data.py FOLDER

FOLDER holds coco_captions.parquet (columns split, gender, objects, and objects__MODEL, gender__MODEL, has__MODEL of a
captioning model) and celeba.parquet (split and 40 boolean attributes). CelebA has no predictions: a tenth of the test
labels, drawn at random, is flipped. Not part of asv, for the data are not part of the project.
"""

from __future__ import annotations

import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

import askew


def resident() -> int:
    """Bytes of memory of this process (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def report(name: str, tables: tuple[askew.Annotations, ...], **options: object) -> None:
    """Run an audit five times; print medians."""
    train, test, _ = tables
    sets = askew.AttributeSets.subsets(train, test, **options)  # type: ignore[arg-type]
    seconds, peaks = [], []
    for _ in range(5):
        base, highest, done = resident(), 0, threading.Event()

        def watch(done: threading.Event = done) -> None:
            nonlocal highest
            while not done.wait(0.002):
                highest = max(highest, resident())

        watcher = threading.Thread(target=watch)
        watcher.start()
        begin = time.perf_counter()
        askew.audit(*tables, sets=sets, n_resamples=1000, rng=0)
        seconds.append(time.perf_counter() - begin)
        done.set()
        watcher.join()
        peaks.append((highest - base) / 2**20)
    print(
        f"{name}: {train.n:,} + {test.n:,} instances, {len(sets):,} sets, 1,000 replicates of six metrics: "
        f"{np.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f}), {max(peaks):,.0f} MiB of memory"
    )


def coco(path: Path, model: str) -> tuple[askew.Annotations, ...]:
    table = pq.read_table(path)
    person = ["person"]
    names = sorted(set(pc.unique(table["objects"].combine_chunks().flatten()).to_pylist()) - set(person))
    train = table.filter(pc.equal(table["split"], "train"))
    test = table.filter(pc.and_(pc.equal(table["split"], "test"), table[f"has__{model}"]))
    truth = askew.Annotations.from_tags(train["objects"], train["gender"], attribute_names=names, unknown="ignore")
    return (
        truth,
        askew.Annotations.from_tags(test["objects"], test["gender"], like=truth, unknown="ignore"),
        askew.Annotations.from_tags(test[f"objects__{model}"], test[f"gender__{model}"], like=truth, unknown="ignore"),
    )


def celeba(path: Path) -> tuple[askew.Annotations, ...]:
    table = pq.read_table(path)
    names = [name for name in table.column_names if name not in ("split", "Male")]
    split = table["split"].cast("string")

    def part(which: str, like: askew.Annotations | None = None) -> askew.Annotations:
        rows = table.filter(pc.equal(split, which))
        return askew.Annotations(
            np.stack([rows[name].to_numpy() for name in names], axis=1),
            rows["Male"].to_numpy(),
            **({"attribute_names": names} if like is None else {"like": like}),  # type: ignore[arg-type]
        )

    train = part("train")
    test = part("test", train)
    flipped = np.random.default_rng(0).random((test.n, len(names))) < 0.1
    return train, test, askew.Annotations(test.to_numpy()[0] ^ flipped, test, like=train)


if __name__ == "__main__":
    warnings.simplefilter("ignore", askew.AskewWarning)
    folder = Path(sys.argv[1])
    askew.show_config()
    for captioner in ("lic_sat", "lic_transformer", "eccv18_balanced"):
        report(f"COCO, {captioner}", coco(folder / "coco_captions.parquet", captioner), max_size=2, min_count=5)
    report("CelebA", celeba(folder / "celeba.parquet"), max_size=3, min_count=100)
