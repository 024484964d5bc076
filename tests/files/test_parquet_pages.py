"""Pages of Parquet columns, counted by their own headers."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fmdiag.errors import FmdiagError
from fmdiag.files import parquet_pages
from fmdiag.files.parquet_pages import check_pages


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "snappy", "zstd"])
def test_the_dictionary_of_a_column_is_found(compression, version, tmp_path):
    values = [np.random.default_rng(k).bytes(1000) for k in range(5)] * 100
    table = pa.table({"image": pa.array(values, pa.binary()), "label": list(range(500))})
    for use, expected in ((["image"], 5 * 1004), (False, 0)):
        pq.write_table(table, tmp_path / "a.parquet", compression=compression, data_page_version=version,
                       use_dictionary=use, data_page_size=10_000)
        assert check_pages(tmp_path / "a.parquet", ["image"]) == expected


def test_fault_5_6_a_page_of_many_bytes_is_refused_before_it_is_read(tmp_path, monkeypatch):
    table = pa.table({"image": pa.array([bytes(1 << 20)] * 20, pa.binary())})
    pq.write_table(table, tmp_path / "a.parquet", compression="zstd", use_dictionary=False)
    assert check_pages(tmp_path / "a.parquet", ["image"]) == 0
    monkeypatch.setattr(parquet_pages, "FREE_PAGE", 1 << 20)
    with pytest.raises(FmdiagError, match="a.parquet: .* bytes hold a page that would unpack to 2"):
        check_pages(tmp_path / "a.parquet", ["image"])


def test_pages_that_are_damaged(tmp_path):
    pq.write_table(pa.table({"image": pa.array([b"abc"], pa.binary())}), tmp_path / "a.parquet")
    content = bytearray((tmp_path / "a.parquet").read_bytes())
    for new in (b"\xff" * 20, bytes(20), b"\x1c" * 20):
        content[4:24] = new
        (tmp_path / "a.parquet").write_bytes(content)
        with pytest.raises(FmdiagError, match="a page"):
            check_pages(tmp_path / "a.parquet", ["image"])
