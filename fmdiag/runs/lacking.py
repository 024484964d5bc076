"""Needs of diagnostics: what a run lacks for one, in words, and which others apply to a sampler of a few steps."""

from fmdiag.diagnostics import DIAGNOSTICS
from fmdiag.fields import is_sampler

FIELD = "a velocity field: give a checkpoint, or field="
LACKING = {"field": FIELD, "map": FIELD, "states": FIELD, "samples": "samples: give them, or a model",
           "points": "examples that are points: give one stored latent per image, without --moments (moments=)",
           "unguided": "a model without guidance: leave --guidance out",
           "held_out": "held-out examples, and there are no held-out examples: give --held-out (held_out=)",
           "checkpoint": "a checkpoint file",
           "gradients": "a network whose parameters gradients reach", "images": "pictures",
           "second_checkpoint": "a second checkpoint", "canaries": "a folder of planted canaries"}
VELOCITIES = {"field", "gradients"}


def lacking(run, card):
    """Return what `run` has not got that a diagnostic needs, as a phrase, or None."""
    model, condition, rows = run.field is not None, run.training_set.condition, run.training_set
    lacked = _lacked_by_sampler(run.field, card) if is_sampler(run.field) else None
    if lacked:
        return lacked
    has = {"points": rows.spread is None, "unguided": condition is None or condition.guidance == 1,
           "field": model, "map": model, "states": model, "samples": True, "held_out": rows.held_out is not None,
           "images": len(rows.shape) == 3, "checkpoint": run.checkpoint is not None}
    need = next((need for need in card.needs if not has.get(need, True)), None)
    return None if need is None else LACKING[need]


def _lacked_by_sampler(sampler, card):
    """Return what a diagnostic needs that a sampler has not, and those that apply; None where it applies."""
    missing = VELOCITIES | ({"states"} if sampler.from_noise_only else set())
    lacked = missing & set(card.needs)
    if not lacked:
        return None
    others = sorted(name for name, other in DIAGNOSTICS.items()
              if {"samples", "map", "states"} & set(other.needs) and not missing & set(other.needs))
    what = ("states at any time, and this sampler takes noise only" if lacked == {"states"} else
            "a velocity field, which a sampler of a few steps has not")
    return f"{what}: what applies is audit, {', '.join(others)}"
