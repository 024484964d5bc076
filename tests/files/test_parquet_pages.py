"""Pages of Parquet columns, counted by their own headers."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fmdiag.errors import FmdiagError
from fmdiag.files import parquet_pages
from fmdiag.files.parquet_pages import check_pages, chunks


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


@pytest.mark.parametrize("statistics", [True, False])
@pytest.mark.parametrize("use_dictionary", [True, False])
def test_the_footer_is_read_as_pyarrow_reads_it(statistics, use_dictionary, tmp_path):
    pictures = [None if k % 7 == 3 else {"bytes": bytes([k]) * k, "path": f"{k}.png"} for k in range(100)]
    table = pa.table({"image": pictures, "label": list(range(100)), "weight": np.linspace(0, 1, 100)})
    file = tmp_path / "a.parquet"
    pq.write_table(table, file, row_group_size=30, use_dictionary=use_dictionary, write_statistics=statistics)
    facts = pq.read_metadata(file)
    expected = [facts.row_group(k).column(j) for k in range(facts.num_row_groups) for j in range(facts.num_columns)]
    found = list(chunks(file))
    assert len(found) == len(expected) == 16
    for ours, theirs in zip(found, expected, strict=True):
        start = theirs.dictionary_page_offset if theirs.has_dictionary_page else theirs.data_page_offset
        nulls = theirs.statistics.null_count if theirs.statistics is not None else None
        assert ours == (theirs.path_in_schema, theirs.num_values, theirs.total_compressed_size, start, nulls)


@pytest.mark.parametrize("footer", [b"", b"\x00", b"\x49\xfc\xff\xff\xff\xff\x0f", b"\x1c" * 50, b"\x4c" * 400,
                                    b"\x49\xf9" * 99])
def test_a_footer_that_is_none_is_refused(footer, tmp_path):
    """Lists longer than the file, structs and lists without an end."""
    (tmp_path / "a.parquet").write_bytes(b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    if footer == b"\x00":
        assert check_pages(tmp_path / "a.parquet", ["image"]) == 0
    else:
        with pytest.raises(FmdiagError, match="a.parquet: .*its footer is not readable"):
            check_pages(tmp_path / "a.parquet", ["image"])
