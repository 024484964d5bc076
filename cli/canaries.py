"""`fmdiag canaries`: plant known images in a training set, before training."""

from pathlib import Path

import click

from .echo import echo, echo_json, hidden
from .options import ANONYMOUS, SEED, data_options
from .shown import given_places, typed_command


class Counts(click.ParamType):
    """Whole numbers, separated by commas."""

    name = "counts"

    def convert(self, value, parameter, context):
        """Return a tuple of int."""
        if isinstance(value, tuple):
            return value
        try:
            counts = tuple(int(part) for part in value.split(","))
        except ValueError:
            counts = ()
        if not counts or min(counts) < 1 or len(set(counts)) < len(counts):
            self.fail(f"{value!r}: give different whole numbers from 1 on, such as 1,4,16", parameter, context)
        return counts


@click.command()
@data_options
@ANONYMOUS
@click.option("--images", type=click.Path(), help="Own pictures to draw canaries from.  [default: held-out examples]")
@click.option("--multiplicities", type=Counts(), default="1,4,16", show_default=True, help="How often canaries are "
              "planted.")
@click.option("--each", type=click.IntRange(1), default=10, show_default=True, help="Canaries of each multiplicity; "
              "a fair coin decides which of them are planted.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Decides which images, how often and where.")
@click.option("--out", type=click.Path(file_okay=False), required=True, help="Folder of the new data set.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier folder once the new one is complete.")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON on stdout.")
def command(images, multiplicities, each, seed, out, overwrite, as_json, **options):
    """Write a data set with known images planted in it, each at a known multiplicity, and others held out beside it.

    A fair coin decides for each image whether it is planted. Train on the folder; then `fmdiag audit ckpt.pt --canaries
    FOLDER` reports how many come back, by multiplicity, and a lower bound on the epsilon of differential privacy.

    \b
    Examples:
      fmdiag canaries --dataset digits --out planted/
      fmdiag canaries --dataset my_images/ --size 64 --images canaries/ --multiplicities 1,10,100 --out planted/
    """
    from fmdiag.runs.canaries import write_canaries
    from fmdiag.runs.inputs import READING

    manifest = write_canaries(out, options["dataset"] or "digits", n=options["n_rows"], images=images,
                              multiplicities=multiplicities, n_each=each, seed=seed, overwrite=overwrite,
                              command=typed_command(), places=given_places(),
                              **{name: options[name] for name in READING})
    _print(manifest, out, as_json)


def _print(manifest, out, as_json):
    if as_json:
        echo_json({"out": str(out), **manifest})
    else:
        counts = [entry["multiplicity"] for entry in manifest["canaries"]]
        for count in sorted(set(counts)):
            echo(f"{counts.count(count)} canaries " + (f"planted {count} times" if count else "held out"))
        place = Path(out).name if hidden() else out
        echo(f"train on it:  fmdiag train --dataset {place} --out reports/canaries\n"
             f"then:         fmdiag audit reports/canaries/checkpoint.pt --canaries {place}")
    echo(f"wrote {Path(out)}/", err=True)

