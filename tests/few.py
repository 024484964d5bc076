"""Few times for tests that give none: an early one, one in the middle and a late one; and few trees."""

# Where a measure looks up its usual times, or a null the trees of its forest -> what tests take.
FEW = {"alignment.measure.TIMES": [0.02, 0.3, 0.6, 0.9], "error.measure.TIMES": [0.0, 0.3, 0.6, 0.9, 0.99],
       "gradient_variance.measure.TIMES": [0.1, 0.5, 0.9], "hybrid.measure.TAUS": [0.0, 0.5, 1.0],
       "membership.measure.TIMES": [0.1, 0.5, 0.9], "membership.excess_alignment.TIMES": [0.1, 0.5, 0.9],
       "canaries.measure.TIMES": [0.1, 0.5, 0.9], "geometry.measure.TIMES": [0.5, 0.9],
       "symmetry.measure.TIMES": [0.1, 0.5, 0.9], "uturn.measure.TIMES": [0.1, 0.5, 0.9],
       "provenance.measure.TIMES": [0.0, 0.3, 0.6, 0.9, 0.99], "theories.comparison.TIMES": [0.15, 0.55, 0.95],
       "nulls.blind.TREES": 3}


def thin(patch):
    """Have every diagnostic take few times where it is told none, and few trees, as long as a MonkeyPatch lasts."""
    for place, times in FEW.items():
        patch.setattr(f"fmdiag.diagnostics.{place}", times)
