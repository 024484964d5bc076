"""Two cores serve every worker: one arithmetic thread each, and no window for figures."""

import os

os.environ.setdefault("MPLBACKEND", "Agg")
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"

from hypothesis import HealthCheck, settings  # noqa: E402

# The same cases on every run and machine; how long they take says nothing about them.
settings.register_profile("fixed", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fixed")
