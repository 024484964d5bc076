"""Studies: series of models trained for a comparison, as folders of finished parts that any process may add to.

A study is a grid of training sets, objectives and seeds (`plan`); each cell is a part (`parts`), named by the content
of its inputs, claimed by one process (`fmdiag.files.lock`), trained and measured (`training_part`, `reference_part`),
and gathered into tables by the study's kind (`size`, `losses`, `time`).
"""

STUDIES = {
    "size": "fmdiag.studies.size",
    "losses": "fmdiag.studies.losses",
    "time": "fmdiag.studies.time",
}
