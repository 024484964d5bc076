"""Monitoring of a training run: looks at the network while it is trained, or at its checkpoints."""
