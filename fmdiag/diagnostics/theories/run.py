"""Run of the comparison with closed forms on a context's model."""

import warnings

import pandas as pd

from fmdiag.diagnostics.context import shown, surroundings
from fmdiag.diagnostics.points.pictures import as_pictures
from fmdiag.diagnostics.theories.comparison import compare
from fmdiag.diagnostics.theories.nearest import leads, reading, standings
from fmdiag.diagnostics.theories.summary import of_samples, preferences, summarise
from fmdiag.errors import FmdiagWarning
from fmdiag.results import Result


def run(context, parameters):
    """Return the Result with the strips of samples."""
    asked = {name: getattr(parameters, name) for name in ("n_pairs", "n_calibration", "n_steps", "method")}
    found = compare(context.field, context.training_set, theories=parameters.theories or None, times=parameters.times,
                    patch_sizes=parameters.patch_sizes, generator=context.generator(), **asked, **surroundings(context),
                    **shown(context, "theories"))
    for remark in found.remarks:
        warnings.warn(remark, FmdiagWarning, stacklevel=2)
    ranks = standings(found.table)
    summary = pd.concat([summarise(found.table), leads(ranks), of_samples(found.samples),
                         preferences(found.table, found.left_out)], ignore_index=True)
    recorded = asked | {"theories": sorted(found.table["theory"].unique()),
                        "n_times": int(found.table["t"].nunique())}
    tables = {"theories_nearest": ranks, "theories_samples": found.samples, "theories_patch_sizes": found.sizes,
              "theories_calibration": found.calibration, "theories_left_out": found.left_out}
    return Result("theories", found.table, summary, recorded,
                  {name: table for name, table in tables.items() if table is not None and len(table)},
                  arrays={"theories": pictures(found.shown, context)}, facts={"reading": reading(ranks, summary)},
                  cautions=found.remarks)


def pictures(samples, context):
    """Return the arrays of the strips, {theory: uint8}; {} for vectors."""
    drawn = {name: as_pictures(x, context.training_set, context.decoder) for name, x in samples.items()}
    return {name: images for name, images in drawn.items() if images is not None}
