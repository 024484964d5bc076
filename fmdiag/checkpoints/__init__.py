"""Checkpoints of every family, read as velocity fields in fmdiag's convention."""

from fmdiag.checkpoints.card import card_of, relocated, write_card
from fmdiag.checkpoints.cautions import is_latent
from fmdiag.checkpoints.checkpoint import Checkpoint
from fmdiag.checkpoints.decoder import load_decoder
from fmdiag.checkpoints.families import FAMILIES
from fmdiag.checkpoints.families.native import save_checkpoint
from fmdiag.checkpoints.heads import other_heads
from fmdiag.checkpoints.load import bundled_checkpoint, load_checkpoint
from fmdiag.checkpoints.start_card import start_card

__all__ = ["FAMILIES", "Checkpoint", "bundled_checkpoint", "card_of", "is_latent", "load_checkpoint",
           "load_decoder", "other_heads", "relocated", "save_checkpoint", "start_card", "write_card"]
