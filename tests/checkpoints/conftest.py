"""Every test works in a folder of its own, where cards and their code are the user's; no consent is remembered."""

import pytest


@pytest.fixture(autouse=True)
def _quick(few_times):
    """Runs take few times where they are told none."""


@pytest.fixture(autouse=True)
def working_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", f"{tmp_path}-configuration")
    monkeypatch.chdir(tmp_path)
    return tmp_path
