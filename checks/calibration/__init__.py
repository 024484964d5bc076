"""Calibration of the decision on copies: false alarms, power announced against power found, misses of intervals.

    python -m checks.calibration                       # all families, into checks/results/calibration.json
    python -m checks.calibration --page docs/calibration.md

Every repetition goes through the public entry points, `fmdiag.Run(...).memorization(...)` or the command. Seeds are the
number of the family and of the repetition, fixed beforehand. A repetition that is done is not done again.
"""
