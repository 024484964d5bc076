import pytest


@pytest.fixture(autouse=True)
def data_root(tmp_path, monkeypatch):
    """Keep every test's downloads and decoded pictures in its own folder, and the network out of reach by default."""
    root = tmp_path / "data-root"
    monkeypatch.setenv("FMDIAG_DATA_ROOT", str(root))
    monkeypatch.setenv("FMDIAG_MIRROR", "http://127.0.0.1:9")
    return root
