"""What a saved model says of itself, and what it may say."""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from saved import read_header

from lumin_core import Model, registry
from lumin_core.errors import SavedModelError
from lumin_core.model.record import ModelRecord, describe_components, fold_ids, to_json

PATH = Path("a.safetensors")


def test_a_record_goes_to_json_and_back(trained):
    record = trained(cont_subsample_rate=0.7).record
    values = json.loads(json.dumps(to_json(record)))
    assert ModelRecord.from_json(values, PATH) == record
    assert values["cat_maps"] == {"d": {"0": "low", "1": "mid", "2": "high"}}


def test_a_new_record_has_the_versions_and_nothing_else():
    record = ModelRecord()
    assert record.versions == {name: version(name) for name in ("lumin-core", "torch")}
    assert (record.config, record.trn_idxs, record.components, record.features) == (None, None, [], {})


def test_the_file_has_the_keys_of_the_record_in_their_order(saved):
    assert list(read_header(saved)["content"]) == [
        "config",
        "unnamed",
        "components",
        "input_mask",
        "features",
        "preprocessing",
        "cat_maps",
        "seeds",
        "trn_idxs",
        "identity",
        "folds",
        "versions",
    ]


GOOD = {
    "config": [None, {}, {"body": {"name": "x"}}],
    "unnamed": [None, "why"],
    "components": [[], [{"kind": "head"}]],
    "input_mask": [None, [], [0, 3]],
    "features": [{}, {"cont_feats": ["a"]}],
    "preprocessing": [[], [{"name": "x", "mean": [1.0]}]],
    "cat_maps": [{}, {"d": {"0": "low", "-1": 3, "2": 0.5}}],
    "seeds": [{}, {"fit": 10**30}],
    "trn_idxs": [None, [0, 1]],
    "folds": [None, ["ab"]],
    "versions": [{}, {"torch": "2.4"}],
}
BAD = {
    "config": [[], "x", 1],
    "unnamed": [1, []],
    "components": [None, {}, ["x"], [{"kind": 1}], [{1: "x"}]],
    "input_mask": [0, ["a"], [-1], [2**31], [True], [1.0], [None]],
    "features": [None, [], {"cont_feats": "a"}, {"cont_feats": [1]}, {1: ["a"]}],
    "preprocessing": [None, {}, ["x"], [[]]],
    "cat_maps": [None, [1], {"d": ["low"]}, {"d": {"x": "low"}}, {"d": {"": "low"}}, {"d": {"0": ["low"]}}],
    "seeds": [None, {"fit": 1.5}, {"fit": "1"}],
    "trn_idxs": [3, [-1], ["0"]],
    "folds": ["ab", [1]],
    "versions": [None, {"torch": 2}],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in GOOD.items() for value in values])
def test_values_as_they_are_annotated_are_taken(name, value):
    assert getattr(ModelRecord.from_json({name: value}, PATH), name) == value


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_other_values_are_refused_and_named(name, value):
    with pytest.raises(SavedModelError, match=f"a.safetensors is damaged: its header does not fit: {name} must be"):
        ModelRecord.from_json({name: value}, PATH)
    with pytest.raises(TypeError, match=f"{name} must be"):
        ModelRecord(**{name: value})
    with pytest.raises(TypeError, match=f"{name} must be"):
        setattr(ModelRecord(), name, value)


@pytest.mark.parametrize("values", [None, [], ["x"], "x", 3, {"confg": {}}])
def test_what_is_no_record_is_refused(values):
    with pytest.raises(SavedModelError, match="is damaged: its header does not fit"):
        ModelRecord.from_json(values, PATH)


def test_training_folds_add_up_with_one_file_and_start_anew_with_another(fy, make_fy, tmp_path):
    record = ModelRecord()
    record.add_training(fy, [2])
    record.add_training(fy, [0, 2])
    assert record.trn_idxs == [0, 2]
    assert (record.identity, record.folds) == (fy.identity, None)
    other = make_fy(tmp_path / "other.hdf5", seed=5)
    record.add_training(other, [1])
    assert (record.trn_idxs, record.identity) == ([1], other.identity)
    assert record.is_of(other)
    assert not record.is_of(fy)


def test_what_was_saved_before_files_had_an_identity_is_told_by_its_targets(fy, make_fy, tmp_path):
    record = ModelRecord(trn_idxs=[2], folds=fold_ids(fy))
    assert record.is_of(fy)
    assert not record.is_of(make_fy(tmp_path / "other.hdf5", seed=5))
    record.add_training(fy, [0])
    assert (record.trn_idxs, record.identity) == ([0, 2], fy.identity)


def test_fold_ids_are_of_the_targets_alone(fy, make_fy, tmp_path):
    def change(fold, columns):
        columns["inputs"] = np.zeros_like(columns["inputs"])

    assert fold_ids(make_fy(tmp_path / "a.hdf5", change=change)) == fold_ids(fy)
    assert len(set(fold_ids(fy))) == 3
    assert fold_ids(make_fy(tmp_path / "b.hdf5", seed=1)) != fold_ids(fy)


def test_pins_are_the_names_that_were_meant():
    record = ModelRecord(
        components=[{"kind": "head", "name": "x", "qualified": "a/x", "version": "1"}, {"kind": "head", "name": "y"}]
    )
    assert record.pins() == {("head", "x"): "a/x"}


def test_components_are_described_with_version_and_distribution():
    [described] = describe_components([registry.find("optimiser", "adam")])
    assert described == {
        "kind": "optimiser",
        "name": "adam",
        "qualified": "core/adam",
        "distribution": "lumin-core",
        "version": version("lumin-core"),
    }
    with registry.temporary():
        registry.register("head", "mine", type("Mine", (registry.find_kind("head").load_base(),), {}))
        [described] = describe_components([registry.find("head", "mine")])
    assert (described["qualified"], described["version"]) == ("session/mine", "")


def test_a_loaded_model_has_the_record_of_the_saved_one(saved, trained):
    assert Model.from_save(saved).record == Model.from_save(saved).record
    assert Model.from_save(saved).record.trn_idxs == [0, 1, 2]
