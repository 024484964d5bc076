"""The times at which a diffusers scheduler asks its network, as times t of the straight path.

flow matching          t = 1 - sigma (sigma where the sampler inverts it)
variance preserving    t / (1-t) = sqrt(abar / (1 - abar)) at the step
"""

import inspect
import warnings

import numpy as np

from fmdiag.checkpoints.schedules import PathSchedule
from fmdiag.errors import FmdiagError

# Settings by which a flow matching sampler's times are not evenly spaced.
UNEVEN = {"shift": 1.0, "use_dynamic_shifting": False, "shift_terminal": None, "use_karras_sigmas": False,
          "use_exponential_sigmas": False, "use_beta_sigmas": False, "flow_shift": 1.0}


def scheduler_times(config, convention):
    """Return a function of the number of steps that gives the times from noise to data, a list that ends with 1.

    Parameters
    ----------
    config : dict
        The scheduler's configuration, as `scheduler_convention` accepts it.
    convention : Convention
        Of the network under it.
    """
    return lambda n_steps: _as_times(_steps_of(config, n_steps), config, convention)


def uneven(config, convention):
    """Return the setting by which a flow matching sampler's times are not evenly spaced, as text, or None."""
    if not isinstance(convention.schedule, PathSchedule):
        return None
    found = next((name for name, plain in UNEVEN.items() if config.get(name, plain) not in (plain, None)), None)
    return None if found is None else f"{found} = {config[found]}"


def _steps_of(config, n_steps):
    """Return what the sampler passes as time at every step, float64, noise first."""
    import diffusers

    name = config["_class_name"]
    cls = getattr(diffusers, name)
    known = inspect.signature(cls.__init__).parameters
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scheduler = cls(**{key: value for key, value in config.items() if key in known})
            scheduler.set_timesteps(n_steps)
    except Exception as error:
        # Each scheduler has its own ways to fail: a shift that depends on the picture's size, too many steps.
        raise FmdiagError(f"--times-of-scheduler: {name} gives no times for {n_steps} steps "
                          f"({' '.join(str(error).split())}): leave it out") from error
    return scheduler.timesteps.double().cpu().numpy()


def _as_times(steps, config, convention):
    schedule = convention.schedule
    if isinstance(schedule, PathSchedule):
        share = steps / config.get("num_train_timesteps", 1000)
        times = share if convention.time_direction == "noise-to-data" else 1 - share
    else:
        level = np.interp(steps, np.arange(len(schedule.abar)), schedule.log_ratio)
        times = 1 / (1 + np.exp(-level))
    # Samplers of second order ask twice at a time.
    return [*sorted({float(t) for t in times if 0 <= t < 1}), 1.0]
