"""Saved models: bit for bit there and back; from strangers nothing runs and everything is refused plainly."""

import contextlib
import copy
import json
import os
import pickle
import random
import shutil
import tracemalloc

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from saved import read_header, rewrite

from lumin_core import CatEmbedder, Ensemble, Model, ModelBuilder, registry
from lumin_core.data import add_preprocessing
from lumin_core.errors import ConfigError, LuminError, SavedModelError, UnknownComponent
from lumin_core.model.blocks import Body, Head
from lumin_plugin_tabular import Chain, StandardScaler

FEATS = ["a", "b", "c"]


class Same(Body):
    """A body of the user's own."""

    def __init__(self, n_in, feat_map):
        super().__init__(n_in, feat_map)
        self.scale = torch.nn.Parameter(torch.ones(1))

    def forward(self, x):
        return x * self.scale

    def get_out_size(self):
        return self.n_in


class Tied(Body):
    """Two layers with one weight."""

    def __init__(self, n_in, feat_map):
        super().__init__(n_in, feat_map)
        self.first, self.second = torch.nn.Linear(n_in, n_in), torch.nn.Linear(n_in, n_in)
        self.second.weight = self.first.weight

    def forward(self, x):
        return self.second(self.first(x))

    def get_out_size(self):
        return self.n_in


OPTIONS = {
    "plain": {},
    "batch norm": {"body": {"name": "fully_connected", "depth": 2, "width": 5, "bn": True, "do": 0.2, "res": True}},
    "running norm": {
        "body": {"name": "fully_connected", "depth": 1, "width": 5, "bn": True, "bn_class": "running_batch_norm1d"}
    },
    "subsampled": {"cont_subsample_rate": 0.5, "guaranteed_feats": ["b"]},
    "multi block": {
        "body": {
            "name": "multi_block",
            "blocks": [{"name": "fully_connected", "depth": 1, "width": 3}, "ident_body"],
            "feats_per_block": [["a", "b"], ["d"]],
            "bottleneck_sz": 2,
        }
    },
    "wide embedding": {"cat_embedder": CatEmbedder(["d"], [3], emb_szs=[7])},
    "frozen": {"freeze_head": True, "lookup_init": "uniform", "opt_args": {"opt": "adamw", "betas": (0.8, 0.9)}},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_model_comes_back_bit_for_bit(trained, fy, tmp_path, same_weights, options):
    model = trained(**options)
    path = model.save(tmp_path / "model")
    assert path == tmp_path / "model.safetensors"
    loaded = Model.from_save(tmp_path / "model")
    assert same_weights(model, loaded)
    x = fy.get_fold(0)["inputs"]
    assert np.array_equal(model.predict(x), loaded.predict(x))
    assert loaded.evaluate(*fy.get_fold(0).values()) == model.evaluate(*fy.get_fold(0).values())
    assert loaded.model_builder.to_config() == model.model_builder.to_config()
    assert loaded.describe() == model.describe()
    assert loaded.save(tmp_path / "again").read_bytes() == path.read_bytes()
    assert (model.input_mask is None and loaded.input_mask is None) or np.array_equal(
        model.input_mask, loaded.input_mask
    )
    loaded.fit(1, fy, 8, seed=1)


@pytest.mark.parametrize("objective", ["multiclass", "regression"])
def test_other_objectives_come_back(make_fy, make_builder, tmp_path, objective):
    fy = make_fy(tmp_path / "a.hdf5", objective=objective)
    tail = {"tail": {"name": "class_reg_multi", "y_range": (-5.0, 5.0)}} if objective == "regression" else {}
    model = Model(make_builder(fy, objective, **tail))
    loaded = Model.from_save(model.save(tmp_path / "m"))
    x = fy.get_fold(0)["inputs"]
    assert np.array_equal(model.predict(x), loaded.predict(x))


def test_fault_saving_with_subsampled_features_can_be_loaded(trained, fy, tmp_path):
    model = trained(cont_subsample_rate=0.4)
    loaded = Model.from_save(model.save(tmp_path / "m"))
    other = trained(cont_subsample_rate=0.4, seed=2)
    assert not np.array_equal(other.input_mask, model.input_mask)
    other.load(tmp_path / "m")
    for each in (loaded, other):
        assert np.array_equal(each.input_mask, model.input_mask)
        assert np.array_equal(each.predict(fy.get_fold(0)["inputs"]), model.predict(fy.get_fold(0)["inputs"]))


def test_tied_weights_are_stored_once_and_stay_tied(trained, tmp_path):
    with registry.temporary():
        registry.register("body", "tied", Tied)
        model = trained(body="tied")
        path = model.save(tmp_path / "m")
        assert len([key for key in load_file(path) if key.endswith(("first.weight", "second.weight"))]) == 1
        loaded = Model.from_save(path)
        assert loaded.body.first.weight is loaded.body.second.weight
        assert torch.equal(loaded.body.first.weight, model.body.first.weight)


def test_preprocessing_and_category_maps_are_kept(make_fy, make_builder, tmp_path):
    rng = np.random.default_rng(1)
    fy = make_fy(tmp_path / "a.hdf5")
    chain = Chain([StandardScaler()]).fit(rng.normal(5, 3, (100, 3)))
    fy.close()
    add_preprocessing(tmp_path / "a.hdf5", input_pipe=chain)
    from lumin_core import FoldYielder

    fy = FoldYielder(tmp_path / "a.hdf5")
    model = Model(make_builder(fy))
    model.fit(1, fy, 8, seed=1)
    loaded = Model.from_save(model.save(tmp_path / "m"))
    assert loaded.record.cat_maps == {"d": {"0": "low", "1": "mid", "2": "high"}}
    raw = np.array([[1.0, 2.0, 3.0, "mid"], [0.0, 1.0, 5.0, "low"]], dtype=object)
    assert np.array_equal(loaded.predict(raw, raw=True), model.predict(raw, raw=True))
    again = Model.from_save(loaded.save(tmp_path / "n"))
    assert np.array_equal(again.predict(raw, raw=True), model.predict(raw, raw=True))


def test_the_header_tells_names_and_versions(saved):
    header = read_header(saved)
    assert header["content"]["config"]["body"]["name"] == "tabular/fully_connected"
    used = {(part["kind"], part["qualified"], part["distribution"]) for part in header["content"]["components"]}
    assert ("head", "tabular/cat_emb_head", "lumin-plugin-tabular") in used
    assert ("activation", "core/swish", "lumin-core") in used
    assert header["content"]["versions"].keys() == {"lumin-core", "torch"}
    assert header["content"]["seeds"] == {"initialisation": 1, "fit": 1}


# Names


def test_bare_nested_names_mean_what_they_meant(trained, fy, tmp_path):
    body = {
        "name": "multi_block",
        "blocks": [{"name": "fully_connected", "depth": 1, "width": 3, "act": "swish"}],
        "feats_per_block": [["*"]],
    }
    model = trained(body=body)
    x = fy.get_fold(0)["inputs"]
    path = model.save(tmp_path / "m")
    with registry.temporary():
        registry.register("activation", "swish", torch.nn.Tanh, override=True)
        registry.register("body", "fully_connected", Same, override=True)
        loaded = Model.from_save(path)
        assert np.array_equal(loaded.predict(x), model.predict(x))
        # saved again while another plugin has the name
        again = Model.from_save(loaded.save(tmp_path / "n"))
        assert np.array_equal(again.predict(x), model.predict(x))
        assert model.save(tmp_path / "o").read_bytes() == path.read_bytes()


def test_a_name_that_is_taken_between_building_and_saving_does_not_slip_in(trained, tmp_path):
    model = trained(head="cat_emb_head")

    class Other(Head):
        def forward(self, x):
            return x

        def get_out_size(self):
            return 4

    with registry.temporary():
        registry.register("head", "cat_emb_head", Other, override=True)
        path = model.save(tmp_path / "m")
    assert read_header(path)["content"]["config"]["head"] == "tabular/cat_emb_head"


def test_session_components_are_saved_by_name_and_asked_for(trained, fy, tmp_path):
    with registry.temporary():
        registry.register("body", "same", Same)
        model = trained(body="same")
        path = model.save(tmp_path / "m")
        assert np.array_equal(Model.from_save(path).predict(np.ones((2, 4))), model.predict(np.ones((2, 4))))
    with pytest.raises(UnknownComponent, match="same"):
        Model.from_save(path)


def test_unnamed_components_are_saved_and_ask_for_the_builder(trained, tmp_path):
    model = trained(body=Same)
    path = model.save(tmp_path / "m")
    with pytest.raises(SavedModelError, match="needs model_builder=: Same has no registered name; register it"):
        Model.from_save(path)
    x = np.ones((2, 4))
    loaded = Model.from_save(path, model.model_builder)
    assert np.array_equal(loaded.predict(x), model.predict(x))
    assert np.array_equal(
        Model.from_save(loaded.save(tmp_path / "n"), model.model_builder).predict(x), model.predict(x)
    )
    ensemble = Ensemble([model, loaded])
    ensemble.save(tmp_path / "e")
    with pytest.raises(SavedModelError, match="needs model_builder="):
        Ensemble.from_save(tmp_path / "e")
    assert np.array_equal(Ensemble.from_save(tmp_path / "e", model.model_builder).predict(x), ensemble.predict(x))


def test_a_builder_that_does_not_fit_is_refused(saved, fy, make_builder):
    with pytest.raises(SavedModelError, match="does not fit the model"):
        Model.from_save(saved, make_builder(fy, width=5))


def test_a_failed_load_leaves_the_model_as_it_was(saved, tmp_path, fy, make_builder, same_weights):
    model = Model(make_builder(fy, seed=4))
    before, mask = model.get_weights(), model.input_mask
    wrong = [
        rewrite(saved, tmp_path / "1.safetensors", lambda header: header["content"].update(input_mask=["a"])),
        rewrite(saved, tmp_path / "2.safetensors", lambda header: header["content"].update(cat_maps=[1])),
        Model(make_builder(fy, width=7)).save(tmp_path / "3"),
    ]
    for path in wrong:
        with pytest.raises(SavedModelError):
            model.load(path)
        assert same_weights(model, before)
        assert model.input_mask is mask
    with pytest.raises(SavedModelError, match="shape"):
        model.set_weights({**before, "2.dense.bias": torch.zeros(3)})
    with pytest.raises(SavedModelError, match="it has no"):
        model.set_weights({})
    assert same_weights(model, before)


# Strangers


class Bomb:
    """Runs code when it is unpickled."""

    def __init__(self, sentinel):
        self.sentinel = sentinel

    def __reduce__(self):
        return (os.system, (f"touch '{self.sentinel}'",))


@pytest.fixture
def bombs(tmp_path):
    """Files that run code when something unpickles them, and the file that would then appear."""
    sentinel = tmp_path / "sentinel"
    payloads = {"plain.pkl": pickle.dumps(Bomb(sentinel)), "nested.pkl": pickle.dumps({"model": Bomb(sentinel)})}
    for name, content in payloads.items():
        (tmp_path / name).write_bytes(content)
        (tmp_path / f"{name}.safetensors").write_bytes(content)
    torch.save(Bomb(sentinel), tmp_path / "torch.pt")
    torch.save({"model": {"weight": Bomb(sentinel)}, "input_mask": Bomb(sentinel)}, tmp_path / "torch.h5")
    torch.save({"model": Bomb(sentinel)}, tmp_path / "legacy.h5", _use_new_zipfile_serialization=False)
    shutil.copy(tmp_path / "torch.h5", tmp_path / "torch.safetensors")
    return sorted(set(tmp_path.iterdir())), sentinel


def test_the_bomb_is_armed(bombs):
    files, sentinel = bombs
    pickle.loads(next(f for f in files if f.name == "plain.pkl").read_bytes())
    assert sentinel.exists()


def test_fault_loading_unpickles_nothing(bombs, fy, make_builder):
    files, sentinel = bombs
    builder = make_builder(fy)
    for path in files:
        loads = (
            Model.from_save,
            Ensemble.from_save,
            Ensemble.load,
            Model(builder).load,
            lambda p: Model(ModelBuilder.from_model_builder(builder, pretrain_file=p)),
            lambda p: Model(
                ModelBuilder.from_model_builder(builder, cat_embedder=CatEmbedder(["d"], [3], emb_load_path=p))
            ),
        )
        for load in loads:
            with pytest.raises(SavedModelError):
                load(path)
    assert not sentinel.exists()


def test_a_malicious_config_runs_nothing(saved, bombs, tmp_path):
    _, sentinel = bombs
    command = f"touch '{sentinel}'"
    attacks = [
        {"body": "os:system"},
        {"body": {"name": "os:system", "command": command}},
        {"body": "os.system"},
        {"head": "builtins:eval"},
        {"tail": {"name": "builtins/exec", "source": command}},
        {"loss": "os:system"},
        {"loss": {"name": "subprocess:run", "args": command, "shell": True}},
        {"lookup_init": "os:system"},
        {"opt_args": {"opt": "os:system"}},
        {"body": str(tmp_path / "plain.pkl")},
        {"lookup_act": "os:system"},
        {"body": {"name": "fully_connected", "act": "os:system"}},
        {"body": {"name": "fully_connected", "act": command}},
        {"body": {"name": "fully_connected", "bn": True, "bn_class": "subprocess:Popen"}},
        {"body": {"name": "fully_connected", "lookup_init": "os:system"}},
        {"body": {"name": "fully_connected", "lookup_act": {"name": "os:system"}}},
        {"body": {"name": "multi_block", "blocks": ["os:system"], "feats_per_block": [["*"]]}},
        {"body": {"name": "__class__"}},
        {"body": {"name": "../../etc/passwd"}},
        {"body": "lumin_plugin_tabular:FullyConnected"},
    ]
    for i, attack in enumerate(attacks):
        path = rewrite(
            saved, tmp_path / f"{i}.safetensors", lambda header, a=attack: header["content"]["config"].update(a)
        )
        with pytest.raises(LuminError):
            Model.from_save(path)
    assert not sentinel.exists()


def test_files_that_a_stranger_names_are_not_read(saved, bombs, tmp_path):
    _, sentinel = bombs

    def name_files(header):
        header["content"]["config"]["pretrain_file"] = str(tmp_path / "torch.h5")
        header["content"]["config"]["cat_embedder"]["emb_load_path"] = str(tmp_path / "plain.pkl.safetensors")

    loaded = Model.from_save(rewrite(saved, tmp_path / "x.safetensors", name_files))
    assert not sentinel.exists()
    assert loaded.model_builder.pretrain_file is None
    Model(loaded.model_builder)
    nested = {
        "name": "cat_emb_head",
        "cat_embedder": {"cat_names": ["d"], "emb_load_path": str(tmp_path / "plain.pkl.safetensors")},
    }
    with pytest.raises(SavedModelError):
        Model.from_save(
            rewrite(saved, tmp_path / "y.safetensors", lambda header: header["content"]["config"].update(head=nested))
        )
    assert not sentinel.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"body": {"name": "fully_connected", "width": 10**9, "depth": 2}},
        {"body": {"name": "fully_connected", "width": 20_000, "depth": 2}},
        {"body": {"name": "fully_connected", "width": 2**70, "depth": 2}},
        {"body": {"name": "fully_connected", "width": 4, "depth": 300_000}},
        {"body": {"name": "fully_connected", "width": -4}},
        {"body": {"name": "fully_connected", "width": 4.5}},
        {"body": {"name": "fully_connected", "width": "wide"}},
        {"body": {"name": "fully_connected", "growth_rate": 1e300}},
        {"body": {"name": "fully_connected", "growth_rate": float("nan")}},
        {"n_out": 10**9},
        {"n_out": 10**30},
        {"n_out": -1},
        {"cat_embedder": {"cat_names": ["d"], "cat_szs": [10**9], "emb_szs": [50]}},
        {"cat_embedder": {"cat_names": ["d"], "cat_szs": [10**30]}},
        {"cat_embedder": {"cat_names": ["d"], "cat_szs": [-3]}},
        {"cat_embedder": {"cat_names": "d", "cat_szs": 3}},
        {"seed": 10**400},
        {"opt_args": {"opt": "core/adam", "lr": float("inf")}},
        {"opt_args": {"opt": "core/adam", "betas": [2, 3]}},
    ],
    ids=str,
)
def test_huge_and_negative_sizes_are_refused_before_they_take_memory(saved, tmp_path, change):
    path = rewrite(saved, tmp_path / "b.safetensors", lambda header: header["content"]["config"].update(change))
    tracemalloc.start()
    try:
        if "lr" in str(change) or "seed" in change:
            with contextlib.suppress(LuminError):
                Model.from_save(path)
        else:
            with pytest.raises(LuminError):
                Model.from_save(path)
        assert tracemalloc.get_traced_memory()[1] < 2e8
    finally:
        tracemalloc.stop()


VALUES = [
    None,
    True,
    0,
    -1,
    1,
    3.5,
    10**40,
    float("nan"),
    "",
    "x",
    "a",
    "core/relu",
    [],
    {},
    [1],
    ["a"],
    [[]],
    {"a": 1},
    {"name": "x"},
    {"name": 3},
    {"name": "tabular/ident_body"},
    {"table": "table.9"},
    {"table": 1},
    [None],
    [-1, 5],
    ["a", "a"],
    [10**40],
    {"": {}},
]


def places(value, place=()):
    """Give every place in nested JSON values."""
    yield place
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*place, key))


def mutate(header, rng):
    """Change one thing in the header: a value, a key that goes, one that comes."""
    place = rng.choice([p for p in places(header) if p])
    parent = header
    for key in place[:-1]:
        parent = parent[key]
    action = rng.choice(["replace", "replace", "replace", "remove", "add"])
    if action == "remove":
        del parent[place[-1]]
    elif action == "add" and isinstance(parent, dict):
        parent[rng.choice(["x", "name", "table", "seed", "config"])] = copy.deepcopy(rng.choice(VALUES))
    else:
        parent[place[-1]] = copy.deepcopy(rng.choice(VALUES))


@pytest.mark.parametrize("sort", ["model", "ensemble"])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.filterwarnings("error")
def test_every_mutation_of_the_header_is_loaded_or_refused_plainly(trained, tmp_path, sort, seed):
    rng = random.Random(seed)
    model = trained(cont_subsample_rate=0.7)
    path = model.save(tmp_path / "m") if sort == "model" else Ensemble([model]).save(tmp_path / "m")
    header, tensors = read_header(path), load_file(path)
    load, refused = (Model.from_save if sort == "model" else Ensemble.from_save), 0
    for _ in range(60):
        changed = copy.deepcopy(header)
        for _ in range(rng.choice([1, 1, 1, 2, 4])):
            mutate(changed, rng)
        save_file(tensors, tmp_path / "b.safetensors", metadata={"lumin": json.dumps(changed)})
        try:
            loaded = load(tmp_path / "b.safetensors")
        except LuminError:
            refused += 1
            continue
        with contextlib.suppress(LuminError):
            loaded.predict(np.zeros((2, 4)))
            loaded.predict(np.zeros((2, 4)), raw=True)
    assert refused > 10


def test_masks_of_booleans_are_indices(trained, fy):
    model = trained()
    model.set_input_mask([True, False, True, True])
    assert model.input_mask.tolist() == [0, 2, 3]
    model.set_input_mask(None)
    assert model.input_mask is None


def test_config_errors_keep_their_kind_outside_of_files():
    with pytest.raises(ConfigError):
        ModelBuilder("nonsense", 1, FEATS)
