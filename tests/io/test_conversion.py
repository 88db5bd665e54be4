"""Conversion as a whole: values, statistics, bytes, what is refused, what is left behind."""

import hashlib
import logging
import multiprocessing
import os
import signal
import time
import warnings

import numpy as np
import pytest

from lumin_core.data import FoldReader
from lumin_core.errors import ConfigError, DataError, FoldFileError, UnknownComponent
from lumin_plugin_io import Recipe, category_codes, conversion, filling, workers
from lumin_plugin_io.conversion import convert

uproot = pytest.importorskip("uproot")

SIZES = {"a.root": 300, "b_1.root": 170, "b_2.root": 90}
BIG = 2**53 + 1


def columns_of(name):
    """Make the columns of a file, a jagged one among them."""
    rng = np.random.default_rng(sum(map(ord, name)))
    n = SIZES[name]
    x = rng.normal(50, 20, (n, 2)).astype("f4")
    x[::7, 1] = np.nan
    return {
        "x": x[:, 0],
        "y": x[:, 1],
        "n_jet": rng.integers(0, 4, n).astype("i4"),
        "w": rng.normal(1, 1, n),
        "event": np.arange(n) + BIG + 1000 * len(name),
    }


@pytest.fixture(scope="module")
def data():
    return {name: columns_of(name) for name in SIZES}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, data):
    import awkward as ak

    folder = tmp_path_factory.mktemp("root")
    for name, columns in data.items():
        counts = columns["n_jet"]
        jets = ak.unflatten(np.repeat(columns["x"], counts) / (1 + np.arange(counts.sum()) % 3), counts)
        jets = ak.zip({"pt": jets, "eta": jets / 100})
        with uproot.recreate(folder / name) as file:
            tree = file.mktree("Events", {key: values.dtype for key, values in columns.items()} | {"Jet": jets.type})
            tree.extend({**columns, "Jet": jets})
    return folder


def recipe(folder, **changes):
    given = {
        "sample": {"a": {"files": "a.root", "target": 0}, "b": {"files": "b_*.root", "target": 1}},
        "variables": {"x": "x", "y": "y"},
        "categories": {"n_jet": "n_jet"},
        "matrix": {"jets": {"fields": {"pt": "Jet_pt", "eta": "Jet_eta"}, "n": 2, "by": "pt"}},
        "misc": {"event": "event", "flat": "n_jet", "codes": "2 * n_jet"},
        "weights": "w",
        "selection": "x > 30",
        "split": {"parts": {"train": 0.6, "test": 0.4}, "by": ["event"]},
        "n_folds": 4,
        "seed": 3,
        "folder": folder,
    }
    return Recipe(**(given | changes))


def all_of(path):
    """Read all folds of a file, each column in one piece."""
    reader = FoldReader(path)
    columns = {
        name: np.concatenate([reader.read(name, fold) for fold in sorted(reader.sizes)])
        for name in ["inputs", "targets", "weights", "matrix_inputs", *reader.schema.misc_feats]
        if name in reader.known_columns
    }
    return columns, reader


def sums(paths):
    return {part: hashlib.sha256(path.read_bytes()).hexdigest() for part, path in paths.items()}


@pytest.fixture(scope="module")
def whole(folder, tmp_path_factory):
    """Convert once."""
    return convert(recipe(folder), tmp_path_factory.mktemp("whole") / "train.hdf5")


def by_event(paths):
    """Put the events of all parts together, in the order of the inputs, as they were before scaling."""
    from lumin_core.data import chain_from_config, invert_chain

    parts = []
    for path in paths.values():
        columns, reader = all_of(path)
        chains = {name: chain_from_config(steps) for name, steps in reader.schema.preprocessing.items()}
        columns["inputs"][:, :2] = invert_chain(chains["inputs"], columns["inputs"][:, :2])
        flat = columns["matrix_inputs"].reshape(len(columns["inputs"]), -1)
        columns["matrix_inputs"] = invert_chain(chains["matrix"], flat)
        parts.append(columns)
    together = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.lexsort((together["entry"], together["file"]))
    return {name: values[order] for name, values in together.items()}


def test_every_value_comes_back_on_its_event(whole, data):
    found = by_event(whole)
    kept = {name: np.flatnonzero(columns["x"] > 30) for name, columns in data.items()}
    expected = {key: np.concatenate([data[name][key][kept[name]] for name in data]) for key in data["a.root"]}
    assert found["file"].tolist() == np.repeat(np.arange(3), [len(rows) for rows in kept.values()]).tolist()
    assert found["entry"].tolist() == np.concatenate([*kept.values()]).tolist()
    assert found["event"].dtype == np.int64
    assert found["event"].tolist() == expected["event"].tolist()
    np.testing.assert_allclose(found["inputs"][:, 0], expected["x"], rtol=1e-6)
    np.testing.assert_allclose(found["inputs"][:, 1], expected["y"], rtol=1e-5, atol=1e-5)
    assert found["inputs"][:, 2].tolist() == expected["n_jet"].tolist()
    assert found["codes"].tolist() == (2 * found["flat"]).tolist() == (2 * expected["n_jet"]).tolist()
    assert found["weights"].tolist() == expected["w"].astype("f4").tolist()
    assert found["targets"].tolist() == (found["file"] > 0).astype("f4").tolist()
    n_there = (~np.isnan(found["matrix_inputs"][:, ::2])).sum(axis=1)
    assert n_there.tolist() == np.minimum(expected["n_jet"], 2).tolist()


def test_the_parts_are_those_of_the_keys(whole):
    from lumin_plugin_io.splitting import hashed, parts_of

    for number, path in enumerate(whole.values()):
        events = all_of(path)[0]["event"]
        assert (parts_of(hashed(0, events), [0.6, 0.4]) == number).all()
    assert [path.name for path in whole.values()] == ["train.hdf5", "train.test.hdf5"]


def test_folds_and_samples_are_equal_to_one_event_of_a_file(whole):
    reader = FoldReader(whole["train"])
    counts = [np.bincount(reader.read("file", fold), minlength=3) for fold in range(4)]
    assert np.ptp(counts, axis=0).max() <= 1


def test_statistics_are_of_the_training_alone_and_weighted_by_absolute_weights(whole):
    columns, reader = all_of(whole["train"])
    weights = np.abs(columns["weights"].astype("f8"))
    there = ~np.isnan(columns["inputs"][:, 1])
    for column, rows in ((0, slice(None)), (1, there)):
        values = columns["inputs"][rows, column].astype("f8")
        assert np.average(values, weights=weights[rows]) == pytest.approx(0, abs=1e-6)
        assert np.average(values**2, weights=weights[rows]) == pytest.approx(1, rel=1e-6)
    jets = columns["matrix_inputs"].astype("f8").reshape(-1, 2)
    there = ~np.isnan(jets[:, 0])
    of_jets = np.repeat(weights, 2)[there]
    assert np.average(jets[there], axis=0, weights=of_jets) == pytest.approx([0, 0], abs=1e-6)
    assert np.average(jets[there] ** 2, axis=0, weights=of_jets) == pytest.approx([1, 1], rel=1e-6)
    assert FoldReader(whole["test"]).schema.preprocessing == reader.schema.preprocessing


def test_meta_data_say_where_the_events_are_from(whole, data):
    schema = FoldReader(whole["test"]).schema
    assert [(source["name"], source["sample"], source["entries"]) for source in schema.sources] == [
        ("a.root", "a", 300),
        ("b_1.root", "b", 170),
        ("b_2.root", "b", 90),
    ]
    assert schema.sources[0]["selected"] == (data["a.root"]["x"] > 30).sum()
    assert schema.recipe["name"] == "io/recipe"
    assert "files" not in str(schema.recipe)
    assert schema.cat_maps == {"n_jet": {0: 0, 1: 1, 2: 2, 3: 3}}
    assert schema.with_role("key") == ["file", "entry"]
    assert schema.units == {}


def test_meta_data_say_the_units_of_all_parts(folder, tmp_path):
    paths = convert(recipe(folder, units={"x": "GeV", "pt": "GeV", "jets_1_eta": "1"}), tmp_path / "train.hdf5")
    for path in paths.values():
        assert FoldReader(path).schema.units == {"x": "GeV", "jets_0_pt": "GeV", "jets_1_pt": "GeV", "jets_1_eta": "1"}


@pytest.mark.parametrize("step", [7, 1000])
def test_the_size_of_pieces_changes_no_byte(folder, whole, tmp_path, step):
    assert sums(convert(recipe(folder), tmp_path / "train.hdf5", step=step)) == sums(whole)


def test_many_flushes_and_small_pieces_change_no_value(folder, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(filling, "FLUSH_BYTES", 5000)
    found = by_event(convert(recipe(folder), tmp_path / "train.hdf5", step=13))
    expected = by_event(whole)
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_two_workers_of_which_this_process_is_one_change_no_byte(folder, whole, tmp_path):
    told, others, before = [], [], set(multiprocessing.active_children())  # those of tests that ran here

    def progress(*what):
        told.append(what)
        others.append(len(set(multiprocessing.active_children()) - before))

    paths = convert(recipe(folder), tmp_path / "train.hdf5", workers=2, progress=progress)
    assert max(others) == 1
    assert sums(paths) == sums(whole)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["train.hdf5", "train.test.hdf5"]
    assert told[:3] == [("read", 1, 3), ("read", 2, 3), ("read", 3, 3)]
    assert told[-1] == ("written", 8, 8)


def test_of_several_faults_that_of_the_first_input_is_told(folder, tmp_path):
    with pytest.raises(DataError, match=r"a\.root"):
        convert(recipe(folder, variables={"x": "x / (x - x)"}), tmp_path / "train.hdf5", workers=2)
    assert list(tmp_path.iterdir()) == []


def interrupted(monkeypatch, folder, path, **options):
    """Convert, and interrupt that when the second input is read."""
    with monkeypatch.context() as patch:

        def fill(job):
            if job.number == 1:
                raise KeyboardInterrupt
            filling.fill(job)

        patch.setattr(workers, "fill", fill)
        with pytest.raises(KeyboardInterrupt):
            convert(recipe(folder), path, **options)


def test_a_resumed_conversion_reads_no_finished_input_again_and_ends_with_the_same_bytes(
    folder, whole, tmp_path, monkeypatch
):
    path = tmp_path / "train.hdf5"
    interrupted(monkeypatch, folder, path)
    assert (tmp_path / ".train.hdf5.spool").is_dir()
    read = []
    with monkeypatch.context() as patch:
        patch.setattr(workers, "fill", lambda job: (read.append(job.number), filling.fill(job)))
        paths = convert(recipe(folder), path, resume=True)
    assert read == [1, 2]
    assert sums(paths) == sums(whole)
    assert sorted(tmp_path.iterdir()) == sorted(paths.values())
    assert convert(recipe(folder), path, resume=True) == paths  # there is nothing left to do


def test_rows_that_were_damaged_are_read_again(folder, whole, tmp_path, monkeypatch):
    path = tmp_path / "train.hdf5"
    interrupted(monkeypatch, folder, path)
    (rows,) = (tmp_path / ".train.hdf5.spool").glob("*/0.rows")
    content = bytearray(rows.read_bytes())
    content[100] ^= 1
    rows.write_bytes(content)
    assert sums(convert(recipe(folder), path, resume=True)) == sums(whole)


def test_a_spool_of_another_recipe_is_discarded_and_that_is_said(folder, whole, tmp_path, monkeypatch, caplog):
    path = tmp_path / "train.hdf5"
    interrupted(monkeypatch, folder, path)
    with caplog.at_level(logging.WARNING):
        paths = convert(recipe(folder, selection="x > 40"), path, resume=True)
    assert "left by a conversion of another recipe" in caplog.text
    assert sum(FoldReader(paths["train"]).sizes.values()) < sum(FoldReader(whole["train"]).sizes.values())
    assert sorted(tmp_path.iterdir()) == sorted(paths.values())


def test_parts_of_an_interrupted_renaming_are_replaced_on_resume(folder, whole, tmp_path, monkeypatch):
    path = tmp_path / "train.hdf5"
    with monkeypatch.context() as patch:
        patch.setattr(conversion.Spool, "remove", lambda self: None)
        convert(recipe(folder), path)
    path.unlink()  # as if it had not been renamed yet
    with pytest.raises(FoldFileError, match=r"train\.test\.hdf5 exists"):
        convert(recipe(folder), path)
    convert(recipe(folder), path, overwrite=True)
    path.unlink()
    interrupted(monkeypatch, folder, path, overwrite=True)
    with pytest.raises(FoldFileError, match=r"train\.test\.hdf5 exists"):  # the old one is not ours to replace
        convert(recipe(folder), path, resume=True)


def test_a_failure_leaves_nothing_unless_it_is_to_be_resumed(folder, tmp_path):
    wrong = recipe(folder, variables={"x": "x / (x - x)"})
    with pytest.raises(DataError, match=r"a\.root.*x"):
        convert(wrong, tmp_path / "train.hdf5")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(DataError):
        convert(wrong, tmp_path / "train.hdf5", resume=True)
    assert [path.name for path in tmp_path.iterdir()] == [".train.hdf5.spool"]


def test_a_killed_worker_is_told_and_leaves_what_can_be_resumed(folder, whole, tmp_path):
    path = tmp_path / "train.hdf5"

    def kill(*progress):
        for process in multiprocessing.active_children():
            process.kill()

    with pytest.raises(workers.WorkerKilled, match=r"was killed, perhaps because memory ran out.*resume=True"):
        convert(recipe(folder), path, workers=2, progress=kill)
    assert list((tmp_path / ".train.hdf5.spool").glob("*/*.json"))
    assert sums(convert(recipe(folder), path, resume=True)) == sums(whole)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_conversion_that_is_killed_and_resumed_ends_with_the_same_bytes(folder, whole, tmp_path):
    path = tmp_path / "train.hdf5"
    begun = time.monotonic()
    convert(recipe(folder), tmp_path / "timed.hdf5", step=20)
    seconds = time.monotonic() - begun
    for moment in (0.2, 0.5, 0.9):
        killed(lambda: convert(recipe(folder), path, step=20, resume=True), moment * seconds)
        for part, there in whole.items():
            if (name := path.with_name(there.name)).exists():
                assert sums({part: name}) == sums({part: there})
    assert sums(convert(recipe(folder), path, resume=True)) == sums(whole)
    assert {found.name for found in tmp_path.iterdir()} >= {"train.hdf5", "train.test.hdf5"}


def killed(do, moment):
    """Do something in a process of its own that is killed after so many seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # fork, with threads that only read
        child = os.fork()
    if not child:
        try:
            do()
        finally:
            os._exit(0)
    time.sleep(moment)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"selection": "x > 1e9"}, "none of 560 events is selected"),
        ({"n_folds": 400}, "cannot fill 400 folds"),
        ({"split": {"parts": {"train": 1 - 1e-9, "test": 1e-9}}}, "the part 'test' has none of"),
        ({"variables": {"x": "x", "z": "x / 0 - x / 0"}, "selection": "x > 30"}, r"\[variables\] z has no value"),
        (
            {"categories": {"n_jet": {"value": "n_jet", "map": {"0": "none", "1": "one"}}}},
            r"a\.root.*\[categories\] n_jet is [23], which its map lacks",
        ),
    ],
)
def test_what_cannot_be_converted_is_refused(folder, tmp_path, changes, message):
    with pytest.raises(DataError, match=message):
        convert(recipe(folder, **changes), tmp_path / "train.hdf5")
    assert list(tmp_path.iterdir()) == []


def test_values_that_only_other_parts_have_need_a_category_of_their_own(folder, data, tmp_path):
    from lumin_plugin_io.splitting import hashed, parts_of

    events = data["a.root"]["event"][data["a.root"]["x"] > 30]
    event = events[parts_of(hashed(0, events), [0.6, 0.4]) == 1][0]
    rare = {"value": f"where(event == {event}, 99, n_jet)"}
    with pytest.raises(DataError, match=r"a\.root: \[categories\] n_jet is 99 in events that are not for the training"):
        convert(recipe(folder, categories={"n_jet": rare}), tmp_path / "train.hdf5")
    paths = convert(recipe(folder, categories={"n_jet": {**rare, "unknown": True}}), tmp_path / "train.hdf5")
    columns, reader = all_of(paths["test"])
    assert reader.schema.cat_maps["n_jet"][4] == "<unknown>"
    assert columns["event"][columns["inputs"][:, 2] == 4].tolist() == [event]


def test_a_category_of_many_values_needs_a_map(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(category_codes, "MOST_VALUES", 100)
    with pytest.raises(DataError, match=r"a\.root.*\[categories\] event has more than 100 values"):
        convert(recipe(folder, categories={"event": "event"}, misc=None), tmp_path / "train.hdf5")


def test_an_unknown_category_is_the_last_code(folder, tmp_path):
    lepton = {"value": "n_jet", "map": {"1": "one", "0": "none", "2": "one"}, "unknown": True}
    paths = convert(recipe(folder, categories={"n_jet": lepton}), tmp_path / "train.hdf5")
    found = by_event(paths)["inputs"][:, 2]
    assert FoldReader(paths["test"]).schema.cat_maps == {"n_jet": {0: "one", 1: "none", 2: "<unknown>"}}
    assert np.bincount(found.astype(int), minlength=3).min() > 0


@pytest.mark.parametrize("balance", ["target", "sample", "n_jet", None])
def test_training_weights_make_classes_alike_and_the_variable_flat(folder, whole, tmp_path, balance):
    wanted = {"flat": {"x": [30, 50, 70]}, **({"balance": balance} if balance else {})}
    changes = {"train_weight": wanted, "weights": "abs(w) + 1"}
    one, other = (convert(recipe(folder, **changes), tmp_path / f"{step}.hdf5", step=step) for step in (9, 500))
    columns, reader = all_of(one["train"])
    assert sums({"train": one["train"], "test": one["test"]}) == sums(other)
    assert reader.schema.with_role("weight") == ["train_weight"]
    weights, x = columns["train_weight"].astype("f8"), columns["inputs"][:, 0]
    assert weights.mean() == pytest.approx(1)
    mean, scale = (reader.schema.preprocessing["inputs"][0][key][0] for key in ("mean", "scale"))
    is_low = x * scale + mean < 50
    classes = {
        "target": columns["targets"],
        "sample": (columns["file"] > 0).astype(int),
        "n_jet": columns["inputs"][:, 2],
        None: (columns["file"] > 0).astype(int),
    }[balance]
    of_classes = []
    for value in np.unique(classes):
        low, high = (weights[(classes == value) & of_bin].sum() for of_bin in (is_low, ~is_low))
        assert low == pytest.approx(high, rel=1e-5)
        of_classes.append(low + high)
    assert balance is None or of_classes == pytest.approx([of_classes[0]] * len(of_classes), rel=1e-5)


def test_a_file_that_exists_is_refused_before_anything_is_read(folder, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "fill", None)
    with pytest.raises(FoldFileError, match="exists"):
        convert(recipe(folder), whole["train"])


def test_a_scaling_that_is_not_installed_is_refused_before_anything_is_read(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "fill", None)
    with pytest.raises(UnknownComponent, match="no_such_scaler"):
        convert(recipe(folder, scaling="tabular/no_such_scaler"), tmp_path / "train.hdf5")
    with pytest.raises(ConfigError, match="scaling must be 'tabular/standard_scaler' or ''"):
        convert(recipe(folder, scaling="tabular/robust_scaler"), tmp_path / "train.hdf5")


def test_without_scaling_targets_and_weights(folder, tmp_path):
    bare = {"sample": {"b": {"files": "b_1.root"}}, "weights": None, "scaling": "", "matrix": None, "split": None}
    path = convert(recipe(folder, **bare), tmp_path / "train")["train"]
    columns, reader = all_of(path)
    assert path.name == "train.hdf5"
    assert (columns["inputs"][:, 0] > 30).all()
    assert reader.schema.preprocessing == {}
    assert reader.schema.wgt_feat is None
    assert reader.schema.targ_feats == []
