"""Groups of duplicates: training examples joined by near or equal content, directly or through others.

Groups are the connected components of the graph whose edges are near pairs (`nearest.Rule`) and equal contents. A chain
of pairs, each near, is one group although its ends need not be near.
"""

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from fmdiag.datasets.duplicates import duplicate_groups
from fmdiag.datasets.file_names import file_names
from fmdiag.diagnostics.duplicates.nearest import contents

MEMBERS = {"feature": str, "group": np.int64, "size": np.int64, "row": np.int64, "file": str, "nearest": np.int64,
           "nearest_file": str, "distance": float, "kind": str}


def members(training_set, numbers, others, rule, feature):
    """Return the training examples that are in a group, a row each, the largest group first.

    Parameters
    ----------
    training_set : TrainingSet
    numbers : ndarray of int64, shape (q,)
        Stored rows that were looked up, each the first of its content.
    others : Others
        Theirs.
    rule : Rule
    feature : str
        Name of the space.

    Returns
    -------
    DataFrame
        Columns of MEMBERS, documented in `measure.find`.
    """
    edges = pd.concat([_equal(training_set), _near(training_set, numbers, others, rule)], ignore_index=True)
    both = pd.concat([edges, edges.rename(columns={"row": "nearest", "nearest": "row"})], ignore_index=True)
    found = both.sort_values(["row", "distance", "rank", "nearest"], kind="stable").drop_duplicates("row")
    n = training_set.n_stored
    ends = (np.ones(len(edges), bool), (edges["row"].to_numpy(np.int64), edges["nearest"].to_numpy(np.int64)))
    _, label = connected_components(coo_matrix(ends, shape=(n, n)), directed=False)
    found = found.assign(label=label[found["row"].to_numpy(np.int64)], feature=feature)
    found = _numbered(found)
    found["file"] = file_names(training_set, found["row"])
    found["nearest_file"] = file_names(training_set, found["nearest"])
    found["kind"] = np.array(["exact", "mirrored", "near"])[found["rank"].to_numpy(np.int64)]
    return found[list(MEMBERS)].astype(MEMBERS)


def _numbered(found):
    """Return the members with the size and number of their group: by size, then by the least distance within."""
    groups = found.groupby("label")
    found = found.assign(size=groups["row"].transform("size"), least=groups["distance"].transform("min"),
                         first=groups["row"].transform("min"))
    found = found.sort_values(["size", "least", "first", "row"], ascending=[False, True, True, True],
                              ignore_index=True, kind="stable")
    return found.assign(group=pd.factorize(found["label"])[0])


def _equal(training_set):
    """Return the edges of equal contents: to the first equal row, and to the first equal or mirrored one."""
    rows, labels = np.arange(training_set.n_stored), contents(training_set)
    direct = np.asarray(duplicate_groups(training_set))[: len(rows)]
    again, turned = direct != rows, direct[labels] != direct
    return pd.concat([_edges(rows[again], direct[again], 0.0, 0), _edges(rows[turned], labels[turned], 0.0, 1)],
                     ignore_index=True)


def _near(training_set, numbers, others, rule):
    """Return the edges of near pairs; rank 1: near to the mirror image, 2: near."""
    place, column = np.nonzero(rule.near(others.distances, others.scale) & (others.rows >= 0))
    nearest, n = others.rows[place, column], training_set.n_stored
    return _edges(np.asarray(numbers)[place], nearest % n, others.distances[place, column],
                  np.where(nearest >= n, 1, 2))


def _edges(rows, nearest, distance, rank):
    return pd.DataFrame({"row": rows, "nearest": nearest, "distance": distance, "rank": rank})
