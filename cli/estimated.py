"""What --dry-run shows: what would be measured and an estimate of time and memory, in at most 15 lines or as JSON."""

from .echo import echo, echo_json

MOST = 10       # lines of diagnostics; the quickest of more are one line
NAMES = {"closed_form": "û* at most", "training_examples": "training examples", "weights": "weights",
         "samples": "samples"}


def show_estimate(command, found, as_json=False):
    """Print an Estimate."""
    if as_json:
        echo_json({"command": command, "dry_run": True, **found.describe()})
        return
    echo(f"dry run of fmdiag {command}: nothing is measured or written")
    echo(found.subject)
    for line in _shortened(found.lines):
        echo(_line(line))
    factor = found.describe()["factor"]
    about, least, most = (_time(found.seconds * by) for by in (1, 1 / factor, factor))
    echo(f"time: about {about} ({least} to {most}), with this machine as busy as it is now")
    rates = [f"{_short(found.product_rate)} operations of û* a second"] if found.product_rate else []
    rates += [f"{found.seconds_per_row * 1e3:.2g} ms for a row of the network"] if found.seconds_per_row else []
    if rates:
        echo(f"measured here: {', '.join(rates)}")
    echo("memory: Python and torch 0.6 GB, " + ", ".join(f"{NAMES[name]} {_bytes(size)}"
                                                         for name, size in found.memory.items() if size))


def _shortened(lines):
    """Return the lines, the quickest ones together where there are too many, in the order of the run."""
    if len(lines) <= MOST:
        return lines
    by_time = sorted(lines, key=lambda line: line["seconds"] or 0, reverse=True)
    kept = {id(line) for line in by_time[:MOST - 1]}
    rest = [line for line in lines if id(line) not in kept]
    total = {key: sum(line[key] or 0 for line in rest) for key in ("rows", "operations", "seconds")}
    names = ", ".join(dict.fromkeys(line["name"] for line in rest))
    return [*(line for line in lines if id(line) in kept), {"name": "others", "what": names, **total}]


def _line(line):
    parts = [f"{line['rows']:,} rows".replace(",", " ")] if line["rows"] else []
    parts += [f"{_short(line['operations'])} operations"] if line["operations"] else []
    took = [] if line["seconds"] is None else [_time(line["seconds"])]
    return f"  {line['name']:<12} {line['what']}: {', '.join([*parts, *took])}"


def _short(value):
    return f"{value:.1e}".replace("e+0", "e").replace("e+", "e")


def _time(seconds):
    """Return a time in the unit that suits it, to two digits."""
    for unit, size, until in (("s", 1, 90), ("min", 60, 5400), ("h", 3600, 172800)):
        if seconds < until:
            return f"{max(seconds / size, 0.1):.2g} {unit}" if seconds / size < 10 else f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400:.0f} days"


def _bytes(size):
    for unit, least in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= least:
            return f"{size / least:.1f} {unit}"
    return f"{size} bytes"
