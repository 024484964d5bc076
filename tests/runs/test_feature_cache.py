"""Features within one run: every set is embedded once, whatever asks for it and whether the disk takes it."""

import importlib

import pytest

import fmdiag

module = importlib.import_module("fmdiag.features.embed")


@pytest.fixture
def embedded(monkeypatch):
    """Return (name, rows) of the sets that were embedded, in order, in the space of principal components."""
    seen, compute = [], module._vectors

    def counting(data, feature, start, *others):
        if start == 0 and feature.name == "pca":
            seen.append((module._name(data), len(data)))
        return compute(data, feature, start, *others)

    monkeypatch.setattr(module, "_vectors", counting)
    return seen


@pytest.mark.filterwarnings("ignore:features are not kept")
@pytest.mark.parametrize("kept", ["disk", "nothing", "broken"])
def test_fault_2_19_an_audit_embeds_every_set_once(inputs, embedded, kept, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FMDIAG_CACHE", str(tmp_path / ("cache" if kept == "disk" else "file/below")))
    spaces = {"features": ("pca",), "pca_components": 4, "no_cache": kept == "nothing"}
    run = fmdiag.Run(**inputs)
    for name in ("metrics", "quality"):
        run.measure(name, n_samples=12, n_steps=2, **spaces)
    run.memorization(n_samples=12, n_steps=2, **spaces)
    sets = [name for name in embedded if name[0] != "samples"]
    assert sorted(sets) == [("digits", 12), ("digits", 40)], embedded
    cautions = [c for result in run.results.values() for c in result.cautions if "not kept in the cache" in c]
    assert len(cautions) == (kept == "broken")
