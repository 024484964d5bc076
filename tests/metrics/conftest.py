"""Features go through torchmetrics by a network that returns its input: its metrics ask for images otherwise."""

import warnings

import pytest
import torch


class Through(torch.nn.Module):
    """The feature network that is none; torchmetrics asks it for the number of features."""

    def __init__(self, dim):
        super().__init__()
        self.num_features = dim

    def forward(self, x):
        return x


@pytest.fixture
def torchmetrics_value():
    """Return a function (metric class, real, fake, options) -> its outcome on float64 features."""

    def value(kind, real, fake, **options):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Metric .* will save all extracted features in buffer")
            metric = kind(feature=Through(real.shape[1]), **options).set_dtype(torch.float64)
        metric.update(torch.as_tensor(real, dtype=torch.float64), real=True)
        metric.update(torch.as_tensor(fake, dtype=torch.float64), real=False)
        return metric.compute()

    return value
