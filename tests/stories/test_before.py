"""What was made by 0.1 goes on: its files are read, its run is resumed, its plugins are refused.

The files are in tests/fixtures/before, where make.py says how they were made. What is stored must
be read bit for bit. What is computed, predictions and losses, must agree within 1e-5, since
processors and releases of torch round differently. Weights at the end of a training must be those
of 0.1 bit for bit where machine.json names this machine, torch and numpy. Elsewhere rounding has
gone through dozens of steps, so with the same torch on the same system they must be close; random
numbers of another differ. There two trainings must be the same to the last bit.
"""

import hashlib
import importlib.util
import json
import re
import shutil
import zipfile
from importlib import metadata
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open

import lumin_core
from lumin_core import (
    CatEmbedder,
    Ensemble,
    FoldYielder,
    Model,
    ModelBuilder,
    Results,
    build,
    errors,
    registry,
    train_models,
)

BEFORE = Path(__file__).parents[1] / "fixtures" / "before"
IS_BEFORE = lumin_core.__version__.startswith("0.1.")


def load(name):
    """Import a module that stands beside the files."""
    spec = importlib.util.spec_from_file_location(f"before_{name}", BEFORE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


fold_files, machine = load("fold_files"), load("machine")


def expected(part, name="expected.json"):
    return json.loads((BEFORE / part / name).read_text())


def arrays(part, name="expected"):
    with np.load(BEFORE / part / f"{name}.npz") as stored:
        return dict(stored)


def close(computed, before):
    np.testing.assert_allclose(computed, before, rtol=1e-5, atol=1e-6)


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    monkeypatch.setenv("LUMIN_DEVICE", "cpu")


# Fold files

OURS, LUMINS = ["flat", "matrix", "padded", "sparse"], ["lumin"]


@pytest.mark.parametrize("name", [*OURS, *LUMINS])
def test_a_fold_file_is_read_as_before(name):
    with FoldYielder(BEFORE / "folds" / f"{name}.hdf5") as fy:
        assert json.loads(json.dumps(fold_files.facts_of(fy))) == expected("folds")[name]
        read, before = fold_files.arrays_of(fy), arrays("folds", name)
    assert read.keys() == before.keys()
    for key, values in before.items():
        assert read[key].dtype == values.dtype, key
        if key.startswith("raw/"):
            ulp = np.finfo(np.float32).eps * np.nanmax(np.abs(values))  # undone in float32, by another scikit-learn
            np.testing.assert_allclose(read[key], values, rtol=1e-6, atol=2 * ulp, err_msg=key)
        else:
            np.testing.assert_array_equal(read[key], values, err_msg=key)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    fold_files.write_folds(folder)
    return folder


def stored(path):
    """Return every data set of a file, how it is stored, and the attributes, but for those that came later."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: (attributes(item), how_stored(item))}))
    return found


def attributes(item):
    return {name: value for name, value in item.attrs.items() if name not in ("crc32", "identity")}


def how_stored(item):
    if isinstance(item, h5py.Group):
        return None
    return str(item.dtype), item.shape, item.chunks, item.compression, np.asarray(item[()]).tobytes()


@pytest.mark.parametrize("name", OURS)
def test_a_fold_file_is_written_as_before(written, name):
    now, before = stored(written / f"{name}.hdf5"), stored(BEFORE / "folds" / f"{name}.hdf5")
    predictions = {key for key in before if key.rpartition("/")[2] in ("alone", "both", "both_spread")}
    assert now.keys() == before.keys() - predictions
    del now["meta_data/provenance"], before["meta_data/provenance"]  # the version
    for key, item in now.items():
        assert item == before[key], key


# Models


@pytest.mark.parametrize("name", ["tabular", "graph", "huber", "multiclass"])
def test_a_model_loads_from_its_file_alone_and_predicts_as_before(name):
    model = Model.from_save(BEFORE / "models" / f"{name}.safetensors")
    facts, before = expected("models")[name], arrays("models", name)
    inputs = (before["flat"], before["matrix"]) if "matrix" in before else before["flat"]
    close(model.predict(inputs), before["preds"])
    assert [type(block).__name__ for block in model.model] == facts["classes"]
    assert model.get_param_count() == facts["n_params"]
    assert (None if model.input_mask is None else list(model.input_mask)) == facts["input_mask"]
    assert {key: values.tolist() for key, values in model.loss.state_dict().items()} == facts["loss_state"]
    model.loss.eval()  # in 0.1 a loss that learns went on learning when a loaded model was evaluated
    with FoldYielder(BEFORE / "folds" / f"{facts['file']}.hdf5", **facts["reading"]) as fy:
        fold = fy.get_fold(0)
    close(model.evaluate(fold["inputs"], fold["targets"], fold["weights"]), facts["loss"])


def test_a_model_predicts_raw_events_as_before():
    facts = expected("models")["raw"]
    model = Model.from_save(BEFORE / "models" / "tabular.safetensors")
    close(model.predict(pd.DataFrame(facts["events"]), raw=True)[:, 0], facts["preds"])


def saved(path):
    """Return header and tensors of a saved file, without versions, and without the check sum that came later."""
    with safe_open(path, "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  (it is no dict)
        header = {key: without_versions(json.loads(text)) for key, text in file.metadata().items()}
    header["lumin"].pop("crc32", None)
    return header, {key: (str(tensor.dtype), tensor.shape, tensor.numpy().tobytes()) for key, tensor in tensors.items()}


def without_versions(value):
    if isinstance(value, dict):
        return {key: without_versions(entry) for key, entry in value.items() if key not in ("version", "versions")}
    return [without_versions(entry) for entry in value] if isinstance(value, list) else value


BARE = {
    "cat_emb_head": "tabular/cat_emb_head",
    "gnn_head": "gnn/gnn_head",
    "graph_collapser": "gnn/graph_collapser",
    "interaction_net": "gnn/interaction_net",
    "self_attention": "gnn/self_attention",
    "selu": "core/selu",
    "swish": "core/swish",
}


def with_whole_names(value, inside=False):
    """Write the names inside of options as they are written now: qualified."""
    if isinstance(value, dict):
        return {key: with_whole_names(entry, inside or key == "config") for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(with_whole_names(entry, inside) for entry in value)
    return BARE.get(value, value) if inside and isinstance(value, str) else value


@pytest.mark.parametrize("name", ["tabular", "graph", "huber", "multiclass"])
def test_a_model_is_saved_as_before(name, tmp_path):
    path = BEFORE / "models" / f"{name}.safetensors"
    assert saved(Model.from_save(path).save(tmp_path / name)) == with_whole_names(saved(path))


# A finished run, and its ensemble


def test_results_are_read_as_before():
    facts = expected("finished")
    results = Results.load(BEFORE / "finished" / "run")
    assert [{key: value for key, value in result.items() if key != "path"} for result in results] == facts["results"]
    assert (repr(results), results.summary()) == (facts["text"], facts["summary"])
    assert [results.index(result) for result in results.best(4, "roc_auc_score")] == facts["best"]
    assert all(result["path"].is_file() for result in results)


ENSEMBLES = {
    "uniform": {"size": 4, "weighting": "uniform"},
    "cycles": {"size": 2, "snapshot_args": {"n_cycles": 2}},
}


def make_ensemble(name):
    if name == "saved":
        return Ensemble.from_save(BEFORE / "finished" / "run" / "ensemble.safetensors")
    return Ensemble.from_results(Results.load(BEFORE / "finished" / "run"), **ENSEMBLES[name])


@pytest.mark.parametrize("name", ["saved", *ENSEMBLES])
def test_an_ensemble_predicts_as_before(name):
    ensemble, before = make_ensemble(name), arrays("finished")
    close(ensemble.weights, before[f"{name}/weights"])
    mean, spread = ensemble.predict_with_spread(before["inputs"])
    close(mean, before[f"{name}/mean"])
    close(spread, before[f"{name}/spread"])
    close(ensemble.predict(before["inputs"]), before[f"{name}/mean"])


def test_an_ensemble_is_saved_as_before(tmp_path):
    path = BEFORE / "finished" / "run" / "ensemble.safetensors"
    assert saved(Ensemble.from_save(path).save(tmp_path / "ensemble")) == with_whole_names(saved(path))


def test_predictions_become_the_columns_that_they_were(tmp_path):
    with FoldYielder(shutil.copy(BEFORE / "folds" / "flat.hdf5", tmp_path)) as fy:
        before = {name: fy.get_column(name) for name in ("both", "both_spread", "alone")}
        with pytest.raises(
            errors.ConfigError, match=r"'both' is taken in flat.hdf5 by what no prediction of ours wrote"
        ):
            make_ensemble("saved").predict_with_spread(fy, pred_name="both")  # in 0.1 they had no mark
        make_ensemble("saved").predict_with_spread(fy, pred_name="new_both")
        make_ensemble("uniform").predict(fy, pred_name="new_alone", out_of_fold=True)
        for name, values in before.items():
            close(fy.get_column(f"new_{name}"), values)


# Trainings


def weights_of(results):
    return [Model.from_save(result["path"]).get_weights() for result in results]


def assert_trained_as(results, before, again):
    """Hold models against those of 0.1, on another machine also against the same training again."""
    here, there = machine.facts(), expected("", "machine.json")
    if here == there:
        assert_same(results, before)
        return
    if all(here[key].partition("+")[0] == there[key].partition("+")[0] for key in ("torch", "system")):
        for mine, theirs in zip(weights_of(results), weights_of(before), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-2, atol=1e-3)
    assert_same(results, again())


def assert_same(results, others):
    assert [{**result, "path": None} for result in results] == [{**other, "path": None} for other in others]
    for mine, theirs in zip(weights_of(results), weights_of(others), strict=True):
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(values, theirs[key]) for key, values in mine.items())


def tree(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def resume(kept, folder):
    """Copy a run that 0.1 began, and let it go on."""
    shutil.copytree(BEFORE / "interrupted" / kept, folder)
    run = expected("interrupted", "arguments.json")
    with FoldYielder(BEFORE / "folds" / "flat.hdf5", ignore_feats=run["ignore_feats"]) as fy:
        builder = ModelBuilder.from_fy(fy, **run["builder"])
        return train_models(fy, model_builder=builder, savepath=folder, resume=True, **run["train"])


def test_a_run_that_was_killed_is_resumed_to_the_weights_of_before(tmp_path):
    results = resume("killed", tmp_path / "run")
    before = Results.load(BEFORE / "interrupted" / "resumed")
    assert_trained_as(results, before, lambda: resume("killed", tmp_path / "again"))
    assert tree(tmp_path / "run") == tree(BEFORE / "interrupted" / "resumed")
    finished = contents(BEFORE / "interrupted" / "killed" / "model_0")
    assert contents(tmp_path / "run" / "model_0") == finished


def test_a_run_that_is_finished_is_not_trained_again(tmp_path):
    results = resume("resumed", tmp_path / "run")
    before = Results.load(BEFORE / "interrupted" / "resumed")
    assert [{**result, "path": None} for result in results] == [{**result, "path": None} for result in before]
    kept = contents(BEFORE / "interrupted" / "resumed")
    models = {name for name in kept if name.startswith("model_")}
    assert len(models) == 9
    assert {name: contents(tmp_path / "run")[name] for name in models} == {name: kept[name] for name in models}


def lumin(*arguments):
    """Call the command line."""
    (command, *_) = metadata.entry_points(group="console_scripts", name="lumin")
    assert command.load()([*map(str, arguments)]) == 0


def test_a_run_file_trains_what_it_did(tmp_path):
    shutil.copytree(BEFORE / "folds", tmp_path / "folds")
    (tmp_path / "finished").mkdir()
    file = shutil.copy(BEFORE / "finished" / "run.toml", tmp_path / "finished")

    def again():
        lumin("train", file, "--set", f"savepath={tmp_path / 'again'}")
        return Results.load(tmp_path / "again")

    lumin("train", file)
    run = tmp_path / "finished" / "run"
    assert_trained_as(Results.load(run), Results.load(BEFORE / "finished" / "run"), again)
    assert tree(run) == tree(BEFORE / "finished" / "run")


def test_the_run_file_in_a_runs_folder_repeats_the_run(tmp_path):
    """The fold file has moved, as all files that were made on another machine."""
    where = ["--set", f"foldfile={BEFORE / 'folds' / 'flat.hdf5'}"]

    def train(name):
        lumin("train", BEFORE / "finished" / "run" / "run.toml", *where, "--set", f"savepath={tmp_path / name}")
        return Results.load(tmp_path / name)

    assert_trained_as(train("run"), Results.load(BEFORE / "finished" / "run"), lambda: train("again"))
    shutil.copytree(BEFORE / "finished" / "run", tmp_path / "kept")
    lumin("train", tmp_path / "kept" / "run.toml", *where, "--resume")
    models = {name: bytes_ for name, bytes_ in contents(tmp_path / "kept").items() if name.startswith("model_")}
    kept = contents(BEFORE / "finished" / "run")
    assert models == {name: kept[name] for name in models}


# LUMIN's models


@pytest.mark.parametrize("name", ["embeddings", "subsampled"])
def test_a_model_of_lumin_gives_its_predictions(name):
    config, before = expected("lumin", "configs.json")[name], arrays("lumin", name)
    mask, feats = before["mask"].tolist(), config["feats"]
    model = Model(
        ModelBuilder(
            config["objective"],
            config["n_out"],
            [feats[i] for i in mask if i < len(feats)] if mask else feats,
            body=config["body"],
            cat_embedder=CatEmbedder(*config["cats"]),
            pretrain_file=BEFORE / "lumin" / f"{name}.h5",
        )
    )
    np.testing.assert_allclose(
        model.predict(before["x"][:, mask] if mask else before["x"]), before["y"], rtol=2e-5, atol=1e-5
    )


# Distributions that were written for 0.1

WHEELS = {path.name.partition("-")[0]: path for path in (BEFORE / "wheels").glob("*.whl")}
STRANGER = "lumin-every-kind"
later_than_before = pytest.mark.skipif(IS_BEFORE, reason="this is 0.1, for which they were written")


@pytest.fixture
def unpack(install, tmp_path, monkeypatch):
    """Return a function that installs a wheel for the test, and says what it asks of the core."""

    def make(name, requirement=None):
        site = tmp_path / name
        with zipfile.ZipFile(WHEELS[name]) as wheel:
            wheel.extractall(site)
        (info,) = site.glob("*.dist-info")
        text = (info / "METADATA").read_text()
        (asks,) = re.findall(r"^Requires-Dist: (lumin-core\b.*)$", text, re.MULTILINE)
        (info / "METADATA").write_text(text.replace(asks, requirement or asks))
        monkeypatch.syspath_prepend(str(site))
        registry.refresh()
        return asks

    return make


BUILT_THEN = "b02000e979099533b935d186c7324830a555084f6d2c3c32e4a3f83daf23f6b5"


def test_the_strangers_plugin_is_the_wheel_that_was_built_then():
    """It is never built again: a plugin that was published does not change either."""
    content = WHEELS["lumin_every_kind"].read_bytes()
    assert hashlib.sha256(content).hexdigest() == BUILT_THEN
    assert len(content) < 100_000


def components_of(distribution):
    return [component for component in registry.components() if component.distribution == distribution]


@later_than_before
@pytest.mark.parametrize("name", sorted(WHEELS.keys() - {"lumin_core"}))
def test_a_distribution_of_before_is_refused_with_both_versions(unpack, name):
    asks = unpack(name)
    found = components_of(name.replace("_", "-"))
    assert found
    for component in found:
        with pytest.raises(errors.IncompatiblePlugin) as refused:
            component.load()
        for words in (asks, f"lumin-core {lumin_core.__version__}", "upgrade"):
            assert words in str(refused.value)


@pytest.fixture
def stranger(unpack):
    unpack("lumin_every_kind", f"lumin-core>=0.1,<={lumin_core.__version__}")
    return components_of(STRANGER)


LATER = ("reader", "writer")  # kinds without a base class in 0.1, and without a plugin that uses them


def test_a_strangers_component_of_every_kind_needs_no_change(stranger):
    kinds = {component.kind for component in stranger}
    assert kinds >= {"head", "body", "tail", "loss", "augmentation", "callback", "metric", "optimiser", "activation"}
    assert kinds >= {"initialiser", "norm", "transform", "executor", "command", "kind", "trigger"}
    assert kinds >= {"graph_extractor", "graph_collapser", "conv_layer"}
    problems = {c.qualified: registry.check(c) for c in stranger if c.kind.removesuffix("s") not in LATER}
    assert {name: problem for name, problem in problems.items() if problem is not None} == {}
    assert build("trigger", "above", threshold=2).accepts(3)


def their(name, **options):
    return {"name": f"{STRANGER}/{name}", **options}


@pytest.fixture
def train(stranger, tmp_path):
    """Return a function that trains with the stranger's components."""

    def run(**options):
        flip = their("flip", feat="eta")
        with FoldYielder(BEFORE / "folds" / "flat.hdf5", augmentations=flip) as fy:
            builder = ModelBuilder.from_fy(
                fy,
                "classification",
                head=their("gated_head"),
                body=their("gated_body", bn_class=their("root_mean_square")),
                tail=their("plain_tail"),
                loss=their("fair_loss"),
                lookup_init=their("small"),
                opt_args={"opt": their("sign_descent"), "lr": 1e-3},
            )
            callbacks = [their("count_batches"), their("warm_up"), their("last_two")]
            metrics = their("mean_bias", region="region")
            settings = {"cb_partials": callbacks, "metric_partials": metrics, "savepath": tmp_path / "run", "seed": 1}
            return train_models(fy, 1, 20, builder, 3, **settings, **options)

    return run


@pytest.mark.parametrize("executor", [None, their("pool")])
def test_a_strangers_components_train_a_model(train, executor):
    (result,) = train(executor=executor)
    model = Model.from_save(result["path"])
    assert [type(block).__name__ for block in model.model] == ["GatedHead", "GatedBody", "PlainTail"]
    assert model.loss.bias != 0
    assert len(result["cycle_losses"]) == 0
    assert np.isfinite(result["mean_bias"])
    assert model.predict(arrays("folds", "flat")["fold_0/flat"]).shape == (60, 1)


@pytest.mark.parametrize(
    "head",
    [
        their("sum_head"),
        {"name": "gnn_head", "extractor": their("less_the_mean"), "collapser": their("sum_and_number")},
        {"name": "conv1d_head", "layers": [their("every_second")]},
    ],
)
def test_a_strangers_parts_work_on_objects(stranger, head):
    objects = {"vecs": fold_files.VECS, "feats_per_vec": fold_files.PER_VEC}
    with FoldYielder(BEFORE / "folds" / "matrix.hdf5", ignore_feats=fold_files.CONT) as fy:
        builder = ModelBuilder.from_fy(fy, "regression", head={**objects, **head}, loss=their("log_cosh"), seed=1)
        model, fold = Model(builder), fy.get_fold(0)
    model.fit(1, fy, 20, visible_bar=False, seed=1)
    assert np.isfinite(model.predict(fold["inputs"])).all()


def test_a_strangers_transform_is_recorded_and_its_command_called(stranger, tmp_path, capsys):
    x = np.array([[1.0, -2.0], [3.0, 4.0]])
    steps = [build("transform", their("compress")).fit(x)]
    path = shutil.copy(BEFORE / "folds" / "flat.hdf5", tmp_path / "copy.hdf5")
    lumin_core.add_preprocessing(path, input_pipe=steps)
    (step,) = FoldYielder(path).preprocessing
    np.testing.assert_allclose(step.inverse_transform(steps[0].transform(x)), x)
    lumin("count-folds", path)
    assert capsys.readouterr().out == "4 folds\n"
