import os
import subprocess
import sys

import pytest


@pytest.fixture
def torchrun(tmp_path):
    """Start ``torchrun`` with so many ranks; returns the process, which is ended with the test."""
    started = []

    def start(n_ranks, *words):
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "FMDIAG_DATA_ROOT": str(tmp_path / "data")}
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(n_ranks)]
        started.append(subprocess.Popen([*command, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, cwd=tmp_path, env=environment))
        return started[-1]

    start.root = tmp_path
    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=60)
