"""Chapters of the page, in the order of a paper, and its glossary."""

# Name, heading, diagnostics and studies in their order; what is in none is shown before the limits.
CHAPTERS = (
    ("data", "Data", ("duplicates",)),
    ("model", "Model and its assumptions", ("loss", "watch", "study_size", "study_losses", "study_time")),
    ("samples", "Samples", ("memorization", "patches", "provenance", "canaries", "quality", "metrics")),
    ("field", "Field", ("error", "membership", "geometry", "agreement")),
    ("time", "Time", ("alignment", "hybrid", "uturn", "symmetry")),
    ("theory", "Theory", ("theories", "pairing", "gradient-variance")),
)

GLOSSARY = {
    "u-star": ("û*", "The velocity field that minimises the training objective. It is known in closed form from the "
               "training set, and its samples are training examples: a model that equals it memorises."),
    "nearest": ("nearest training example", "The training example at the least distance d1 from a sample, in the "
                "feature space that is named; d2 is the distance to the second nearest distinct one."),
    "held-out": ("held-out control", "Examples of the same distribution that the model was not trained on, judged by "
                 "the same rule: what they show happens without memorisation."),
    "copy": ("copy", "A sample with d1/d2 below the threshold that is named, 1/3 by default. f_mem is the share of "
             "samples that are copies, the memorised fraction."),
    "excess": ("excess", "The share of copies among samples minus that among held-out examples, copies of one "
               "training example counted together."),
    "excluded": ("excluded at 95 %", "A larger excess of copies would have shown itself in 95 of 100 runs."),
    "power": ("power", "How often the rule finds copies that are put in the place of some samples, in simulations."),
    "interval": ("interval", "In brackets: the 95 % interval of a number, of the kind that each table names."),
    "p": ("p", "How often chance alone, without memorisation, shows as much or more."),
    "auc": ("AUC", "Area under the ROC curve: how often a training example scores above a held-out one; 1/2 for a "
            "score that knows nothing."),
    "time": ("t, τ", "Time from 0 (noise) to 1 (data); τ is the time until which û* leads in the hybrid model."),
    "collapse": ("collapse time", "The time from which û* rests on one training example."),
}


def chaptered(diagnostics):
    """Return (name, heading, diagnostics of it) of every chapter, and of "other" where some are in none.

    Parameters
    ----------
    diagnostics : list of dict
        Each with a "name".
    """
    by_name = {one["name"]: one for one in diagnostics}
    found = [(name, title, [by_name.pop(own) for own in order if own in by_name]) for name, title, order in CHAPTERS]
    return [*found, ("other", "Other measurements", list(by_name.values()))]
