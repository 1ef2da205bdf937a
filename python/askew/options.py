"""The keywords that every metric takes: defined, documented and checked once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import MISSING, dataclass, fields
from typing import Any, TypeVar, cast

import numpy as np

from askew.annotations import Annotations, Named
from askew.checkpoints import Checkpoint
from askew.checks import check_choice, check_share
from askew.conventions import Convention, ConventionLike, convention_of
from askew.counting import DEFAULT_MEMORY, check_memory, check_resampling
from askew.counts import Counts
from askew.engine import Engine, choose, threads
from askew.errors import InputError
from askew.intervals import ALTERNATIVES, METHODS
from askew.progress import ProgressLike
from askew.randomness import RNG, check_rng
from askew.sets import AttributeSets, Limits, universe

TEXT = """\
    sets : {"subsets", "observed", "singletons"}, AttributeSets, or list of sets, optional
        The universe M of attribute sets, fixed on the original data. Default: each attribute alone for `mals` and
        `directional`, the convention's universe for the multi-attribute metrics.
    max_size : int, optional
        Largest number of attributes of a set in a universe. Default: no limit.
    min_count : int, default 1
        How many instances of train, and of test, must contain a set of a universe.
    support : {"any", "every"}, default "any"
        Whether `min_count` is over all instances, or must be reached within each group ("subsets" only).
    max_sets : int, default 1,000,000
        A universe of more sets is an error.
    convention : {"paper", "reference"} or Convention, default "paper"
        Follow the text of the papers, or the code released with them.
    signed : bool, optional
        Let each cell contribute ±Δ (as `mals` and `directional` do by default), or |Δ| (as the multi-attribute
        metrics do).
    n_resamples : int, default 0
        Number of bootstrap replicates B. 0: no interval.
    confidence_level : float, default 0.95
        Between 0 and 1, exclusive.
    method : {"percentile", "basic", "BCa", "studentized", "delta"}, default "percentile"
        Kind of interval. "BCa" corrects bias and skewness; it takes one more evaluation per distinct row of the tables.
        "delta" is normal, with the standard error of the infinitesimal jackknife, and needs no replicates.
        "studentized" has that standard error in every replicate too; it is for tables of some thousand distinct rows.
        Its cells have percentile intervals. These three need the tables in memory. With `clusters`, they take clusters
        in the place of distinct rows; with `strata`, influences are taken within each.
    alternative : {"two-sided", "less", "greater"}, default "two-sided"
        "less" and "greater" give intervals without a lower, or an upper end (∓∞), as ``scipy.stats.bootstrap``.
    resample : {"train", "test"} or both, default ("train", "test")
        Which tables the replicates vary. Test and predictions always share one resample.
    weights : {"poisson", "poisson32", "multinomial", "poisson-patterns"}, default "poisson"
        Weights per instance: independent Poisson(1), from 16-bit or 32-bit uniforms; multinomial, the ordinary
        bootstrap of as many draws with replacement as there are instances; or of each distinct row that c instances
        share: Poisson(c), other replicates of the same distribution as "poisson", and faster where rows repeat often.
    strata : array_like of n labels, mapping of "train" and "test" to such labels, or "groups", optional
        With multinomial weights, every replicate holds as many instances of each stratum as the table: draws are made
        within strata. "groups": those in the same groups of the ground truth. One array will do where one table is
        resampled. Labels are text or whole numbers. Poisson weights do not depend on strata (a warning says so).
    clusters : array_like of n labels, or mapping of "train" and "test" to such labels, optional
        Instances that were sampled together, such as the pictures of one person: whole clusters are drawn, and all
        instances of a cluster have its weight. Each cluster is in one stratum.
    rng : int, numpy Generator, SeedSequence or None, default None
        Seed of the weights. A whole number in [0, 2**64) gives the same replicates everywhere; None takes a fresh
        seed, which ``run.seed`` tells.
    backend : {"auto", "native", "numba", "numpy", "cuda", "cupy"}, default "auto"
        What counts: the compiled extension, kernels that Numba compiles, NumPy, or a GPU. "auto" takes the first of
        them that runs, with a warning if that is not the extension. A named backend never falls back to another.
    n_threads : int, optional
        Default: ``ASKEW_NUM_THREADS``, else every processor this process may use.
    max_memory : int, default 1 GiB
        Bytes of working memory, beside the tables and the result.
    progress : bool or function, default False
        True shows a bar (needs tqdm); a function is called with (work done, work in all).
    checkpoint : path, optional
        A folder in which the counts of scans are kept from time to time. The same call goes on from there if it is
        interrupted, and ends with the same numbers.
"""


@dataclass(frozen=True)
class Options:
    """The checked keywords; `TEXT` documents them."""

    sets: str | AttributeSets | list[Any] | None = None
    max_size: int | None = None
    min_count: int = 1
    support: str = "any"
    max_sets: int = 1_000_000
    convention: ConventionLike = "paper"
    signed: bool | None = None
    n_resamples: int = 0
    confidence_level: float = 0.95
    method: str = "percentile"
    alternative: str = "two-sided"
    resample: str | tuple[str, ...] = ("train", "test")
    weights: str = "poisson"
    strata: Any = None
    clusters: Any = None
    rng: RNG = None
    backend: str = "auto"
    n_threads: int | None = None
    max_memory: int = DEFAULT_MEMORY
    progress: ProgressLike = False
    checkpoint: Checkpoint | None = None

    def __post_init__(self) -> None:
        check_resampling(self.n_resamples, self.weights)
        check_choice("method", self.method, METHODS)
        check_choice("alternative", self.alternative, ALTERNATIVES)
        check_share("confidence_level", self.confidence_level)
        check_memory(self.max_memory)
        Limits(self.max_size, self.min_count, self.support, self.max_sets)
        for name in ("n_resamples", "max_memory", "max_size", "min_count", "max_sets"):
            if getattr(self, name) is not None:  # Python's int: NumPy's small ones overflow in what follows
                object.__setattr__(self, name, int(getattr(self, name)))
        check_rng(self.rng)
        choose(self.backend)
        threads(self.n_threads)
        convention_of(self.convention)
        if self.signed is not None and not isinstance(self.signed, (bool, np.bool_)):
            raise InputError(f"signed must be True, False or None, not {self.signed!r}")
        given = [self.resample] if isinstance(self.resample, str) else self.resample
        tables = [t for t in ("train", "test") if isinstance(given, (list, tuple, set, frozenset)) and t in given]
        if not tables or len(tables) < len(given):
            raise InputError(f'resample must be "train", "test" or both, not {self.resample!r}')
        object.__setattr__(self, "resample", tuple(tables))

    @property
    def chosen_convention(self) -> Convention:
        return convention_of(self.convention)

    @property
    def engine(self) -> Engine:
        return choose(self.backend)

    @property
    def chosen_threads(self) -> int:
        return threads(self.n_threads)

    @property
    def limits(self) -> Limits:
        return Limits(self.max_size, self.min_count, self.support, self.max_sets)

    def universe(self, kind: str | AttributeSets | list[Any], train: Named, test: Named | None) -> AttributeSets:
        """The attribute sets that `kind` stands for, on these tables."""
        return universe(kind, train, test, self.limits, self.backend, self.n_threads, self.max_memory, self.checkpoint)


Function = TypeVar("Function", bound=Callable[..., Any])


def takes_options(function: Function) -> Function:
    """A public call with the shared keywords: ``**options`` becomes what `Options` holds, in signature and docstring.

    What goes for all of them is done here: scans that fit the memory are read, counts stand for tables, and the
    checkpoint is held meanwhile.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        checkpoint = kwargs.get("checkpoint")
        with ExitStack() as stack:
            if checkpoint is not None:
                kwargs["checkpoint"] = stack.enter_context(Checkpoint(checkpoint))
            else:
                args, kwargs = _with_tables(signature, args, kwargs)
            return function(*args, **kwargs)

    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    shared = [
        inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=f.type)
        for f in fields(Options)
        if f.default is not MISSING and f.name not in signature.parameters
    ]
    call.__signature__ = signature.replace(parameters=[*own, *shared])  # type: ignore[attr-defined]
    assert function.__doc__ is not None
    call.__doc__ = inspect.cleandoc(function.__doc__).replace(
        "**options\n    Shared keywords.\n", inspect.cleandoc(TEXT) + "\n"
    )
    return cast(Function, call)


def _with_tables(
    signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments, with counts as tables, and with scans that fit the memory in memory."""
    values = [*args, *kwargs.values()]
    if any(isinstance(value, Counts) for value in values):
        from askew.counted import in_place_of_tables

        return in_place_of_tables(signature, args, kwargs)
    tables = [table for value in values for table in _tables_in(value)]
    if all(isinstance(table, Annotations) for table in tables):
        return args, kwargs
    from askew.streaming import kept

    max_memory = kwargs.get("max_memory", DEFAULT_MEMORY)
    check_memory(max_memory)
    found = dict(zip(map(id, tables), kept(tables, max_memory), strict=True))

    def replaced(value: Any) -> Any:
        """The argument, with what was read in the place of scans."""
        if not _tables_in(value):
            return value
        if isinstance(value, Mapping):
            return {name: found.get(id(each), each) for name, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [found.get(id(each), each) for each in value]
        return found.get(id(value), value)

    return tuple(map(replaced, args)), {name: replaced(value) for name, value in kwargs.items()}


def _tables_in(value: Any) -> list[Named]:
    """The tables that an argument is or holds: predictions may be a list, or a mapping of names to them."""
    each = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else [value]
    return [table for table in each if isinstance(table, Named)]


def options_of(function_name: str, given: dict[str, Any]) -> Options:
    """Checked options, or TypeError for a keyword that does not exist."""
    known = {f.name for f in fields(Options)}
    for name in given:
        if name not in known:
            raise TypeError(f"{function_name}() got an unexpected keyword argument {name!r}")
    return Options(**given)
