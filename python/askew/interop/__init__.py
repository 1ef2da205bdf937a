"""What users have → packed columns of bits. No other room knows what a DataFrame is.

``columns``  one column of whatever library: a NumPy array or an Arrow array from here on
``tables``   DataFrames, streams and files: the columns that are needed, by name
``names``    what becomes a name, and what counts as missing
``binary``   0/1 arrays, sparse matrices and columns → packed columns
``scores``   arrays of scores → packed columns, and what is compared with them
``gpu_arrays``  the same of arrays on a GPU
``labels``   one label per instance → packed columns
``crossing`` labels of intersections, from several columns of labels
``tags``     one list of tags per instance → packed columns
``ids``      ids of instances, and the order that aligns two tables
``sources``  files, streams and queries in batches
``joining``  rows in the order of another table's ids

NumPy alone is enough for arrays, lists and SciPy's sparse matrices; pyarrow and narwhals are imported when
first needed. Rows are counted from 0 in every message.
"""

from __future__ import annotations

from askew.interop.binary import Packed, pack_columns, pack_matrix
from askew.interop.columns import as_column
from askew.interop.crossing import cross_groups
from askew.interop.gpu_arrays import check_one_gpu
from askew.interop.ids import align_by_id, as_ids
from askew.interop.labels import pack_groups, pack_labels
from askew.interop.names import as_names
from askew.interop.scores import as_scores, as_thresholds, check_scores, comparable, pack_scores
from askew.interop.tables import columns_of, read_parquet, read_table
from askew.interop.tags import pack_tags

__all__ = [
    "Packed",
    "align_by_id",
    "as_column",
    "as_ids",
    "as_names",
    "as_scores",
    "as_thresholds",
    "check_one_gpu",
    "check_scores",
    "columns_of",
    "comparable",
    "cross_groups",
    "pack_columns",
    "pack_groups",
    "pack_labels",
    "pack_matrix",
    "pack_scores",
    "pack_tags",
    "read_parquet",
    "read_table",
]
