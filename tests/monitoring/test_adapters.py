"""Callbacks of training libraries, each in a real training of the library; skipped where it is not installed."""

import importlib.util
import sys

import pytest
import torch

import fmdiag
from fmdiag.errors import FmdiagError
from fmdiag.monitoring import accelerated, lightning_callback, trainer_callback


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(64, 64)

    def forward(self, x, t):
        return self.layer(x.flatten(1)).reshape(x.shape)


def loss_of(network, x1):
    return (network(0.5 * x1, torch.full((len(x1),), 0.5)) - x1).square().mean()


@pytest.fixture
def monitor():
    digits = fmdiag.load_dataset("digits", n=16)
    return fmdiag.Monitor(digits, every=2, budget=None, n=8, n_steps=2, measures=["f_mem"])


@pytest.fixture
def rows(monitor):
    return monitor.looks.setting.training_set[:]


def seen(monitor):
    assert not monitor.errors
    return monitor.table.step.unique().tolist()


@pytest.mark.filterwarnings("ignore")   # Lightning's own
def test_lightning(monitor, rows, tmp_path):
    lightning = pytest.importorskip("pytorch_lightning", reason="not installed: pip install pytorch-lightning")

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.network = Network()

        def training_step(self, batch, number):
            return loss_of(self.network, batch)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=1e-3)

    trainer = lightning.Trainer(max_steps=4, accumulate_grad_batches=2, accelerator="cpu", logger=False,
                                enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
                                default_root_dir=tmp_path, callbacks=[lightning_callback(monitor, lambda m: m.network)])
    trainer.fit(Module(), torch.utils.data.DataLoader(rows, batch_size=4))
    assert seen(monitor) == [2, 4] and monitor._closed


@pytest.mark.filterwarnings("ignore")
def test_transformers(monitor, rows, tmp_path, monkeypatch):
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    pytest.importorskip("accelerate", reason="accelerate is not installed: pip install accelerate")

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = Network()

        def forward(self, x):
            return {"loss": loss_of(self.network, x)}

    # It takes the folder tests/datasets for the library of that name.
    monkeypatch.setattr("transformers.trainer.is_datasets_available", lambda: False)
    arguments = transformers.TrainingArguments(str(tmp_path), max_steps=4, per_device_train_batch_size=4, use_cpu=True,
                                               report_to="none", save_strategy="no", disable_tqdm=True)
    trainer = transformers.Trainer(Model(), arguments, train_dataset=[{"x": row} for row in rows],
                                   callbacks=[trainer_callback(monitor, lambda model: model.network)])
    trainer.train()
    assert seen(monitor) == [2, 4] and monitor._closed


def test_accelerate(monitor, rows):
    accelerate = pytest.importorskip("accelerate", reason="accelerate is not installed: pip install accelerate")

    accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=2)
    network = Network()
    network, optimizer = accelerator.prepare(network, torch.optim.SGD(network.parameters(), lr=1e-3))
    look, step = accelerated(monitor, accelerator), 0
    for batch in rows.repeat(2, 1, 1, 1).split(4):
        with accelerator.accumulate(network):
            accelerator.backward(loss_of(network, batch))
            optimizer.step(), optimizer.zero_grad()
            step += accelerator.sync_gradients
        look(step, network)
    assert step == 4 and seen(monitor) == [2, 4]


def test_none_of_them_is_needed(monkeypatch):
    """Where none can be imported, everything of ours can, and each callback says what it needs."""
    for name in ("pytorch_lightning", "lightning", "transformers", "accelerate", "tensorboard"):
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("lightning", "transformers", "accelerate", "loggers", "monitor"):
        spec = importlib.util.find_spec(f"fmdiag.monitoring.{name}")
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    with pytest.raises(FmdiagError, match="needs PyTorch Lightning: pip install lightning"):
        lightning_callback(None)
    with pytest.raises(FmdiagError, match="needs transformers: pip install transformers"):
        trainer_callback(None)
