"""Run by each rank, or called: a training and a study as the command line does them, of several ranks in turn."""

import os
import sys

from fmdiag.cli.main import run

TRAIN = ["train", "--dataset", "digits", "--n", "40", "--network", "mlp", "--width", "16", "--depth", "1",
         "--batch-size", "9", "--steps", "40", "--precision", "fp32", "--loss", "efm", "--pool-size", "8"]
STUDY = ["study", "size", "--dataset", "digits", "--network", "mlp", "--width", "8", "--depth", "1", "--steps", "20",
         "--sizes", "10,20", "--seeds", "1", "--feature", "pixels", "--n-samples", "40", "--n-nearest", "20",
         "--n-steps", "4", "--n-pairs", "4"]

if __name__ == "__main__":
    # The ranks of a command part at its end: for the next one they meet at another port.
    for words, out, port in zip((TRAIN, STUDY), ("two", "study"), sys.argv[1:], strict=True):
        os.environ["MASTER_PORT"] = port
        if code := run([*words, "--out", out]):
            os._exit(code)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
