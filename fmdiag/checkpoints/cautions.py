"""Cautions about a checkpoint: what would mislead a reader, as sentences for table, figure and page.

Each is ``code: sentence``; tables carry the codes, figures and the page the sentences.
"""

OT = ("ot-coupling: trained with minibatch optimal transport, whose minimiser is not the û* of independent coupling: "
      "a difference from û* is no sign of generalisation")
NOISED = ("noised: trained with noise added to x_t, whose minimiser belongs to a wider path than û*: near t = 1 a "
          "difference from û* is no sign of generalisation")
FIXED_PAIRS = ("fixed-pairs: trained on fixed pairs of noise and data, whose minimiser is not the û* of independent "
               "coupling: a difference from û* is no sign of generalisation")
FLIPS = ("flips: the model was trained on mirror images too: the training set is counted with them (2n rows); "
         "--no-hflip leaves them out")
RAW = ("raw-weights: the file holds no averaged weights: the raw ones are measured, from which nobody samples who has "
       "both")
GUIDED_TARGET = ("guided-target: trained on velocities that are guided already (cfg_omega), whose minimiser is not û*: "
                 "a difference from û* is no sign of generalisation")
CONVENTION = ("assumed-convention: score_sde's diffusion models and RectifiedFlow save such a file: that the network "
              "is a velocity on the straight path is assumed; a card's family or [convention] says what it is")
LATENTS = ("resampled-latents: the model was trained on latents sampled anew in every epoch, so that its training set "
           "is not finite: û* of one stored latent per image is not its minimiser; that of their means and deviations "
           "is, where the data are such moments (--moments)")
SAMPLED = ("sampled-latents: the model was trained on latents sampled anew in every epoch, and û* is that of their "
           "means and deviations; distances of samples are to the means")


def augmented(what):
    """Return the caution about a model that was trained on altered copies of its rows."""
    return (f"augmented: the model was trained on altered copies of its training examples ({what}): û* of the examples "
            "as they are is not its minimiser, and a difference from it is no sign of generalisation")


def class_conditional(label):
    """Return the caution about a model that is conditioned on a class."""
    return (f"class-conditional: the model is conditioned on class {label}: û* is that of the class's rows where "
            "labels are known, else of all rows, which are not what the model was trained on")


def fixed_condition(text):
    """Return the caution about a network that is given fixed tensors."""
    return (f"fixed-condition: the network is given fixed conditions ({text}): û* is that of the training examples "
            "as they are given, which must be those with this condition")


def guided(scale):
    """Return the caution about a model that is sampled with classifier-free guidance."""
    return (f"guidance: the model is guided, with scale {scale:g}: where labels are known it is compared with û* "
            "guided alike, û*_∅ + w (û*_c - û*_∅), which is the minimiser of no loss; else with û* of all rows, from "
            "which a guided model differs whatever it has learnt")


def initial_weights(share, decay, steps, *, assumed, raw):
    """Return the caution about averages that still hold a part of the initial network."""
    way = "measure the raw weights as well, by --weights raw" if raw else "the file has no raw weights to compare with"
    return (f"initial-weights: the averaged weights hold {share:.3g} of the initial network (decay {decay:g}"
            f"{', assumed,' * assumed} over {steps} steps): that they copy nothing says little about the trained "
            f"weights; {way}")


def averages_differ(quarter, n_pairs, loss, raw_loss, difference, error):
    """Return the caution about averages whose loss is clearly another than that of the raw weights."""
    return (f"averages-differ: at t = {quarter[0]:g} to {quarter[1]:g} the loss of the averaged weights is {loss:.3g}, "
            f"of the raw ones {raw_loss:.3g} ({n_pairs} pairs, difference {difference:.3g} ± {error:.1g}): what "
            "is found here is of the averages; measure the raw weights as well, by --weights raw")


def untrained_null(name):
    """Return the caution about a label for no class that training never gave the network."""
    return (f"untrained-null: the label for no class ({name}) was never given in training, as the file says: without "
            "--class-label the network answers what nothing taught it")


def untrained_class(label):
    """Return the caution about classes that training never gave the network."""
    return (f"untrained-class: training replaced every class by none, as the file says: class {label} was never given, "
            "and the network answers what nothing taught it")


def accepted_reading(text):
    """Return the caution about a reading that training rows speak against."""
    return f"accepted-reading: {text}"


def wrong_reading(options, better, loss, zero):
    """Return the caution about a reading that another one, by these options, fits the training rows better than."""
    return (f"wrong-reading: the network fits its training examples better in another reading (loss {better:.3g} "
            f"instead of {loss:.3g}, the zero field's {zero:.3g}): give {options}")


def equal_reading(options):
    """Return the caution about an assumed reading that the training rows do not tell from others, by these options."""
    return (f"equal-reading: how the network is read is assumed, and its training examples fit as well by {options}: "
            f"say "
            "which it is, by options or a model card")


def scheduler_times_caution(setting):
    """Return the caution about a scheduler whose sampler does not take evenly spaced times."""
    return (f"scheduler-times: the scheduler's own sampler takes other times than evenly spaced ones ({setting}): with "
            "few steps its samples are others; --times-of-scheduler draws at its times")


def unreachable(low, high):
    """Return the caution about times that a schedule does not have."""
    return (f"unreachable-times: the model's schedule covers t in [{low:.4g}, {high:.4g}] only: other times are left "
            "out, and sampling starts and ends there")


def is_latent(checkpoint):
    """Return whether a checkpoint, None for none, is known to be of a latent model."""
    said = () if checkpoint is None else checkpoint.description.get("warnings") or ()
    return LATENTS in said or SAMPLED in said
