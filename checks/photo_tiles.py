"""Tiles of all photographs of the Debian packages: their numbers against those that are published for every side.

    python -m checks.photo_tiles

takes some minutes and 2 GB of disk, and ends with exit code 1 where a number differs.
"""

import sys
import tempfile

from fmdiag.datasets import load_dataset

PUBLISHED = {32: (60_000, 11_562), 64: (34_611, 3871), 128: (10_606, 1176)}


def main():
    """Cut the photographs at every side and compare."""
    wrong = 0
    with tempfile.TemporaryDirectory() as root:
        for size, expected in PUBLISHED.items():
            train = load_dataset("photo-tiles", size=size, data_root=root)
            found = train.n, train.held_out.n
            split = not set(train.labels) & set(train.held_out.labels)
            print(f"{size} px: {found[0]} + {found[1]} tiles, expected {expected[0]} + {expected[1]}; "
                  f"{'no photograph' if split else 'PHOTOGRAPHS'} in both parts", flush=True)
            wrong += found != expected or not split
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
