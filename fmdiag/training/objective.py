"""Training objective: a loss, a coupling of noise and data, and what else fixes the regression target.

An objective is a dict of plain values, kept in the settings of a run and, as a short label, in its checkpoint: "cfm",
"otcfm", "otcfm (assignment)", "efm M=128", "efm M=128 (with replacement)", "efm M=n", "noised sigma=0.05 (bridge)".
A label that begins with "ot" makes every result carry the caution that û* is not the minimiser.
"""

from fmdiag.errors import FmdiagError, check_choice
from fmdiag.training.couplings import COUPLINGS
from fmdiag.training.losses import LOSSES, NOISES

OPTIONS = {"cfm": (), "otcfm": (), "efm": ("pool_size", "replacement"), "noised": ("sigma", "noise")}
DEFAULTS = {"pool_size": 128, "replacement": False, "sigma": 0.05, "noise": "constant"}
INDEPENDENT = {"loss": "cfm", "coupling": "independent"}


def make_objective(loss, *, coupling=None, **options):
    """Return the objective as a dict, its defaults filled in.

    Parameters
    ----------
    loss : str
        A name in `LOSSES`.
    coupling : str, optional
        One of `COUPLINGS`; default "plan" for otcfm, else "independent".
    **options
        pool_size and replacement for efm, sigma and noise for noised; None means the default.

    Raises
    ------
    FmdiagError
        If a name is unknown, a value is out of range, or an option belongs to another loss.
    """
    check_choice("loss", loss, LOSSES)
    coupling = check_choice("coupling", coupling or ("plan" if loss == "otcfm" else "independent"), COUPLINGS)
    given = {name: value for name, value in options.items() if value is not None}
    surplus = [name for name in given if name not in OPTIONS[loss]]
    if surplus:
        owner = next((name for name, own in OPTIONS.items() if surplus[0] in own), "no loss")
        raise FmdiagError(f"{surplus[0]} belongs to loss {owner}, not to {loss}: leave it out")
    objective = {"loss": loss, "coupling": coupling, **{name: DEFAULTS[name] for name in OPTIONS[loss]}, **given}
    _check(objective)
    return objective


def _check(objective):
    loss, coupling = objective["loss"], objective["coupling"]
    if loss == "otcfm" and coupling == "independent":
        raise FmdiagError("otcfm with the independent coupling is cfm: give loss cfm")
    if loss == "efm":
        if coupling != "independent":
            raise FmdiagError("efm averages over rows drawn independently of the noise: leave coupling out")
        size = objective["pool_size"]
        if size != "all" and not (isinstance(size, int) and size >= 1):
            raise FmdiagError(f"pool_size must be a whole number, 1 or more, or all, got {size!r}")
    if loss == "noised":
        check_choice("noise", objective["noise"], NOISES)
        if not 0 < objective["sigma"] < float("inf"):
            raise FmdiagError(f"sigma must be positive and finite, got {objective['sigma']}")


def check_fits(objective, training_set):
    """Raise FmdiagError if a pool drawn without replacement has more rows than the training set."""
    size = objective.get("pool_size")
    if isinstance(size, int) and not objective["replacement"] and size > training_set.n:
        raise FmdiagError(f"pool_size {size} is more than the {training_set.n} rows of {training_set.name}: give at "
                          "most that many, or all, or draw with replacement")


def label(objective):
    """Return the objective's short name."""
    loss, coupling = objective["loss"], objective["coupling"]
    name = loss if coupling == "independent" or loss.startswith("ot") else f"ot-{loss}"
    details = ["assignment"] if coupling == "assignment" else []
    if loss == "efm":
        name += " M=n" if objective["pool_size"] == "all" else f" M={objective['pool_size']}"
        details += ["with replacement"] if objective["replacement"] else []
    if loss == "noised":
        name += f" sigma={objective['sigma']:g}"
        details += ["bridge"] if objective["noise"] == "bridge" else []
    # "otcfm" is cfm under the plan; cfm under a coupling given by hand is the same objective.
    name = name.replace("ot-cfm", "otcfm")
    return f"{name} ({', '.join(details)})" if details else name


def authors_samples(objective, batch_size):
    """Return what the authors of EFM would call this pool: their n_samples_mean, or None where there is no such number.

    Their pool is the batch's own rows and n_samples_mean further ones (Bertrand et al., arXiv 2506.03719, and code), so
    that their 128 at batch 128 is M = 256 here. Smaller pools than the batch they cannot have.
    """
    size = objective.get("pool_size")
    return size - batch_size if isinstance(size, int) and size >= batch_size else None


def loss_arguments(objective):
    """Return the options of the loss function itself."""
    return {name: objective[name] for name in OPTIONS[objective["loss"]]}
