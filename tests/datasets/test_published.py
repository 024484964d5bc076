import gzip
import hashlib
import http.server
import io
import json
import pickle
import tarfile
import threading
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from fmdiag.datasets import cards, download, load_dataset, published
from fmdiag.datasets.cards import load_card
from fmdiag.errors import FmdiagError

RNG = np.random.default_rng()


@pytest.fixture(autouse=True)
def _the_same_draws_in_any_order():
    RNG.bit_generator.state = np.random.default_rng(0).bit_generator.state



def idx_gz(array):
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return gzip.compress(header + array.astype(np.uint8).tobytes(), mtime=0)


def mnist_files():
    return {f"{part}-{kind}-ubyte.gz": idx_gz(array) for part, n in (("train", 7), ("t10k", 3)) for kind, array in
            (("images-idx3", RNG.integers(0, 256, (n, 28, 28))), ("labels-idx1", np.arange(n)))}


def tar_gz(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def cifar_members(n=2):
    names = [f"data_batch_{k}" for k in range(1, 6)] + ["test_batch"]
    return {f"cifar-10-batches-py/{name}": pickle.dumps({b"data": RNG.integers(0, 256, (n, 3072), dtype=np.uint8),
                                                        b"labels": list(range(n))}, protocol=2) for name in names}


def jpeg(width, height, value=0):
    buffer = io.BytesIO()
    Image.fromarray(np.full((height, width, 3), value, np.uint8)).save(buffer, "jpeg")
    return buffer.getvalue()


def imagenette_members(top, side=160):
    return {f"{top}/{part}/{synset}/{k}.JPEG": jpeg(side + 20 * k, side, k) for part, n in (("train", 3), ("val", 2))
            for synset in ("n01440764", "n02102040") for k in range(n)}


def celeba_files():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for k in range(1, 7):
            archive.writestr(f"img_align_celeba/{k:06}.jpg", jpeg(178, 218, 10 * k))
    lines = "".join(f"{k:06}.jpg {part}\n" for k, part in zip(range(1, 7), (0, 0, 0, 1, 2, 2), strict=True))
    return {"img_align_celeba.zip": buffer.getvalue(), "list_eval_partition.txt": lines.encode()}


SETS = {
    "mnist": (mnist_files, (1, 28, 28), 7, 3),
    "fashion-mnist": (mnist_files, (1, 28, 28), 7, 3),
    "cifar10": (lambda: {"cifar-10-python.tar.gz": tar_gz(cifar_members())}, (3, 32, 32), 10, 2),
    "imagenette": (lambda: {"imagenette2-160.tgz": tar_gz(imagenette_members("imagenette2-160"))}, (3, 160, 160), 6, 4),
    "imagenette-full": (lambda: {"imagenette2.tgz": tar_gz(imagenette_members("imagenette2", 300))}, (3, 256, 256),
                        6, 4),
    "celeba": (celeba_files, (3, 64, 64), 3, 2),
}


@pytest.fixture
def mirror(monkeypatch, tmp_path):
    """Serve a dict of path -> bytes on loopback; a value that is an int is an HTTP status."""
    content, asked = {}, []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            answer = content.get(self.path, 404)
            if isinstance(answer, int):
                self.send_error(answer)
                return
            self.send_response(200)
            cut = content.get("cut")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer[:cut])

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("FMDIAG_MIRROR", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    content["asked"] = asked
    yield content
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def card_with(monkeypatch):
    """Replace the files' hashes of a card, and its Debian folder, for small files of the same layout."""

    def change(name, hashes, **changes):
        card = load_card(name)
        files = tuple(replace(file, hash=hashes.get(file.name)) for file in card.files)
        card = replace(card, files=files, debian_folder=None, **changes)
        monkeypatch.setattr(published, "load_card", lambda wanted: card)
        return card

    return change


def md5s(files):
    return {name: f"md5:{hashlib.md5(content).hexdigest()}" for name, content in files.items()}


@pytest.mark.parametrize("name", SETS)
def test_every_set_is_downloaded_checked_and_read(name, mirror, card_with, data_root):
    make, shape, n_train, n_test = SETS[name]
    files = make()
    mirror.update({f"/{name}/{file}": content for file, content in files.items()})
    card_with(name, md5s(files))
    train = load_dataset(name)
    assert (train.shape, train.n, train.held_out.n, train.name) == (shape, n_train, n_test, name)
    assert (train.divisor, train.shift, train.dtype) == (127.5, -1.0, np.uint8)
    assert all((data_root / name / file).read_bytes() == content for file, content in files.items())
    mirror["asked"].clear()
    assert load_dataset(name, offline=True).fingerprint == train.fingerprint and mirror["asked"] == []
    recorded = json.loads((data_root / "downloads.json").read_text())
    assert recorded == {f"{name}/{file}": recorded[f"{name}/{file}"] for file in files}
    assert all(recorded[f"{name}/{file}"]["hash"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
               for file, content in files.items())


def test_a_download_with_another_hash_is_refused(mirror, data_root):
    mirror.update({f"/mnist/{file}": content for file, content in mnist_files().items()})
    with pytest.raises(FmdiagError, match="mnist: what http.* is not the file .* expected .sha256:440fca") as caught:
        load_dataset("mnist")
    assert "\n" not in str(caught.value)
    assert not any(path.is_file() for path in data_root.rglob("*"))


def test_the_first_download_is_trusted_and_later_ones_must_equal_it(mirror, card_with, data_root):
    card_with("cifar10", {})
    archive = data_root / "cifar10" / "cifar-10-python.tar.gz"
    mirror["/cifar10/cifar-10-python.tar.gz"] = first = tar_gz(cifar_members())
    assert load_dataset("cifar10").n == 10
    archive.unlink()
    mirror["/cifar10/cifar-10-python.tar.gz"] = tar_gz(cifar_members(3))
    with pytest.raises(FmdiagError, match=f"expected .sha256:{hashlib.sha256(first).hexdigest()}"):
        load_dataset("cifar10")
    mirror["/cifar10/cifar-10-python.tar.gz"] = first
    assert load_dataset("cifar10").n == 10


def test_a_downloaded_file_that_changed_is_refused(mirror, card_with, data_root):
    files = mnist_files()
    mirror.update({f"/mnist/{file}": content for file, content in files.items()})
    card_with("mnist", {})
    load_dataset("mnist")
    path = data_root / "mnist" / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes())  # rewritten, same content
    (data_root / "mnist" / "t10k-labels-idx1-ubyte.gz").unlink()  # so that all four are fetched or checked again
    assert load_dataset("mnist").n == 7
    path.write_bytes(files["t10k-images-idx3-ubyte.gz"])
    (data_root / "mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(FmdiagError, match="no longer the file that was downloaded.*downloads.json"):
        load_dataset("mnist")


@pytest.mark.parametrize("status", [404, 403, 500])
def test_a_refusing_server_is_named(status, mirror, data_root):
    mirror["/cifar10/cifar-10-python.tar.gz"] = status
    place = data_root / "cifar10" / "cifar-10-python.tar.gz"
    with pytest.raises(FmdiagError, match=f"could not be fetched: HTTP {status}.; place it at {place}") as caught:
        load_dataset("cifar10")
    assert "\n" not in str(caught.value)


def test_a_closed_network_is_one_line(data_root):
    # Port 9 of this machine, see conftest: nobody listens there.
    with pytest.raises(FmdiagError, match=f"ConnectionError.; place it at {data_root}/cifar10/cifar-10") as caught:
        load_dataset("cifar10")
    assert "\n" not in str(caught.value)


def test_a_broken_off_download_leaves_no_file(mirror, card_with, data_root):
    card_with("cifar10", {})
    mirror["/cifar10/cifar-10-python.tar.gz"] = tar_gz(cifar_members())
    mirror["cut"] = 1000
    with pytest.raises(FmdiagError, match="could not be fetched"):
        load_dataset("cifar10")
    assert not any(path.is_file() for path in data_root.rglob("*"))
    mirror["cut"] = None
    assert load_dataset("cifar10").n == 10


def test_offline_asks_nobody(mirror):
    with pytest.raises(FmdiagError, match="downloads are off"):
        load_dataset("mnist", offline=True)
    assert mirror["asked"] == []


def test_an_unwritable_data_root_is_named(mirror, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FmdiagError, match="cannot write to .*file.*--data-root"):
        load_dataset("cifar10", data_root=tmp_path / "file")


def test_celeba_without_mirror_says_where_to_get_it(monkeypatch, data_root):
    monkeypatch.delenv("FMDIAG_MIRROR")
    with pytest.raises(FmdiagError, match=f"Google Drive.*place it at {data_root}/celeba/list_eval_partition.txt"):
        load_dataset("celeba")


def write_members(root, members):
    for name, content in members.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


@pytest.mark.parametrize(("name", "members", "place", "n"), [
    ("mnist", mnist_files, "MNIST/raw", 7), ("mnist", mnist_files, ".", 7), ("mnist", mnist_files, "mnist", 7),
    ("cifar10", cifar_members, ".", 10), ("cifar10", cifar_members, "cifar10", 10),
    ("imagenette", lambda: imagenette_members("imagenette2-160"), ".", 6),
    ("imagenette", lambda: imagenette_members("imagenette2-160"), "imagenette", 6),
    ("imagenette", lambda: imagenette_members("."), ".", 6),
])
def test_usual_local_layouts_are_found_without_network(name, members, place, n, data_root):
    write_members(data_root / place, members())
    assert load_dataset(name, offline=True).n == n


@pytest.mark.parametrize("csv", [True, False])
@pytest.mark.parametrize("place", ["img_align_celeba", "img_align_celeba/img_align_celeba"])
def test_celeba_layouts(place, csv, data_root):
    folder = data_root / "celeba"
    write_members(folder / place, {f"{k:06}.jpg": jpeg(178, 218, 10 * k) for k in range(1, 5)})
    parts = [("000001.jpg", 0), ("000002.jpg", 1), ("000003.jpg", 2), ("000004.jpg", 0)]
    text = "".join(f"{name},{part}\n" if csv else f"{name} {part}\n" for name, part in parts)
    header = "image_id,partition\n" if csv else ""
    (folder / f"list_eval_partition.{'csv' if csv else 'txt'}").write_text(header + text)
    train = load_dataset("celeba", offline=True)
    # JPEG keeps the grey level of a uniform picture to within one step.
    assert np.abs(train.rows[:, 0, 0, 0].astype(int) - [10, 40]).max() <= 1 and train.held_out.n == 1
    (folder / place / "000004.jpg").unlink()
    with pytest.raises(FmdiagError, match="000004.jpg: named in list_eval_partition.*not there"):
        load_dataset("celeba", offline=True)


def test_an_archive_placed_by_hand_is_used(data_root):
    write_members(data_root, {"imagenette2-160.tgz": tar_gz(imagenette_members("imagenette2-160"))})
    train = load_dataset("imagenette", offline=True, size=32)
    assert (train.shape, train.n, train.labels.tolist()) == ((3, 32, 32), 6, [0, 0, 0, 1, 1, 1])


def test_the_wrong_archive_is_refused(data_root):
    write_members(data_root, {"imagenette2-160.tgz": tar_gz({"other/file.txt": b"x"})})
    with pytest.raises(FmdiagError, match="not the archive of imagenette"):
        load_dataset("imagenette", offline=True)


def test_an_archive_that_leaves_its_folder_is_refused(mirror, card_with, tmp_path):
    mirror["/cifar10/cifar-10-python.tar.gz"] = tar_gz(cifar_members() | {"../../escaped": b"x"})
    card_with("cifar10", {})
    with pytest.raises(FmdiagError, match="outside its folder: archive refused"):
        load_dataset("cifar10")
    assert not list(tmp_path.rglob("escaped"))


def test_without_mirror_the_card_names_the_address(monkeypatch):
    monkeypatch.delenv("FMDIAG_MIRROR")
    card = load_card("cifar10")
    assert download.address(card, card.files[0]) == "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    assert cards.load_card("digits").files == ()


def test_fault_5_low_downloads_have_a_limit(mirror, card_with, data_root, monkeypatch):
    files = mnist_files()
    card_with("mnist", {})
    mirror.update({f"/mnist/{name}": content for name, content in files.items()})
    monkeypatch.setattr(download, "LARGEST", 100)
    with pytest.raises(FmdiagError, match="mnist: train-images.* was not downloaded .*sends more than"):
        load_dataset("mnist")
    assert not [path for path in data_root.rglob("*") if path.is_file()]


@pytest.mark.parametrize("name", ["fashion-mnist", "mnist", "cifar10", "imagenette", "imagenette-full", "celeba"])
def test_fault_5_low_cards_carry_https_and_hashes(name):
    card = load_card(name)
    assert card.base_url is None or card.base_url.startswith("https://")
    kinds = {file.hash.partition(":")[0] for file in card.files}
    assert kinds == ({"sha256"} if name in ("fashion-mnist", "mnist", "cifar10") else {"md5"})
    assert all(len(file.hash) == (71 if file.hash.startswith("sha256") else 36) for file in card.files)


@pytest.mark.parametrize("content", ["[1]", '{"mnist/a": 3}', "nope", "[" * 100_000])
def test_records_of_downloads_of_another_type(content, data_root, mirror):
    (data_root / "mnist").mkdir(parents=True)
    (data_root / "mnist/train-images-idx3-ubyte.gz").write_bytes(idx_gz(np.zeros((1, 28, 28))))
    (data_root / "downloads.json").write_text(content)
    with pytest.raises(FmdiagError, match="downloads.json"):
        load_dataset("mnist")
