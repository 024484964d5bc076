"""Published values: test Fréchet distances of the paper's appendix C (read), beside ours on the same data set.

Taken in the embedding of the paper's own classifier, without error bars. In another embedding values differ in scale;
their ratio to CFM at the same epoch is what can be compared. Pools are named as the authors' code counts them: beside
n_samples_mean rows they hold the batch, so that n_samples_mean = k at batch b is M = b + k here.

References
----------
Bertrand et al., arXiv 2506.03719, appendix C.
"""

import pandas as pd

# Data set -> objective -> {epoch: distance}
APPENDIX_C = {
    "mnist": {"cfm": {1: 378.0, 5: 15.30, 10: 4.20, 25: 2.28},
              "efm n_samples_mean=128": {1: 370.6, 5: 13.44, 10: 3.79, 25: 2.10},
              "efm n_samples_mean=1024": {1: 369.7, 5: 12.26, 10: 3.30, 25: 1.84}},
    "fashion-mnist": {"cfm": {5: 253.6, 50: 25.36, 200: 19.67},
                      "efm n_samples_mean=128": {5: 206.3, 50: 23.39, 200: 17.72},
                      "efm n_samples_mean=512": {5: 194.7, 50: 22.10, 200: 16.85}},
}


def published(name):
    """Return the paper's rows for a data set: source, objective, epoch, test FD, ratio to cfm; maybe no row."""
    rows = [{"source": "paper", "objective": objective, "epoch": float(epoch), "test FD": f"{value:g}",
             "ratio to cfm": f"{value / APPENDIX_C[name]['cfm'][epoch]:.3f}"}
            for objective, values in APPENDIX_C.get(name, {}).items() for epoch, value in values.items()]
    return pd.DataFrame(rows, columns=["source", "objective", "epoch", "test FD", "ratio to cfm"])
