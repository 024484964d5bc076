"""Half the steps from the same noises: û* itself as a model, whose share of copies grows with its Euler steps."""

import pandas as pd
import pytest
import torch

import fmdiag
from fmdiag.diagnostics.memorization import measure as memorization
from fmdiag.diagnostics.memorization import steps
from fmdiag.features import as_features
from fmdiag.sampling import draw_noise, sample

DIGITS = fmdiag.load_dataset("digits", n=60)
U_STAR = fmdiag.ClosedFormField(DIGITS)


def copier(x, t):
    """û* until t = 0.9 and nothing afterwards: coarse steps do not come near a row."""
    late = (t > 0.92).reshape(-1, 1, 1, 1)
    return torch.where(late, U_STAR(x, t.clamp(max=0.92)) * 0.9, U_STAR(x, t.clamp(max=0.92)))


def measured(n_steps, n=64):
    noise = draw_noise(n, DIGITS.shape, generator=torch.Generator().manual_seed(0))
    table = memorization.measure(sample(copier, noise, n_steps), DIGITS, held_out=False, closed_form=False,
                                 generator=torch.Generator().manual_seed(0))
    again = sample(copier, noise[: steps.number_checked(n)], steps.other_steps(n_steps))
    return steps.measure(table, again, DIGITS, features=as_features("pixels", DIGITS, "cpu"))


def test_fault_2_27_a_share_that_depends_on_the_steps_is_found():
    table = measured(4)
    summary = steps.summarise(table)
    value = summary.set_index("quantity")["value"]
    assert value["f_mem_same_noises"] == table["memorized"].mean()
    assert value["f_mem_other_steps"] == table["memorized_other"].mean() < value["f_mem_same_noises"]
    text, caution = steps.sentences(summary, "euler", 4)
    assert text.startswith("with 2 steps instead of 4 (euler, the same 32 noises): ")
    assert value["steps_p"] <= 0.05 and caution.startswith("solver-steps: ") and "--n-steps 10" in caution


def test_fault_2_27_a_share_that_has_converged_is_said_to_have():
    summary = steps.summarise(measured(80))
    text, caution = steps.sentences(summary, "euler", 80)
    assert caution is None and "with 40 steps instead of 80" in text and "no difference" in text


def test_samples_that_diverge_with_fewer_steps_are_left_out():
    table = pd.DataFrame({"source": "model", "sample": range(4), "ratio": 0.5, "memorized": False, "feature": "pixels",
                          "threshold": 1 / 3})
    again = DIGITS[:3].clone()
    again[1] = torch.nan
    found = steps.measure(table, again, DIGITS, features=as_features("pixels", DIGITS, "cpu"))
    assert found["sample"].tolist() == [0, 2] and found["memorized_other"].all()
    assert steps.measure(table, again[1:2], DIGITS, features=as_features("pixels", DIGITS, "cpu")) is None


@pytest.mark.parametrize(("n", "checked"), [(1, 1), (20, 20), (100, 32), (256, 51), (1024, 128), (10**5, 128)])
def test_the_check_costs_little(n, checked):
    assert steps.number_checked(n) == checked
    assert n < 320 or checked / (2 * n) <= 0.1


def test_one_step_is_compared_with_two():
    assert [steps.other_steps(n) for n in (1, 2, 5, 100)] == [2, 1, 2, 50]
