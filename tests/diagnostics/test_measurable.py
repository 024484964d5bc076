"""Diverged samples are counted, named and left out; arrays of any kind are read as the plain one is, or refused."""

import numpy as np
import pandas as pd
import pytest
import torch

import fmdiag
from fmdiag.datasets import as_points
from fmdiag.diagnostics.agreement import measure as agreement
from fmdiag.diagnostics.membership import energy
from fmdiag.diagnostics.points.measurable import diverged, measurable
from fmdiag.diagnostics.provenance import basins
from fmdiag.errors import FmdiagError, FmdiagWarning

ROWS = torch.randn(60, 1, 4, 4, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
TRAIN = fmdiag.TrainingSet(ROWS[:40].numpy())
HELD_OUT = ROWS[40:]
# Multiples of 1/8: half precision holds them exactly.
SAMPLES = (8 * ROWS[10:30] + 0.5).round() / 8


def seeded():
    return torch.Generator().manual_seed(0)


def read_only(array):
    array.flags.writeable = False
    return array


GOOD = {
    "bfloat16": lambda x: x.bfloat16(),
    "float16": lambda x: x.half(),
    "float64": lambda x: x.double(),
    "gradient": lambda x: x.clone().requires_grad_(True),
    "strides": lambda x: x.flip(0).transpose(2, 3).contiguous().transpose(2, 3).flip(0),
    "expanded": lambda x: x[:, None].expand(-1, 2, -1, -1, -1)[:, 0],
    "negative view": lambda x: torch.complex(torch.zeros_like(x), -x).conj().imag,
    "sparse": lambda x: x.to_sparse(),
    "list": lambda x: x.tolist(),
    "list of tensors": lambda x: list(x),
    "tuple of arrays": lambda x: tuple(x.numpy()),
    "numpy": lambda x: x.numpy(),
    "numpy float16": lambda x: x.numpy().astype("f2"),
    "numpy long double": lambda x: x.numpy().astype(np.longdouble),
    "numpy reversed": lambda x: np.ascontiguousarray(x.numpy()[::-1])[::-1],
    "numpy in Fortran order": lambda x: np.asfortranarray(x.numpy()),
    "numpy of other byte order": lambda x: x.numpy().astype(">f4"),
    "read-only": lambda x: read_only(x.numpy().copy()),
    "masked, nothing masked": lambda x: np.ma.array(x.numpy()),
    "training set": lambda x: fmdiag.TrainingSet(x.numpy()),
}
BAD = {
    "complex": (lambda x: x + 0j, "give the real part"),
    "numpy complex": (lambda x: x.numpy() + 0j, "give the real part"),
    "meta": (lambda x: x.to("meta"), "device meta"),
    "none": (lambda x: None, "must hold numbers"),
    "text": (lambda x: "samples.npy", "must hold numbers"),
    "strings": (lambda x: np.array(["a", "b"]), "must hold numbers"),
    "objects": (lambda x: np.array([None, 1]), "must hold numbers"),
    "ragged": (lambda x: [[1.0, 2.0], [1.0]], "part of one array"),
    "ragged tensors": (lambda x: [x[0], x[0, :, :2]], "different shapes"),
    "masked": (lambda x: np.ma.array(x.numpy(), mask=x.numpy() > 0.5), "masked values"),
    "empty": (lambda x: x[:0], "no sample was given"),
    "a number": (lambda x: torch.tensor(1.0), "no sample was given"),
    "one sample alone": (lambda x: x[0], "must have shape"),
    "all NaN": (lambda x: x * torch.nan, "all 20 samples diverged"),
    "all infinite": (lambda x: x.sign() * torch.inf, "all 20 samples diverged"),
}
FUNCTIONS = {
    "memorization": lambda x: fmdiag.memorization(x, TRAIN, held_out=HELD_OUT, closed_form=False, generator=seeded()),
    "quality": lambda x: fmdiag.quality(x, TRAIN, held_out=HELD_OUT, features=["pixels"], metrics=["kid"],
                                        generator=seeded()),
    "basins": lambda x: basins.measure(None, TRAIN, samples=x if torch.is_tensor(x) else as_points(x), n_steps=4,
                                       generator=seeded()),
}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("name", GOOD)
def test_fault_2_30_any_array_of_samples_is_read_as_the_plain_one(name, function):
    given, before = GOOD[name](SAMPLES.clone()), torch.get_rng_state()
    kept = given.detach().clone() if torch.is_tensor(given) else None
    found, expected = FUNCTIONS[function](given), FUNCTIONS[function](SAMPLES)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-5)
    assert torch.equal(before, torch.get_rng_state())
    assert kept is None or (torch.equal(kept.to_dense(), given.detach().to_dense())
                            if given.layout == torch.sparse_coo else torch.equal(kept, given.detach()))


@pytest.mark.parametrize("function", ["memorization", "quality"])
@pytest.mark.parametrize("name", BAD)
def test_fault_2_30_other_arrays_are_refused_in_one_line(name, function):
    make, words = BAD[name]
    with pytest.raises(FmdiagError, match=words) as found:
        FUNCTIONS[function](make(SAMPLES.clone()))
    assert "\n" not in str(found.value) and len(str(found.value)) < 400


@pytest.mark.parametrize("name", [*GOOD, "integers"])
def test_noise_of_any_kind_is_carried(name):
    x0 = GOOD[name](SAMPLES.clone()) if name in GOOD else (8 * SAMPLES).int()
    expected = fmdiag.sample(lambda x, t: -x, SAMPLES if name in GOOD else 8 * SAMPLES, 5)
    found = fmdiag.sample(lambda x, t: -x, x0, 5)
    assert not found.requires_grad
    torch.testing.assert_close(found.float(), expected, rtol=1e-2, atol=1e-2)


def test_integers_stay_exact():
    large = torch.tensor([[2**24 + 1, 3]])
    assert as_points(large).dtype == torch.float64 and as_points(large)[0, 0].item() == 2**24 + 1
    assert as_points(torch.tensor([[255, 0]], dtype=torch.uint8)).tolist() == [[255.0, 0.0]]
    assert as_points(np.array([[2**16 - 1]], dtype=np.uint16)).item() == 2**16 - 1


def with_bad(*values):
    samples = SAMPLES.clone()
    for k, value in enumerate(values):
        samples[3 * k, 0, 1, 1] = value
    return samples, np.setdiff1d(np.arange(20), 3 * np.arange(len(values)))


def test_fault_2_7_diverged_samples_are_counted_and_the_rest_is_measured():
    samples, left = with_bad(torch.nan, torch.inf, -torch.inf, 1e30, -11.0)
    with pytest.warns(FmdiagWarning, match="5 of 20 samples diverged .NaN, infinite or far outside the data.: left"):
        table = FUNCTIONS["memorization"](samples)
    model = table[table["source"] == "model"]
    assert model["sample"].tolist() == left.tolist()
    expected = FUNCTIONS["memorization"](SAMPLES[left])
    pd.testing.assert_frame_equal(model.drop(columns="sample").reset_index(drop=True),
                                  expected[expected["source"] == "model"].drop(columns="sample"))
    with pytest.warns(FmdiagWarning, match="5 of 20 samples diverged"):
        assert FUNCTIONS["quality"](samples)["n"].unique().tolist() == [15]
    with pytest.warns(FmdiagWarning, match="5 of 20 samples diverged"):
        assert FUNCTIONS["basins"](samples)["sample"].tolist() == left.tolist()


def test_fault_2_7_the_gallery_shows_samples_by_their_numbers():
    from fmdiag.diagnostics.memorization.closest import closest

    samples, left = with_bad(torch.nan)
    with pytest.warns(FmdiagWarning, match="1 of 20 samples diverged"):
        table = FUNCTIONS["memorization"](samples)
    arrays = closest(samples, TRAIN, table, m=3)
    assert set(arrays["sample"]) <= set(left)
    assert np.array_equal(arrays["samples"], TRAIN.to_uint8(samples[arrays["sample"].tolist()]).numpy())


def test_ten_times_the_data_is_the_bound_and_a_scale_is_no_divergence():
    samples, _ = with_bad(9.99)
    assert not bool(diverged(samples, TRAIN).any())
    numbers, kept, _ = measurable(255 * SAMPLES, TRAIN)
    assert len(numbers) == len(kept) == 20
    small = fmdiag.TrainingSet(1e-3 * ROWS[:, 0].numpy())   # an untrained network returns noise: 4 is 4000 times a row
    assert not bool(diverged(torch.full((2, 4, 4), 4.0), small).any())


def half_explodes(x, t):
    """Half of the noises leave every bound, the others are carried to 0."""
    out = x.flatten(1)[:, :1].reshape(-1, *[1] * (x.ndim - 1)) > 0
    return torch.where(out, 100 * x, -x)


def test_fault_2_7_drawn_trajectories_that_diverge_do_not_end_a_measurement():
    noise = fmdiag.sampling.draw_noise(16, TRAIN.shape, generator=seeded())
    lost = (noise.flatten(1)[:, 0] > 0).numpy()
    assert 0 < lost.sum() < 16
    with pytest.warns(FmdiagWarning, match=f"{lost.sum()} of 32 samples diverged"):
        table = fmdiag.hybrid(half_explodes, TRAIN, taus=[0.0, 1.0], n_samples=16, n_steps=20, generator=seeded())
    assert table.groupby("tau")["sample"].apply(list).to_dict() == {0.0: np.flatnonzero(~lost).tolist(),
                                                                    1.0: list(range(16))}
    with pytest.warns(FmdiagWarning, match=f"{lost.sum()} of 16 trajectories diverged"):
        table = fmdiag.provenance(half_explodes, TRAIN, samples=16, times=[0.0, 0.5], n_steps=20, generator=seeded())
    assert table[table["source"] == "model"]["sample"].unique().tolist() == np.flatnonzero(~lost).tolist()
    with pytest.warns(FmdiagWarning, match="diverged"):
        table = energy.measure(half_explodes, TRAIN, n_samples=16, n_steps=20, generator=seeded())
    assert sorted(table["sample"].unique()) == np.flatnonzero(~lost).tolist()
    with pytest.warns(FmdiagWarning, match="diverged"):
        table = agreement.measure((half_explodes, lambda x, t: -x), (TRAIN, TRAIN), n_samples=16, n_steps=20,
                                  generator=seeded())
    assert table["sample"].tolist() == np.flatnonzero(~lost).tolist()


@pytest.mark.parametrize("measure", [
    lambda v: fmdiag.hybrid(v, TRAIN, taus=[0.0], n_samples=4, n_steps=20, generator=seeded()),
    lambda v: fmdiag.provenance(v, TRAIN, samples=4, times=[0.5], n_steps=20, generator=seeded()),
    lambda v: energy.measure(v, TRAIN, n_samples=4, n_steps=20, generator=seeded()),
    lambda v: agreement.measure((v, v), (TRAIN, TRAIN), n_samples=4, n_steps=20, generator=seeded()),
    lambda v: fmdiag.sample(v, torch.ones(4, 1, 4, 4), 20),
])
def test_where_all_diverge_one_line_says_so(measure):
    with pytest.raises(FmdiagError, match="all 4 .* diverged"):
        measure(lambda x, t: 1000 * x)
