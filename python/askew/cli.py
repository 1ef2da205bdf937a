"""Command line: argument parsing and printing only.

Data go to stdout; the log, warnings and progress to stderr. Exit codes: 0, 2 for bad input, 1 for other failures,
130 for Ctrl-C.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from glob import has_magic
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TextIO

import numpy as np

from askew import __version__
from askew.annotations import Annotations
from askew.audit import audit
from askew.conventions import NAMED
from askew.counting import WEIGHTS
from askew.counts import Counts
from askew.datasets import load_compas
from askew.engine import show_config
from askew.engine.choice import BACKENDS
from askew.errors import AskewError, AskewWarning, InputError
from askew.interop import align_by_id, read_table
from askew.interop.names import listed
from askew.intervals import ALTERNATIVES, METHODS, METHODS_OF_REPLICATES
from askew.options import Options
from askew.results import Audit
from askew.tables import Table

#: Bytes of a file from which on it is read in batches.
LARGE = 1 << 28
EXAMPLE = "askew audit --train train.parquet --test test.parquet --pred pred.parquet --groups gender --tags objects"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments. Default: those of the process.

    Returns
    -------
    int
        The exit code.

    Raises
    ------
    SystemExit
        After ``--help`` and ``--version`` (code 0), and for arguments that cannot be parsed (code 2).
    """
    try:
        with _reliable_stdout(), warnings.catch_warnings():
            args = _parser().parse_args(argv)
            warnings.simplefilter("ignore" if getattr(args, "quiet", False) else "always", AskewWarning)
            warnings.showwarning = _show_warning
            args.run(args)
    except BrokenPipeError:  # the reader of the pipe has seen enough
        return 0
    except InputError as error:
        return _failed(str(error), 2)
    except MemoryError as error:
        return _failed(f"out of memory {error}".strip(), 1)
    except (AskewError, OSError) as error:
        return _failed(str(error), 1)
    except KeyboardInterrupt:
        _log("interrupted")
        return 130
    return 0


# ---- Commands


def _audit(args: argparse.Namespace) -> None:
    truth = _Columns(args.groups, args.attributes, args.tags)
    predicted = _Columns(args.pred_groups or truth.groups, truth.attributes, truth.tags)
    if args.pred_attributes or args.pred_tags:
        predicted = predicted._replace(attributes=args.pred_attributes, tags=args.pred_tags)
    if (args.test, truth) == (args.pred, predicted):
        raise InputError(
            f"{args.pred[0]}: ground truth and predictions are the same columns of the same file; name those of the "
            "predictions: --pred-attributes, --pred-tags, --pred-groups"
        )
    if args.vocabulary and not args.tags:
        raise InputError("--vocabulary declares tags: it goes with --tags")
    if args.threshold is not None and predicted.attributes is None:
        raise InputError("--threshold is for columns of scores: it goes with --attributes or --pred-attributes")
    if args.progress is None:
        on_terminal = sys.stderr is not None and sys.stderr.isatty()
        args.progress = on_terminal and not args.quiet and find_spec("tqdm") is not None
    args.resample = ("train", "test") if args.resample == "both" else args.resample
    names = {f.name for f in fields(Options)} - {"checkpoint"}
    options = Options(**{name: value for name, value in vars(args).items() if name in names})

    scanned = args.checkpoint is not None or any(map(_is_large, (args.train, args.test, args.pred)))

    def read(paths: list[str], columns: _Columns, **how: Any) -> Any:
        how["unknown"] = args.unknown_tags
        table: Any = (
            _scan(paths, columns, on_error=args.on_error, **how) if scanned else _read(paths[0], columns, **how)
        )
        if not args.quiet:
            _log(f"{paths[0]}{' …' if len(paths) > 1 else ''}: {table!r}")
        return table

    def labels(column: str | None) -> Any:
        """A column of each table that is resampled."""
        if column is None:
            return None
        if scanned:
            raise InputError("--strata and --clusters need tables that fit the memory: one file for each")
        return {name: read_table(getattr(args, name)[0], [column])[column] for name in options.resample}

    def work() -> Audit:
        train = read(args.train, truth, vocabulary=args.vocabulary and _lines(args.vocabulary))
        test = read(args.test, truth, like=train, ids=args.id)
        columns = predicted._replace(groups=test) if args.test_groups else predicted
        order = None if args.id is None else test if scanned else test.ids
        scores = {} if args.threshold is None else {"threshold": args.threshold}
        pred = read(args.pred, columns, like=train, ids=args.id, order=order, **scores)
        design = {"strata": labels(args.strata_column), "clusters": labels(args.clusters_column)}
        return audit(train, test, pred, **{**vars(options), **design, "checkpoint": args.checkpoint})

    _output(args, work, lambda result: f"{result!r}\n")


def _demo(args: argparse.Namespace) -> None:
    train, test, pred = load_compas(args.groups)

    def text(result: Audit) -> str:
        people = ", ".join(f"{name} {size:,}" for name, size in zip(test.group_names, test.group_sizes, strict=True))
        return (
            "COMPAS risk scores of people arrested in Broward County, Florida, and whether they reoffended\n"
            "(ProPublica, “Machine Bias”, 2016; https://github.com/propublica/compas-analysis).\n"
            "Prediction: a score above “Low”. Training data: people scored in the first half of 2013. Test data:\n"
            f"people scored after them ({people}).\n\n{result!r}\n\n"
            "Cells of Multi_G->M with most evidence: P(set | group) in training data and in predictions\n"
            f"{result['Multi_G->M'].top(5)}\n\n"
            f"On your own data (Parquet or CSV; see askew audit --help):\n  {EXAMPLE}\n"
        )

    _output(args, lambda: audit(train, test, pred, n_resamples=args.n_resamples, rng=args.rng), text)


def _evaluate(args: argparse.Namespace) -> None:
    def work() -> Audit:
        tables: list[Any] = [_merged(paths, quiet=args.quiet) for paths in (args.train, args.test)]
        return audit(*tables, **{f.name: getattr(args, f.name) for f in fields(Options) if hasattr(args, f.name)})

    _output(args, work, lambda result: f"{result!r}\n")


def _merge(args: argparse.Namespace) -> None:
    merged = _merged(args.counts, quiet=True)
    try:
        merged.save(args.output)
    except OSError as error:
        raise InputError(f"{args.output} cannot be written: {error.strerror}") from error
    rows = ", ".join(f"{begin:,} to {end - 1:,}" for begin, end in merged.rows)
    print(f"{args.output}: {merged!r}, rows {rows} of {merged.resampling.table}")


def _merged(paths: Sequence[str], *, quiet: bool) -> Counts:
    """The counts of several files, added."""
    merged: Counts | None = None
    for path in paths:
        counts = Counts.load(path)
        try:
            merged = counts if merged is None else merged + counts
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        if not quiet:
            _log(f"{path}: {counts!r}")
    assert merged is not None
    return merged


def _info(args: argparse.Namespace) -> None:
    show_config()


# ---- Input


class _Columns(NamedTuple):
    """Where annotations stand in a table."""

    groups: Any  # names of columns; or annotations, or a scan: theirs
    attributes: list[str] | None
    tags: str | None


def _is_large(paths: Sequence[str]) -> bool:
    """Whether files are to be read in batches: several, a folder or a glob, those that say so, and large ones."""
    (path, *more) = paths
    if more or "://" in path or os.path.isdir(path) or path.lower().endswith((".arrow", ".feather", ".ipc")):
        return True
    return os.path.getsize(path) > LARGE if os.path.exists(path) else has_magic(path)


def _scan(
    paths: Sequence[str],
    columns: _Columns,
    *,
    unknown: str,
    on_error: str,
    vocabulary: list[str] | None = None,
    like: Any = None,
    ids: str | None = None,
    order: Any = None,
) -> Any:
    """As `_read`, of files that are read when they are counted."""
    groups = columns.groups[0] if isinstance(columns.groups, list) and len(columns.groups) == 1 else columns.groups
    names = {"attribute_names": vocabulary} if like is None else {"like": like}
    return Annotations.scan(
        list(paths),
        attributes=columns.attributes,
        tags=columns.tags,
        groups=groups,
        unknown=unknown,
        on_error=on_error,
        ids=ids,
        order=order,
        **names,
    )


def _read(
    path: str,
    columns: _Columns,
    *,
    unknown: str,
    vocabulary: list[str] | None = None,
    like: Annotations | None = None,
    ids: str | None = None,
    order: Any = None,
    threshold: float | None = None,
) -> Annotations:
    """Annotations from a file, in the order of other ids if these are given; errors name the file.

    With a threshold the columns of attributes are scores of those of `like`.
    """
    annotated = columns.attributes if columns.tags is None else [columns.tags]
    named = columns.groups if isinstance(columns.groups, list) else []
    table = read_table(path, [*(annotated or ()), *named, *([] if ids is None else [ids])])
    several = len(named) > 1
    groups: Any = named[0] if len(named) == 1 else columns.groups

    def annotations(table: Any) -> Annotations:
        if columns.attributes is not None and threshold is None:
            return Annotations.from_dataframe(table, attributes=columns.attributes, groups=groups, like=like, ids=ids)
        members = np.column_stack([table[name] for name in named]) if several else table[groups] if named else groups
        id_column = None if ids is None else table[ids]
        if columns.attributes is not None:
            scores = _scores(table, columns.attributes, like)
            return Annotations.from_scores(scores, members, thresholds=threshold, like=like, ids=id_column)
        return Annotations.from_tags(
            table[columns.tags],
            members,
            attribute_names=vocabulary,
            group_names=named if several and like is None else None,
            like=like,
            unknown=unknown,
            ids=id_column,
        )

    try:
        if order is None:
            return annotations(table)
        aligned = table.take(align_by_id(order, table[ids], f"column {ids!r}"))
        try:
            return annotations(aligned)
        except InputError:
            annotations(table)  # the same error, in terms of the file's rows
            raise
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _scores(table: Any, columns: list[str], like: Annotations | None) -> Any:
    """Columns of scores side by side: by name, if they are called as the attributes of `like`, else as they come."""
    names = () if like is None else like.attribute_names
    if set(columns) == set(names):
        columns = list(names)
    elif common := set(columns) & set(names):
        raise InputError(
            f"of the columns of scores only {listed(sorted(common))} are called as attributes; all or none"
        )
    return np.column_stack([table[name].to_numpy() for name in columns])


def _lines(path: str) -> list[str]:
    """The lines of a text file, but for empty ones."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    return [line for line in text.split("\n") if line.strip()]


# ---- Output


def _cells(result: Audit) -> Iterator[str]:
    """Lines of comma-separated values: the cells of every metric."""
    for number, (name, estimate) in enumerate(result.items()):
        cells = estimate.cells
        text = Table({"metric": np.full(cells.n_rows, name, object), **cells}).to_csv()
        yield text if number == 0 else text.partition("\n")[2]


_FORMATS: dict[str, Callable[[Audit], Iterable[str]]] = {
    "json": lambda result: [result.to_json(), "\n"],
    "csv": lambda result: [result.to_csv()],
    "cells": _cells,
}


def _output(args: argparse.Namespace, work: Callable[[], Audit], text: Callable[[Audit], str]) -> None:
    """Do the work and write what was asked for; files are opened first, so that a wrong path costs no time."""
    paths = {name: path for name in _FORMATS if (path := getattr(args, name, None)) is not None}
    if len(set(paths.values())) < len(paths):
        raise InputError(
            f"{' and '.join(f'--{name}' for name in paths)} need a FILE of their own each, and one of them may be -"
        )
    with ExitStack() as stack:
        files = {name: stack.enter_context(_whole_file(path)) for name, path in paths.items() if path != "-"}
        result = work()
        for name, file in files.items():
            file.writelines(_FORMATS[name](result))
    on_stdout = [name for name, path in paths.items() if path == "-"]
    for piece in _FORMATS[on_stdout[0]](result) if on_stdout else [text(result)]:
        print(piece, end="")


@contextmanager
def _whole_file(path: str) -> Iterator[TextIO]:
    """A file that appears under its name when all is written, or not at all; devices and pipes are written to."""
    direct = os.path.exists(path) and not os.path.isfile(path)
    final = path if direct else os.path.realpath(path)  # a link stays a link
    target = path if direct else f"{final}.{os.getpid()}.part"
    try:
        file = open(target, "w" if direct else "x", encoding="utf-8", newline="")  # noqa: SIM115
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error
    try:
        with file:
            yield file
        if not direct:
            os.replace(target, final)
    except BaseException:
        if not direct:
            os.unlink(target)
        raise


@contextmanager
def _reliable_stdout() -> Iterator[None]:
    """Every character can be printed; what cannot be written is an error here, not after the end of `main`."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        try:
            print(end="", flush=True)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python will flush once more
            raise


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    _log(f"warning: {message}")


def _failed(message: str, code: int) -> int:
    _log(f"error: {message}")
    return code


def _log(line: str) -> None:
    if sys.stderr is not None:
        print(f"askew: {line}", file=sys.stderr)


# ---- Arguments


class _Parser(argparse.ArgumentParser):
    """Errors in one line, as all others are."""

    def error(self, message: str) -> NoReturn:
        _log(f"error: {message} (see {self.prog} --help)")
        raise SystemExit(2)


class _Names(argparse.Action):
    """Names between spaces or commas: ``a b,c``."""

    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, option: str | None = None) -> None:
        names = [name for value in values for name in value.split(",")]
        setattr(namespace, self.dest, [*(getattr(namespace, self.dest) or ()), *names])


def _size(text: str) -> int:
    """Bytes."""
    match = re.fullmatch(r"(\d{1,15}(?:\.\d+)?) ?(?:([KMGT])iB)?", text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"expected a size such as 1GiB, 512MiB or a number of bytes, not {text!r}")
    return int(float(match[1]) * 1024 ** " KMGT".index(match[2] or " "))


def _seed(text: str) -> int:
    """A whole number of 64 bits."""
    if re.fullmatch(r"\d{1,20}", text.strip()) is None or int(text) >= 2**64:
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 to 2**64 - 1, not {text!r}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="askew", description="Bias-amplification metrics with confidence intervals.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"askew {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    _add_audit(commands)
    _add_evaluate(commands)
    _add_merge(commands)
    _add_demo(commands)
    info = commands.add_parser("info", help="what runs on this machine, and what does not, and why", allow_abbrev=False)
    info.set_defaults(run=_info)
    return parser


def _add_evaluate(commands: Any) -> None:
    parser = commands.add_parser(
        "evaluate", help="every metric, of counts that were made before (askew.count, Counts.save)", allow_abbrev=False
    )
    parser.set_defaults(run=_evaluate)
    for name, text in [("train", "counts of the training table"), ("test", "counts of test with predictions")]:
        parser.add_argument(
            f"--{name}", metavar="FILE", nargs="+", required=True, help=f"{text}; several files are added"
        )
    _add_option(
        parser, "--convention", "convention", "the papers' text, or the code released with them", choices=tuple(NAMED)
    )
    _add_option(parser, "--confidence-level", "confidence_level", "between 0 and 1", type=float, metavar="LEVEL")
    _add_option(parser, "--method", "method", "kind of interval", choices=METHODS_OF_REPLICATES)
    parser.add_argument("--quiet", action="store_true", help="no log and no warnings")
    _add_output(parser)


def _add_merge(commands: Any) -> None:
    parser = commands.add_parser("merge", help="add counts of parts of a table", allow_abbrev=False)
    parser.set_defaults(run=_merge)
    parser.add_argument("counts", metavar="FILE", nargs="+", help="files of counts, of different rows of one table")
    parser.add_argument("--output", metavar="FILE", required=True, help="where their sum is written")


def _add_output(parser: Any) -> None:
    output = parser.add_argument_group("output (FILE may be - for stdout, in place of the readable table)")
    output.add_argument("--json", metavar="FILE", help="the result as JSON")
    output.add_argument("--csv", metavar="FILE", help="one line per metric")
    output.add_argument("--cells", metavar="FILE", help="CSV with one line per metric, set and group")


def _add_demo(commands: Any) -> None:
    demo = commands.add_parser("demo", help="audit the COMPAS data, which are part of the package", allow_abbrev=False)
    demo.set_defaults(run=_demo)
    demo.add_argument("--groups", choices=("sex", "race"), default="sex", help="default: %(default)s")
    _add_bootstrap(demo)
    demo.add_argument("--json", metavar="FILE", help="write the result as JSON; - is stdout")


def _add_bootstrap(parser: Any) -> None:
    parser.add_argument(
        "--resamples",
        dest="n_resamples",
        metavar="B",
        type=int,
        default=1000,
        help="bootstrap replicates; 0: no intervals (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        dest="rng",
        metavar="SEED",
        type=_seed,
        default=0,
        help="seed of the replicates: the same command gives the same numbers (default: %(default)s)",
    )


def _add_audit(commands: Any) -> None:
    parser = commands.add_parser(
        "audit",
        help="every metric, for tables in files",
        usage="askew audit --train FILE --test FILE --pred FILE --groups COLUMN [COLUMN ...]\n"
        "                   (--tags COLUMN | --attributes COLUMN [COLUMN ...]) [OPTION ...]",
        description="Every bias-amplification metric of predictions, with confidence intervals.",
        epilog=f"example: {EXAMPLE} --id image_id --json audit.json",
        allow_abbrev=False,
    )
    parser.set_defaults(run=_audit)

    tables = parser.add_argument_group(
        "tables (.parquet, .arrow, .csv, .tsv: files, folders and globs; train declares the attributes and the groups)"
    )
    for name, text in [
        ("train", "ground truth of the training instances"),
        ("test", "ground truth of the test instances"),
        ("pred", "predictions for the test instances; may be the same file as test"),
    ]:
        tables.add_argument(f"--{name}", metavar="FILE", nargs="+", required=True, help=text)
    tables.add_argument(
        "--on-error",
        choices=("raise", "skip"),
        default="raise",
        help="of several or large files, what cannot be read: an error, or passed over (default: %(default)s)",
    )
    tables.add_argument(
        "--id", metavar="COLUMN", help="join pred to test by this column; without it they have the same order"
    )

    columns = parser.add_argument_group("columns (several names are separated by spaces or commas)")
    names: dict[str, Any] = {"action": _Names, "nargs": "+", "metavar": "COLUMN"}
    columns.add_argument(
        "--groups",
        **names,
        required=True,
        help="a column of labels (empty: in no group), or several columns of 0 and 1",
    )
    attributes = columns.add_mutually_exclusive_group(required=True)
    attributes.add_argument(
        "--tags", metavar="COLUMN", help="a column of lists of tags, each tag an attribute (Parquet)"
    )
    attributes.add_argument("--attributes", **names, help="columns of 0 and 1")
    predicted_groups = columns.add_mutually_exclusive_group()
    predicted_groups.add_argument("--pred-groups", **names, help="the same in pred (default: as in test)")
    predicted_groups.add_argument(
        "--test-groups", action="store_true", help="the model predicts no groups: pred takes those of test"
    )
    predicted = columns.add_mutually_exclusive_group()
    predicted.add_argument("--pred-tags", metavar="COLUMN", help="the same in pred (default: as in test)")
    predicted.add_argument(
        "--pred-attributes", **names, help="the same in pred, in the order of --attributes if called otherwise"
    )
    columns.add_argument(
        "--threshold",
        type=float,
        metavar="VALUE",
        help="the columns of pred are scores: an attribute is predicted where its score is at least VALUE",
    )
    columns.add_argument(
        "--vocabulary", metavar="FILE", help="the tags, one a line (default: those that occur in train)"
    )
    columns.add_argument(
        "--unknown-tags",
        choices=("error", "ignore"),
        default="error",
        help="what to do with a tag that is not in the vocabulary (default: %(default)s)",
    )

    metrics = parser.add_argument_group("metrics")
    _add_option(
        metrics,
        "--sets",
        "sets",
        "attribute sets of the multi-attribute metrics (default: the convention's)",
        choices=("subsets", "observed", "singletons"),
    )
    _add_option(metrics, "--max-size", "max_size", "attributes in a set, at most", type=int, metavar="K")
    _add_option(
        metrics,
        "--min-count",
        "min_count",
        "instances of train, and of test, that contain a set, at least",
        type=int,
        metavar="N",
    )
    _add_option(
        metrics,
        "--support",
        "support",
        "whether --min-count is over all instances, or within each group",
        choices=("any", "every"),
    )
    _add_option(metrics, "--max-sets", "max_sets", "more sets are an error", type=int, metavar="N")
    _add_option(
        metrics, "--convention", "convention", "the papers' text, or the code released with them", choices=tuple(NAMED)
    )

    intervals = parser.add_argument_group("intervals")
    _add_bootstrap(intervals)
    _add_option(intervals, "--confidence-level", "confidence_level", "between 0 and 1", type=float, metavar="LEVEL")
    _add_option(intervals, "--method", "method", "kind of interval", choices=METHODS)
    _add_option(
        intervals,
        "--alternative",
        "alternative",
        "less and greater: without a lower, an upper end",
        choices=ALTERNATIVES,
    )
    intervals.add_argument(
        "--resample",
        choices=("train", "test", "both"),
        default="both",
        help="tables that the replicates vary (default: %(default)s)",
    )
    _add_option(
        intervals,
        "--weights",
        "weights",
        "Poisson weights of instances, multinomial ones (Efron's bootstrap), or Poisson weights of distinct rows",
        choices=WEIGHTS,
    )
    intervals.add_argument(
        "--strata",
        dest="strata_column",
        metavar="COLUMN",
        help="a column of the resampled tables: with multinomial weights, replicates keep the size of each stratum",
    )
    intervals.add_argument(
        "--clusters",
        dest="clusters_column",
        metavar="COLUMN",
        help="a column of the resampled tables: instances with the same id are drawn together",
    )

    running = parser.add_argument_group("running")
    _add_option(running, "--backend", "backend", "what counts", choices=("auto", *BACKENDS))
    _add_option(
        running, "--threads", "n_threads", "default: ASKEW_NUM_THREADS, or every processor", type=int, metavar="N"
    )
    running.add_argument(
        "--max-memory",
        type=_size,
        default=f"{Options.max_memory >> 20}MiB",
        metavar="SIZE",
        help="working memory, such as 2GiB (default: %(default)s)",
    )
    running.add_argument(
        "--checkpoint",
        metavar="FOLDER",
        help="keep what is counted here from time to time; the same command goes on from there if it is interrupted",
    )
    running.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        help="a bar on stderr (default: on a terminal, where tqdm is installed)",
    )
    running.add_argument("--quiet", action="store_true", help="no log, no warnings and no bar")

    _add_output(parser)


def _add_option(group: Any, flag: str, name: str, text: str, **how: Any) -> None:
    """An argument for a field of `Options`, with its default."""
    default = getattr(Options, name)
    group.add_argument(
        flag, dest=name, default=default, help=text if default is None else f"{text} (default: %(default)s)", **how
    )
