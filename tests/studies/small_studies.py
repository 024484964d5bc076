"""Command lines of studies that take seconds."""

SMALL = ["--dataset", "digits", "--network", "mlp", "--feature", "pixels", "--n-samples", "100", "--n-nearest", "60",
         "--n-steps", "15", "--n-pairs", "16", "--batch-size", "64"]
# The network is just large enough to learn ten digits by heart.
STORY = [*SMALL, "--width", "60", "--depth", "2", "--lr", "4e-3", "--steps", "600", "--sizes", "10,all"]
TWO = ["--seeds", "2"]
