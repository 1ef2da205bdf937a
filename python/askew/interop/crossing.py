"""Several columns of labels → one, of their intersections."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from askew.errors import InputError
from askew.interop.columns import as_column
from askew.interop.labels import MISSING, encode
from askew.interop.names import listed


def cross_groups(*labels: Any, separator: str = " & ") -> npt.NDArray[np.object_]:
    """Labels of intersections: an instance that is "female" in one column and "dark" in another is "female & dark".

    Parameters
    ----------
    *labels : array_like or Series, shape (n,)
        Two or more columns, each with one label per instance, as `Annotations` takes them for groups.
    separator : str, default " & "
        What stands between the labels.

    Returns
    -------
    numpy.ndarray of object, shape (n,)
        Text; None where a label is missing in any of the columns, which is *in no group*. To be passed as `groups`.
        Intersections that do not occur are known to `Annotations` only if they are declared (``group_names``).

    Raises
    ------
    InputError
        Fewer than two columns; columns of different lengths; a value that is no label; two intersections that would
        have one name.

    Examples
    --------
    >>> import askew
    >>> gender, skin = ["female", "male", "female", None], ["dark", "dark", "light", "dark"]
    >>> both = askew.cross_groups(gender, skin)
    >>> both.tolist()
    ['female & dark', 'male & dark', 'female & light', None]
    >>> askew.Annotations([[1], [0], [1], [1]], both)
    Annotations(n=4, 1 attribute, groups: female & dark, female & light, male & dark; 1 in no group)
    """
    if len(labels) < 2:
        raise InputError(f"cross_groups() takes two or more columns of labels, not {len(labels)}")
    if not isinstance(separator, str):
        raise InputError(f"separator must be text, not {separator!r}")
    columns = [as_column(given, f"column {number} of labels") for number, given in enumerate(labels)]
    lengths = [len(column) for column in columns]
    if len(set(lengths)) > 1:
        raise InputError(f"the columns of labels have different lengths: {', '.join(f'{n:,}' for n in lengths)}")
    if lengths[0] == 0:
        raise InputError("the columns of labels have no instances")
    names = [""]  # of the intersections of the columns so far, and which of them each row's is
    codes = np.zeros(lengths[0], np.int64)
    for number, column in enumerate(columns):
        encoded = encode(column, f"column {number} of labels")
        own = encoded.codes_in(encoded.names)
        crossed = np.where((codes == MISSING) | (own == MISSING), MISSING, codes * len(encoded.names) + own)
        occurring, codes = np.unique(np.append(crossed, MISSING), return_inverse=True)  # MISSING comes first
        codes = codes[:-1] - 1
        pairs = [divmod(code, len(encoded.names)) for code in occurring[1:].tolist()]
        names = [names[a] + separator * (number > 0) + encoded.names[b] for a, b in pairs]
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise InputError(f"different intersections would have one name, {listed(twice)}: choose another separator")
    return np.array([*names, None], object)[codes]  # MISSING is -1, the last
