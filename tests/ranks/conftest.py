import os
import socket
import subprocess
import sys

import pytest


@pytest.fixture
def started(tmp_path):
    """Return a function that starts Python with some words and variables; what it started is ended with the test."""
    processes = []

    def start(*words, **variables):
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "FMDIAG_DATA_ROOT": str(tmp_path / "data"), **variables}
        processes.append(subprocess.Popen([sys.executable, *map(str, words)], stdout=subprocess.PIPE, text=True,
                                          stderr=subprocess.PIPE, cwd=tmp_path, env=environment))
        return processes[-1]

    yield start
    for process in processes:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=60)


@pytest.fixture
def torchrun(started):
    """Start ``torchrun`` with so many ranks; returns the process."""
    return lambda n, *words: started("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", n, *words)


@pytest.fixture
def ranks(started):
    """Start so many ranks as ``torchrun`` does, without its own process; returns a function that waits for their end.

    It returns what all of them printed, on stdout and on stderr; one that fails fails the test.
    """
    def start(n, *words):
        with socket.create_server(("127.0.0.1", 0)) as free:
            meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": str(n)}
        processes = [started(*words, **meeting, RANK=str(rank), LOCAL_RANK=str(rank)) for rank in range(n)]

        def ended():
            texts = [process.communicate(timeout=300) for process in processes]
            assert [process.returncode for process in processes] == [0] * n, texts
            return "".join(out for out, _ in texts), "".join(err for _, err in texts)

        return ended

    return start
