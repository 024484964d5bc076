"""Theories of what a network computes instead of û*: closed forms beside it, on and off its own trajectories.

With u_T the velocity of a closed form (Wiener, patches, ...; `fmdiag.closed_forms`), a theory explains the share

    1 - E||u_θ - u_T||² / E||u_θ - û*||²

of the network's distance from û*: 1 where the network is the theory, 0 where the theory is as far from it as û* is,
negative where it is farther. It is a ratio of means, given with its denominator; of û* itself it would be 0/0 in a
network that memorises, and is not given. r² and the squared correlation: see `fmdiag.diagnostics.theories.scores`.

Memorisation: û* is nearest, or not told apart from the nearest, at nearly every time on the model's own trajectories;
theories fitted on training examples are nearer to the network than the same ones fitted on as many held-out examples.
Generalisation: other closed forms are nearer, and as near whichever of the two they are fitted on.

References
----------
M. Kamb and S. Ganguli, arXiv 2412.20292; M. Niedoba et al., arXiv 2411.19339; A. Lukoianov et al., arXiv 2509.09672;
B. Wang and J. Vastola, arXiv 2412.09726. The share explained and the comparison of fits: ours.
"""

from fmdiag.diagnostics.called import by_card
from fmdiag.diagnostics.theories.comparison import compare
from fmdiag.diagnostics.theories.summary import summarise as summarise
from fmdiag.ranks.group import SINGLE

NAME = "theories"


@by_card
def measure(field, training_set, *, held_out=None, theories=None, times=None, n_pairs=32, n_calibration=10,
            patch_sizes=None, n_steps=20, method="euler", path=None, memory=None, device="cpu", progress=iter,
            group=SINGLE, generator=None, seed=0):
    """Return how near closed forms are to a field, a row per theory, fit, kind of state, time and initial noise.

    Parameters
    ----------
    field : callable
        v(x, t) of the network.
    training_set : TrainingSet, array, torch Dataset, name or path
        The examples that it was trained on, flips included.
    held_out : TrainingSet, Tensor or ndarray, optional
        Examples of the same distribution that it was not trained on; default the training set's own.
    theories : sequence of str, optional
        Names of `fmdiag.closed_forms.CLOSED_FORMS`; default all that apply but "els", which takes
        a hundred times longer. û*, "closed_form", is always among them.
    times : sequence of float, optional
        Times in (0, 1); default 0.05, 0.15, ..., 0.95.
    n_pairs : int
        Initial noises, the same for every kind of state.
    n_calibration : int
        Further initial noises on whose trajectories patch sizes are chosen.
    patch_sizes : sequence of int, optional
        Odd patch sizes of all theories of patches, one or one for each time, instead of chosen ones.
    n_steps, method
        Solver of the model's trajectories, as in `fmdiag.sample`; theories take their own steps on the same grid.
    path, memory, device, progress, group, generator, seed
        As in `fmdiag.alignment`.

    Returns
    -------
    DataFrame
        Columns theory, fitted_on (train, heldout), n (examples that it was fitted on), compared (whether the fit is one
        of the two on equally many examples), states (train, heldout: paths to such an example; model: its own
        trajectories), t, pair (number of the initial noise), patch_size (0 where there is none), squared_error
        ||u_θ - u_T||², optimum_error ||u_θ - û*||² and squared_norm ||u_θ||², means over coordinates; cosine, r2,
        squared_correlation (NaN where one of the two is constant), explained 1 - squared_error / optimum_error (NaN for
        û* and where the denominator is rounding).

    Raises
    ------
    FmdiagError
        If a theory is unknown, a time is outside (0, 1), patch sizes do not fit, or the field's values are not finite.

    Examples
    --------
    >>> import fmdiag
    >>> train = fmdiag.load_dataset("digits", n=50)
    >>> table = fmdiag.theories(fmdiag.ClosedFormField(train), train, theories=["wiener"], times=[0.5], n_pairs=4)
    >>> means = table[~table.compared].groupby("theory").squared_error.mean()
    >>> bool(means["closed_form"] < 1e-9 < means["wiener"])
    True
    """
    return compare(field, training_set, held_out=held_out, theories=theories, times=times, n_pairs=n_pairs,
                   n_calibration=n_calibration, patch_sizes=patch_sizes, n_steps=n_steps, method=method, path=path,
                   memory=memory, device=device, progress=progress, group=group, generator=generator, seed=seed,
                   only_states=True).table
