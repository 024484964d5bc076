"""The network that the corpus's foreign checkpoints are of; a factory of model cards."""

import torch


class Program(torch.nn.Module):
    def __init__(self, **anything):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(2))

    def forward(self, x, t, y=None):
        return x * self.scale
