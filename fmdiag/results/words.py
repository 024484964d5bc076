"""Names of quantities in words, as pages and figures show them; tables keep the short names."""

import re

# Names of p-values and of sizes: they say how sure a run was and not what it measured, so nobody compares them.
OF_THE_TEST = re.compile(r"(?:^|_)p(?:$|_value$|_sweep$|_holm$)|^(?:p|resolvable|samples_needed|n)_|^n$")

WORDS = {"f_mem": "memorised fraction", "f_mem_excess": "excess of copies", "auc": "AUC",
         "auc_overall": "AUC, all times", "ess": "effective sample size",
         "ess_fresh": "effective sample size, fresh noise",
         "cfm_loss": "CFM loss", "lid": "local dimension", "lid_closed_form": "local dimension of û*",
         "lid_difference": "local dimension, training minus held-out", "gap": "loss, held-out minus training",
         "d1": "distance to the nearest", "d2": "distance to the second nearest", "ratio": "d1/d2",
         "memorized": "share of copies", "same_row": "same training example as û*",
         "same_row_excess": "same training example as û*, beyond held-out", "top_weight": "largest posterior weight",
         "f_mem_same_noises": "memorised fraction, same initial noise",
         "f_mem_other_steps": "memorised fraction, other number of steps",
         "nndr": "nearest-neighbour distance ratio", "r2": "r²"}


def in_words(quantity):
    """Return the name of a quantity in words."""
    return WORDS.get(quantity, str(quantity).replace("_", " "))
