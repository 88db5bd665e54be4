import numpy as np
import pytest

ak = pytest.importorskip("awkward")
uproot = pytest.importorskip("uproot")

from lumin_plugin_io import RootReader  # noqa: E402  (needs uproot)

N = 1000


def test_of_a_tree_it_is_the_largest_basket_of_each_branch(tmp_path):
    rng = np.random.default_rng(1)
    with uproot.recreate(tmp_path / "a.root", compression=None) as file:
        file.mktree("T", {"x": "float64", "y": "float32"})
        for n in (N, 3 * N):
            file["T"].extend({"x": rng.random(n), "y": rng.random(n, dtype="float32")})
    with RootReader(tmp_path / "a.root") as reader:
        assert reader.largest_piece(["x"]) == pytest.approx(24 * N, rel=0.02)
        assert reader.largest_piece(["x", "y"]) == pytest.approx(36 * N, rel=0.02)
        assert reader.largest_piece([]) == 0


def test_of_an_ntuple_it_is_the_largest_cluster(tmp_path):
    jets = ak.Array([[1.0, 2.0]] * N)
    with uproot.recreate(tmp_path / "a.root") as file:
        table = file.mkrntuple("T", {"x": np.zeros(N), "jets": jets})
        table.extend({"x": np.zeros(3 * N), "jets": ak.concatenate([jets] * 3)})
    with RootReader(tmp_path / "a.root") as reader:
        assert reader.largest_piece(["x"]) == 8 * 3 * N
        assert reader.largest_piece(["x", "jets"]) == (8 + 8 + 2 * 8) * 3 * N  # and where the jets of each event begin


def test_of_parquet_it_is_the_largest_row_group(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    from lumin_plugin_io import ParquetReader

    table = pa.table({"x": np.random.default_rng(1).random(4 * N), "y": np.arange(4 * N)})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=3 * N, use_dictionary=False)
    with ParquetReader(tmp_path / "a.parquet") as reader:
        assert reader.largest_piece(["x"]) == pytest.approx(24 * N, rel=0.02)
        assert reader.largest_piece(["y", "x"]) == pytest.approx(48 * N, rel=0.02)
