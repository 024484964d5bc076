"""Loss attacks on flows: what a field leaves of its regression target, for one noise, or after a mean over noises.

    T_naive = ||v(x_t, t) - u_cond||^2                       one noise; u_cond = alpha' x + sigma' e
    T_mc    = ||alpha' x - mean_m v(x_t^m, t)||^2            M noises: those of the targets average out to alpha' x
    T_mc / compressed size of x in bytes                     calibrated: pictures rich in detail have a larger loss

per coordinate. The difference to a reference model, which was trained without the images, calibrates by a model
instead: its loss less the field's, for the same noises (the offline likelihood-ratio attack, with one reference).

References
----------
Rao & Moyer, "Membership inference for rectified flows", arXiv 2603.13421 (T_naive, T_mc and its calibration). Carlini
et al. 2022 (offline likelihood ratio); Watson et al. 2022, "On the importance of difficulty calibration".
"""

import torch

from fmdiag.diagnostics.membership.attacks.asked import per_image, schedules


def noised_errors(path, images, noise, t, velocity):
    """Return T_naive of the first noise and T_mc of all: two tensors of shape (b,).

    Parameters
    ----------
    path : GaussianPath
    images : Tensor, shape (b, *shape)
    noise, velocity : Tensor, shape (b, m, *shape)
        m noises per image, and the field's velocity at the states that they lead to.
    t : float
        Time.
    """
    d_alpha, d_sigma = schedules(path, t)[2:]
    first = velocity[:, 0] - (d_alpha * images + d_sigma * noise[:, 0])
    return per_image(first.square()), per_image((d_alpha * images - velocity.mean(1)).square())


def naive(asked):
    """Return -T_naive."""
    return -torch.as_tensor(asked.noised["first_loss"])


def monte_carlo(asked):
    """Return -T_mc."""
    return -torch.as_tensor(asked.noised["mean_error"])


def calibrated(asked):
    """Return -T_mc by the compressed size."""
    return -torch.as_tensor(asked.noised["mean_error"]) / torch.as_tensor(asked.sizes)[:, None]


def less_than_reference(asked):
    """Return the reference's loss less that of the field."""
    return torch.as_tensor(asked.noised["reference_loss"]) - torch.as_tensor(asked.noised["cfm_loss"])
