"""What does the network regress on?

Every loss here is E ||v(x_t, t) - target||^2 (mean over coordinates) with pairs (x_t, target) of its own. For CFM:

    x_t = alpha_t x1 + sigma_t x0,      target = u_cond = alpha'_t x1 + sigma'_t x0      (x1 - x0 on the linear path).

Over a finite training set its minimiser is û* (Bertrand et al., arXiv 2506.03719, section 2); its value there is the
mean of E ||u_cond - û*||^2, not zero.
"""


def cfm(x0, x1, t, *, path, training_set, generator):
    """Return the regression pairs of conditional flow matching.

    Parameters
    ----------
    x0, x1 : Tensor, shape (b, *shape)
        Noise and training rows, independent of each other.
    t : Tensor, shape (b,)
        Times in [0, 1).
    path : GaussianPath
        The probability path.
    training_set : TrainingSet
        For losses that need further rows; CFM does not.
    generator : torch.Generator
        For losses that need further randomness; CFM does not.

    Returns
    -------
    xt, target : Tensor, shape (b, *shape)
        Where the network is evaluated and what it should return there.
    """
    return path.sample(x0, x1, t), path.conditional_velocity(x0, x1, t)


# A further loss is one function of this signature and one line here.
LOSSES = {"cfm": cfm}


def regression_loss(velocity, target):
    """Return the squared error per sample, mean over coordinates, in float32: shape (b,)."""
    return (velocity.float() - target).square().flatten(1).mean(1)
