"""Weights that are downloaded: from a mirror on loopback, trusted at first, checked ever after."""

import http.server
import json
import threading

import pytest
from made import AsSSCD, Mean, pictures, script

from fmdiag.errors import FmdiagError
from fmdiag.features import load_feature

pytestmark = pytest.mark.filterwarnings("ignore:.*runs the code:fmdiag.errors.FmdiagWarning")  # programs

NAME = "sscd_disc_mixup.torchscript.pt"


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """Serve the folder that is returned."""
    folder = tmp_path / "mirror"
    (folder / "weights").mkdir(parents=True)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(folder))

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("FMDIAG_MIRROR", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield folder / "weights"
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_first_download_is_recorded_and_the_second_must_equal_it(mirror, tmp_path):
    script(AsSSCD(), mirror / NAME)
    root = tmp_path / "root"
    assert load_feature("sscd", training_set=pictures(), data_root=root, trust_code=True).dim == 512
    place = root / "weights" / NAME
    assert place.is_file() and f"weights/{NAME}" in json.loads((root / "downloads.json").read_text())
    place.unlink()
    script(Mean(), mirror / NAME)
    with pytest.raises(FmdiagError, match="not the file that was expected"):
        load_feature("sscd", training_set=pictures(), data_root=root, trust_code=True)
    assert not place.exists()


def test_a_failed_download_names_file_and_place(mirror, tmp_path):
    with pytest.raises(FmdiagError, match="HTTP 404") as error:
        load_feature("inception", training_set=pictures(), data_root=tmp_path / "root")
    assert str(tmp_path / "root" / "weights" / "pt_inception-2015-12-05-6726825d.pth") in str(error.value)
