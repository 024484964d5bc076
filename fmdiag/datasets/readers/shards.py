"""Parts of a folder's shards, by their names: ``train-00000-of-00005.parquet``, ``test_003.tar``."""

import re

from fmdiag.datasets.source import TEST_NAMES


def by_part(files):
    """Return {"train": files, "test": files} of paths whose names hold these words, else {"all": files}.

    Of the names of test parts (test, val, valid, validation) the first that is there counts.
    """
    def of(part):
        return [file for file in files
                if file.name.lower().startswith(part) or part in re.split(r"[-_.\s]", file.name.lower())]

    train = of("train")
    if not train:
        return {"all": files}
    test = next((some for name in TEST_NAMES if (some := of(name))), None)
    return {"train": train, **({"test": test} if test else {})}
