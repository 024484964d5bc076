"""Published membership attacks on velocity fields, by name; without torch until one is asked for.

An attack is ``attack(asked) -> Tensor, shape (images, times)``, larger for what it takes for a training image; `asked`
is an `Asked` (see `fmdiag.diagnostics.membership.attacks.asked`). All are functions of the field and its path alone.
"""

from fmdiag.errors import FmdiagError, check_choice
from fmdiag.registry import Registry

HERE = "fmdiag.diagnostics.membership.attacks"
REFERENCE = "reference"
ATTACKS = Registry("membership attack", {
    "naive": f"{HERE}.residual:naive",
    "mc": f"{HERE}.residual:monte_carlo",
    "mc-calibrated": f"{HERE}.residual:calibrated",
    REFERENCE: f"{HERE}.residual:less_than_reference",
    "pia": f"{HERE}.proximal:pia",
    "pian": f"{HERE}.proximal:pian",
    "secmi": f"{HERE}.stepwise:secmi",
    "sima": f"{HERE}.score_norm:sima",
})
CODECS = ("png", "webp", "zlib")


def chosen_attacks(names, reference=None):
    """Return the names of the attacks that "all", "none" or a choice of names stands for.

    Raises
    ------
    FmdiagError
        If a name is unknown, "none" stands beside others, or the difference to a reference model is asked for without
        one, or the other way round.
    """
    names = tuple(dict.fromkeys((names,) if isinstance(names, str) else names)) or ("all",)
    for name in names:
        check_choice(ATTACKS.kind, name, ["all", "none", *ATTACKS])
    if "none" in names and len(names) > 1:
        raise FmdiagError(f"attacks (--attacks): none stands alone, got {', '.join(names)}")
    if REFERENCE in names and reference is None:
        raise FmdiagError(f"attacks (--attacks): {REFERENCE} needs a reference model: give --reference CKPT")
    found = [] if "none" in names else [name for name in ATTACKS if "all" in names or name in names]
    if reference is not None and REFERENCE not in found:
        raise FmdiagError(f"a reference model is given, and --attacks {', '.join(names)} does not ask for it: add "
                          f"--attacks {REFERENCE}, or leave --reference out")
    return tuple(name for name in found if name != REFERENCE or reference is not None)
