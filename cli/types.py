"""Types of option values: sizes, numbers and grids, ranges, pool sizes."""

import math

import click


class Size(click.ParamType):
    """A number of bytes such as 500MB or 1GB."""

    name = "size"
    units = {"": 1, "B": 1, "K": 10**3, "KB": 10**3, "M": 10**6, "MB": 10**6, "G": 10**9, "GB": 10**9, "GIB": 2**30,
             "MIB": 2**20, "T": 10**12, "TB": 10**12}

    def convert(self, value, parameter, context):
        """Return the number of bytes."""
        if isinstance(value, int):
            return value
        number = value.rstrip("BKMGTIbkmgti ")
        unit = value[len(number):].strip().upper()
        try:
            size = int(float(number) * self.units[unit])
        except (ValueError, KeyError, OverflowError):
            self.fail(f"{value!r} is not a size; give for example 500MB or 1GB", parameter, context)
        if size < 10**7:
            self.fail(f"{value!r} is too small; give at least 10MB", parameter, context)
        return size


class Numbers(click.ParamType):
    """Numbers with commas between them, and for times also a grid LOW:HIGH:COUNT of evenly spaced ones in [0, 1].

    Parameters
    ----------
    kind : str
        ``"times"``, ``"ints"`` or ``"floats"``.
    low, high : number, optional
        Bounds of every number; times have 0 and 1.
    above : bool
        Whether the lower bound itself is refused.
    """

    most = 10_000
    names = {"times": "number|low:high:count", "ints": "number,number,...", "floats": "number,number,..."}

    def __init__(self, kind="times", low=None, high=None, *, above=False):
        self.kind, self.above, self.name = kind, above, self.names[kind]
        self.low, self.high = (0, 1) if kind == "times" else (low, high)

    def convert(self, value, parameter, context):
        """Return a tuple of numbers."""
        if not isinstance(value, str):
            return tuple(value)
        try:
            numbers = self._read(value)
        except ValueError:
            what = {"times": "neither a number nor LOW:HIGH:COUNT, such as 0:1:11", "ints": "not whole numbers such as "
                    "8,16,32", "floats": "not numbers with commas between them, such as 0,0.05"}[self.kind]
            self.fail(f"{value!r} is {what}", parameter, context)
        if not numbers:
            self.fail(f"{value!r}: COUNT must be from 1 to {self.most}", parameter, context)
        if not all(map(self._fits, numbers)):
            self.fail(f"{value!r}: {self._bounds()}", parameter, context)
        return numbers

    def _read(self, value):
        parts = value.split(":")
        if self.kind == "times" and len(parts) == 3:
            return self._grid(float(parts[0]), float(parts[1]), int(parts[2]))
        return tuple((int if self.kind == "ints" else float)(part) for part in value.split(","))

    def _fits(self, number):
        low = self.low is None or (number > self.low if self.above else number >= self.low)
        return low and (self.high is None or number <= self.high) and math.isfinite(number)

    def _bounds(self):
        if self.kind == "times":
            return "values must be in [0, 1]"
        bound = "" if self.low is None else f" and {'above' if self.above else 'at least'} {self.low:g}"
        return f"every number must be finite{bound}"

    def _grid(self, low, high, count):
        """Return `count` evenly spaced numbers, rounded so that 0:1:11 holds the 0.3 that a user types."""
        if not 1 <= count <= self.most:
            return ()
        return tuple(round(low + (high - low) * k / max(1, count - 1), 12) for k in range(count))


class PoolSize(click.ParamType):
    """A number of examples, or all."""

    name = "m|all"

    def convert(self, value, parameter, context):
        """Return an int, 1 or more, or "all"."""
        if value == "all" or isinstance(value, int):
            return value
        if not value.isdigit() or int(value) < 1:
            self.fail(f"{value!r} is not a whole number, 1 or more, or all", parameter, context)
        return int(value)


class Range(click.ParamType):
    """Two numbers LOW,HIGH."""

    name = "low,high"

    def convert(self, value, parameter, context):
        """Return (low, high)."""
        if isinstance(value, tuple):
            return value
        try:
            low, high = (float(part) for part in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not LOW,HIGH, such as 0,255", parameter, context)
        if not -math.inf < low < high < math.inf:
            self.fail(f"{value!r}: LOW must be less than HIGH, both finite", parameter, context)
        return low, high
