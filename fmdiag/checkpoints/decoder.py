"""Decoder of latents, for pictures only: no distance and no rate goes through it.

    diffusers autoencoder    picture = decode(z / scaling_factor + shift_factor), both from its config.json; with
                             latents_mean and latents_std: decode(z latents_std / scaling_factor + latents_mean)
    TorchScript, .pt2        picture = program(z)

z is a row in model range, as the network saw it; a picture has values in [-1, 1].

References
----------
Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models", arXiv 2112.10752, appendix G.
"""

from dataclasses import dataclass
from pathlib import Path

import torch

from fmdiag.checkpoints.pretrained import class_of, read_module
from fmdiag.checkpoints.source import Source, open_checkpoint
from fmdiag.checkpoints.weight_files import read_json
from fmdiag.errors import FmdiagError

ACCEPTED = ("give a diffusers autoencoder folder (config.json of AutoencoderKL or AutoencoderTiny), or a TorchScript "
            "or torch.export program from latents to pictures")
# Decoded at a time: a picture of 512 px takes about half a gigabyte on its way through AutoencoderKL.
BATCH = 4


@dataclass(frozen=True)
class Decoder:
    """Latents -> pictures.

    Parameters
    ----------
    decode : callable
        Latents, float32, shape (b, *shape), in model range -> pictures in [-1, 1], shape (b, 1 or 3, h, w).
    description : dict
        Plain values for run.json: file, sha256, name, and the numbers that scale latents.
    channels : int, optional
        Number of channels of a latent, where the decoder says it.
    device : str or torch.device
        Where it computes.
    batch : int
        Latents decoded at a time.
    """

    decode: object
    description: dict
    channels: int | None = None
    device: object = "cpu"
    batch: int = BATCH

    @torch.no_grad()
    def __call__(self, latents):
        """Return pictures, uint8, shape (b, 1 or 3, h, w), of latents of shape (b, *shape); equal ones decoded once.

        Raises
        ------
        FmdiagError
            If the decoder does not take latents of this shape, or does not return finite pictures.
        """
        distinct, number = torch.unique(latents.float().cpu(), dim=0, return_inverse=True)
        pictures = torch.cat([self._decoded(part) for part in distinct.split(self.batch)])
        return pictures[number]

    def _decoded(self, latents):
        file, shape = self.description["file"], tuple(latents.shape[1:])
        if self.channels is not None and (len(shape) != 3 or shape[0] != self.channels):
            raise FmdiagError(f"--decoder {file} takes latents of {self.channels} channels, the rows have shape "
                              f"{shape}: give the decoder of their autoencoder")
        try:
            picture = self.decode(latents.to(self.device))
        except (RuntimeError, TypeError, ValueError, AssertionError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            raise FmdiagError(f"--decoder {file} does not take latents of shape {shape} ({reason})") from error
        fits = isinstance(picture, torch.Tensor) and picture.ndim == 4 and picture.shape[1] in (1, 3)
        if not fits or len(picture) != len(latents):
            returned = tuple(picture.shape) if isinstance(picture, torch.Tensor) else type(picture).__name__
            raise FmdiagError(f"--decoder {file} must return pictures of shape (b, 1 or 3, h, w), got {returned}")
        if not bool(torch.isfinite(picture).all()):
            raise FmdiagError(f"--decoder {file} returns NaN or infinity for these latents: check their scale")
        return ((picture.float().cpu() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def load_decoder(path, *, device="cpu", trust_code=False):
    """Return the Decoder in an autoencoder's folder, a pipeline's folder with ``vae/``, or a program's file.

    Parameters
    ----------
    path : path
        The folder or file.
    device : str or torch.device
        Where it computes.
    trust_code : bool
        Whether a program may run: without it the file is refused.

    Raises
    ------
    FmdiagError
        If there is none, or it is a program and `trust_code` is False.
    """
    path = Path(path)
    if not path.exists():
        raise FmdiagError(f"--decoder {path}: no such file or folder; {ACCEPTED}")
    if path.is_dir():
        return _autoencoder(path, device)
    source = open_checkpoint(path, trust_code=trust_code)
    if source.kind not in ("script", "export"):
        raise FmdiagError(f"--decoder {path} is no decoder: {ACCEPTED}")
    description = {"file": str(path), "sha256": source.sha256, "name": source.kind, **source.trusted}
    if source.kind == "script":
        return Decoder(source.content.eval().to(device), description, device=device)
    # An exported program stays where it is, and is often exported for one latent.
    return Decoder(source.content, description, batch=1)


def _autoencoder(path, device):
    folder = path / "vae" if (path / "vae" / "config.json").is_file() else path
    if not (folder / "config.json").is_file():
        raise FmdiagError(f"--decoder {path} has no config.json: {ACCEPTED}")
    config = read_json(folder / "config.json")
    name = str(config.get("_class_name"))
    if "latent_channels" not in config or not name.startswith("Autoencoder"):
        raise FmdiagError(f"--decoder {path} is a {name}, no autoencoder: {ACCEPTED}")
    module = read_module(class_of(config, folder), config, folder).eval().to(device)
    known = {key: module.config.get(key) for key in ("scaling_factor", "shift_factor", "latents_mean", "latents_std")}
    known = {key: value for key, value in known.items() if value is not None}
    description = {"file": str(path), "sha256": Source(folder, "folder", None).sha256, "name": name, **known}
    return Decoder(lambda z: module.decode(_unscaled(z, **known)).sample, description, config["latent_channels"],
                   device)


def _unscaled(z, scaling_factor=1.0, shift_factor=0.0, latents_mean=None, latents_std=None):
    """Return latents as the autoencoder made them."""
    if latents_mean is not None and latents_std is not None:
        mean, std = (z.new_tensor(value).reshape(1, -1, 1, 1) for value in (latents_mean, latents_std))
        return z * std / scaling_factor + mean
    return z / scaling_factor + shift_factor
