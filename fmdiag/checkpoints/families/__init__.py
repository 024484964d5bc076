"""Families of checkpoints: how each library's files are recognised and read.

A further family is one module with ``recognise(source)`` and ``load(source, choices)``, and one line here. The order is
that of recognition: files that say more about themselves come first.
"""

from fmdiag.checkpoints.families import (
    denoising_diffusion,
    diffusers_folder,
    edm,
    flow_matching,
    guided_diffusion,
    lightningdit,
    minrf,
    native,
    programs,
    rectified_flow,
    sit,
    torchcfm,
)

FAMILIES = {"native": native, "torchcfm": torchcfm, "rectified_flow": rectified_flow, "meanflow": sit.MeanFlow,
            "lightningdit": lightningdit, "sit": sit.SiT, "dit": sit.DiT, "guided_diffusion": guided_diffusion,
            "denoising_diffusion": denoising_diffusion, "minrf": minrf, "flow_matching": flow_matching,
            "diffusers": diffusers_folder, "edm": edm, "module": programs}
