"""Layouts in which people save networks, each with the ideal network in it: what the conformance page measures.

Each case is ``case(folder, monkeypatch)`` -> (path, options of `load_checkpoint`, times at which it must be û*). Files
of packages are written by the packages themselves; where one is not installed its case is left out.
"""

import importlib.util
import warnings
from functools import partial

import diffusers
import oracle
import safetensors.torch
import test_diffusers
import torch
from test_conformance import CASES, EVEN, ROWS, WRONG, card, save, state, steps_as_times
from test_weights import LAYOUTS, WRAPPED


def network(rows=ROWS):
    made = oracle.build()
    made.points.data = rows.clone()
    return made


def saved(content, folder, monkeypatch, **options):
    return save(content() if callable(content) else content, folder), {"model": card(folder), **options}, EVEN


def average(folder, monkeypatch, layout):
    content = {"model": state(WRONG), "ema": LAYOUTS[layout](), "opt": {"state": {0: {"exp_avg": WRONG}}}}
    return saved(content, folder, monkeypatch)


def bare_safetensors(folder, monkeypatch):
    safetensors.torch.save_file(state(ROWS), folder / "their.safetensors")
    return folder / "their.safetensors", {"model": card(folder)}, EVEN


def hub(folder, monkeypatch, *names):
    (folder / "hub").mkdir()
    for name in names:
        rows = WRONG if "non_ema" in name else ROWS
        if name.endswith("safetensors"):
            safetensors.torch.save_file(state(rows), folder / "hub" / name)
        else:
            torch.save(state(rows), folder / "hub" / name)
    return folder / "hub", {"model": card(folder)}, EVEN


def sharded(folder, monkeypatch):
    path, options, times = hub(folder, monkeypatch, "model-00001-of-00001.safetensors")
    (path / "model.safetensors.index.json").write_text('{"weight_map": {"points": "model-00001-of-00001.safetensors"}}')
    return path, options, times


def distributed(folder, monkeypatch, name="parts"):
    import torch.distributed.checkpoint as dcp

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        place = folder / name / "pytorch_model_fsdp_0" if name == "fsdp" else folder / name
        dcp.save({"model": state(WRONG), "ema": state(ROWS), "optimizer": {"state": {}}}, checkpoint_id=place,
                 no_dist=True)
    return folder / name, {"model": card(folder)}, EVEN


def mlflow(folder, monkeypatch):
    (folder / "model").mkdir()
    (folder / "model/MLmodel").write_text("flavors:\n  pytorch:\n    model_data: data\n")
    torch.save(state(ROWS), folder / "model/state_dict.pth")
    return folder / "model", {"model": card(folder)}, EVEN


def schedule(folder, monkeypatch, name, native, output, times):
    return save(state(ROWS), folder), {"model": card(folder, convention=f'path = "{name}"', schedule=native,
                                                     output=output)}, times


def torch_averages():
    averaged = torch.optim.swa_utils.AveragedModel(network(WRONG))
    averaged.update_parameters(network())
    return {"model": network(WRONG).state_dict(), "swa_model": averaged.state_dict()}


def diffusers_averages():
    averages = diffusers.training_utils.EMAModel(network().parameters())
    return {"model": network(WRONG).state_dict(), "ema": averages.state_dict()}


def ema_pytorch(whole=False):
    from ema_pytorch import EMA

    ema = EMA(network(WRONG))
    ema.ema_model.points.data = ROWS.clone()
    state = ema.state_dict()
    return {"step": 9, "model": network(WRONG).state_dict(), "opt": {}, "ema": state, "scaler": None,
            "version": "2.3.4"} if whole else state


def lightning(folder, monkeypatch):
    import logging

    import pytorch_lightning

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)

    class Module(pytorch_lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.save_hyperparameters({"width": 64})
            self.net, self.criterion = network(), torch.nn.Linear(2, 2)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.0)

        def training_step(self, batch, k):
            return self.criterion(batch).sum() + 0 * self.net.points.sum()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = pytorch_lightning.Trainer(max_steps=1, logger=False, enable_checkpointing=False, accelerator="cpu",
                                            enable_progress_bar=False, enable_model_summary=False)
        trainer.fit(Module(), torch.utils.data.DataLoader(torch.ones(2, 2)))
        trainer.save_checkpoint(folder / "their.ckpt")
    return folder / "their.ckpt", {"model": card(folder)}, EVEN


def accelerate(folder, monkeypatch):
    from accelerate import Accelerator

    averages = diffusers.training_utils.EMAModel(network().parameters())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        accelerator = Accelerator(cpu=True)
        model = accelerator.prepare(network(WRONG))
        accelerator.register_for_checkpointing(averages)
        accelerator.save_state(str(folder / "state"))
    assert model is not None
    return folder / "state", {"model": card(folder)}, EVEN


def pipeline(folder, monkeypatch, scheduler, native, output, times):
    test_diffusers.unet().save_pretrained(folder / "theirs/unet")
    scheduler().save_pretrained(folder / "theirs/scheduler")
    test_diffusers.ideal_unet(monkeypatch, native, output)
    return folder / "theirs", {}, times


STEPS = steps_as_times("linear")
FAMILIES = {**CASES,
            "diffusers DDPM pipeline": partial(pipeline, scheduler=diffusers.DDPMScheduler, native="ddpm",
                                               output="epsilon", times=STEPS),
            "diffusers DPM-Solver, v prediction": partial(pipeline, scheduler=partial(
                diffusers.DPMSolverMultistepScheduler, prediction_type="v_prediction"), native="ddpm", output="v",
                times=STEPS),
            "diffusers flow match": partial(pipeline, scheduler=diffusers.FlowMatchEulerDiscreteScheduler,
                                            native="sigma1000", output="velocity", times=EVEN)}
SCHEDULES = {"ddpm-linear": partial(schedule, name="ddpm-linear", native="ddpm", output="epsilon", times=STEPS),
             "scaled-linear": partial(schedule, name="scaled-linear", native="scaled", output="epsilon",
                                      times=steps_as_times("scaled")),
             "edm": partial(schedule, name="edm", native="edm", output="x1", times=EVEN),
             "edm-vp": partial(schedule, name="edm-vp", native="edm", output="x1", times=EVEN),
             "ve": partial(schedule, name="ve", native="edm", output="score", times=EVEN)}
CONTAINERS = {
    "bare state dict, .pt": partial(saved, state(ROWS)), "bare .safetensors": bare_safetensors,
    **{f"{name} (by hand)": partial(saved, content) for name, content in WRAPPED.items()},
    **{f"averages under ema: {name}": partial(average, layout=name) for name in LAYOUTS},
    "averages of torch.optim.swa_utils": partial(saved, torch_averages),
    "averages of diffusers.EMAModel": partial(saved, diffusers_averages),
    "ema_pytorch": partial(saved, ema_pytorch), "denoising-diffusion-pytorch Trainer": partial(
        saved, partial(ema_pytorch, whole=True)),
    "Lightning .ckpt": lightning, "accelerate folder with averages": accelerate,
    "Hub folder, model.safetensors": lambda folder, patch: hub(folder, patch, "model.safetensors"),
    "Hub folder, pytorch_model.bin": lambda folder, patch: hub(folder, patch, "pytorch_model.bin"),
    "folder with variant fp16": lambda folder, patch: hub(folder, patch, "model.fp16.safetensors"),
    "folder with variant non_ema": lambda folder, patch: hub(folder, patch, "model.safetensors",
                                                             "model.non_ema.safetensors"),
    "parts with an index": sharded, "torch.distributed.checkpoint": distributed,
    "accelerate, sharded (FSDP)": partial(distributed, name="fsdp"), "MLflow, log_state_dict": mlflow,
}
NEEDS = {"ema_pytorch": "ema_pytorch", "denoising-diffusion-pytorch Trainer": "ema_pytorch", "Lightning .ckpt":
         "pytorch_lightning", "accelerate folder with averages": "accelerate", "torchcfm": "torchcfm",
         "flow_matching example": "torchcfm", **{name: "flow_matching" for name in CASES if name.startswith(
             "flow_matching ") and name != "flow_matching example"}}


def installed(name):
    """Return whether the package that writes a case's file is there."""
    return name not in NEEDS or importlib.util.find_spec(NEEDS[name]) is not None


REFUSED = {
    "a list of averages and a class that nothing names": {"model": state(WRONG), "ema": {"shadow_params": [ROWS]}},
    "Lightning, without a card": {"state_dict": state(ROWS, "net."), "epoch": 1, "global_step": 2, "callbacks": {},
                                  "pytorch-lightning_version": "2.4", "optimizer_states": [], "lr_schedulers": []},
    "tensors of a diffusers U-Net": {"state_dict": {"net.down_blocks.0.resnets.0.conv1.weight": ROWS}},
    "rectified-flow-pytorch's U-Net, without a card": {"model": {"model.downs.0.0.branch.block1.proj.weight": ROWS},
                                                       "ema_model": None, "optimizer": {}},
    "k-diffusion, without a card": {"config": {}, "model": state(ROWS), "model_ema": state(ROWS), "opt": {},
                                    "sched": {}, "ema_sched": {}, "epoch": 1, "step": 2},
    "discrete flow matching": {"model": {"vocab_embed.weight": torch.zeros(11, 4), "time_embedding.mlp.0.weight": torch
                                         .zeros(4, 4), "output_layer.linear.weight": torch.zeros(12, 4)}, "step": 1},
    "no tensors": {"loss": 1.0},
}
