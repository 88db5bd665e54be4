"""ONNX files: they give what `predict` gives, to 1e-5, for any number of events; what cannot be exported says so.

Each export takes torch a second or two: the cases below are few, and hold many options each.
"""

import importlib
import json
import sys
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lumin_core import (
    Body,
    CatEmbedder,
    Ensemble,
    FoldFileWriter,
    FoldYielder,
    MatrixHead,
    Model,
    ModelBuilder,
    Transform,
    add_preprocessing,
    registry,
)
from lumin_core.errors import ConfigError, SavedModelError
from lumin_core.model import matrix_elements
from lumin_plugin_tabular import PCA, Chain, StandardScaler

FEATS, EMBEDDER = ["a", "b", "c", "e"], CatEmbedder(["d"], [3], unknown_feats=["d"])
VECS = {"vecs": ["j0", "j1", "j2"], "feats_per_vec": ["px", "py"]}


@pytest.fixture
def onnx():
    for name in ("onnxscript", "onnxruntime"):
        pytest.importorskip(name, reason=f"{name} is not installed: pip install 'lumin-core[onnx]' onnxruntime")
    return importlib.import_module("onnx")


@pytest.fixture
def session(onnx):
    """Open a file in onnxruntime, having checked it."""
    runtime = importlib.import_module("onnxruntime")

    def start(path):
        onnx.checker.check_model(str(path), full_check=True)
        return runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    return start


def flat_inputs(n, n_cont=4):
    """Make events, the last column codes; the first event has missing values."""
    rng = np.random.default_rng(n)
    x = np.column_stack([rng.normal(size=(n, n_cont)), rng.integers(0, 3, n)]).astype("float32")
    x[:1, 0] = np.nan
    return x


def matrix_inputs(n):
    """Make events of three objects, of which some are absent."""
    rng = np.random.default_rng(n)
    matrix = rng.normal(size=(n, 3, 2)).astype("float32")
    matrix[rng.random((n, 3)) < 0.3] = np.nan
    return rng.normal(size=(n, 1)).astype("float32"), matrix


class Objects(MatrixHead):
    """Sums over objects, and counts them by the mask."""

    def __init__(self, cont_feats, vecs, feats_per_vec, row_wise=True):
        super().__init__(cont_feats, vecs, feats_per_vec, row_wise)
        self.feat_map = self.map_to_all()

    def forward(self, x):
        matrix, mask = self.get_matrix(x)
        return torch.cat((matrix.sum(1), mask.sum(1, keepdim=True)), dim=1)

    def get_out_size(self):
        return self.n_fpv + 1


def activations():
    """Give one block an activation, of several features each."""
    names = [component.name for component in registry.components("activation")]
    return {
        "name": "multi_block",
        "blocks": [{"name": "fully_connected", "depth": 1, "width": 3, "act": name} for name in names],
        "feats_per_block": [["a", "b", "d"]] * len(names),
        "bottleneck_sz": 2,
        "bottleneck_act": "tanh",
    }


flat_builder = partial(ModelBuilder, cont_feats=FEATS, cat_embedder=EMBEDDER, seed=1)
dense = {"name": "fully_connected", "depth": 2, "width": 5, "bn": True, "do": 0.5}
CASES = {
    "residual": lambda: flat_builder(
        "multiclass", 3, head={"name": "cat_emb_head", "do_cont": 0.2, "do_cat": 0.2}, body={**dense, "res": True},
        cont_subsample_rate=0.5,
    ),
    "dense": lambda: flat_builder(
        "classification", 2, body={**dense, "dense": True, "growth_rate": 0.5, "bn_class": "running_batch_norm1d"},
    ),
    "blocks": lambda: flat_builder(
        "regression", 2, body=activations(), tail={"name": "class_reg_multi", "y_range": [[0, 1], [-5, 100]]},
    ),
    "matrix": lambda: ModelBuilder(
        "regression", 4, ["met", *matrix_elements(**VECS)],
        head={"name": "multi_head", "matrix_head": partial(Objects, **VECS)},
        body={"name": "fully_connected", "depth": 1, "width": 4}, tail="ident_tail",
    ),
}  # fmt: skip
COVERED = {
    "head": {"cat_emb_head", "multi_head", "num_emb_head"},
    "body": {"fully_connected", "multi_block", "ident_body", "tabm"},  # the last in test_members.py
    "tail": {"class_reg_multi", "ident_tail"},
}


def scrambled(builder):
    """Build a model whose norms have seen data, in training mode."""
    model = Model(builder)
    generator = torch.Generator().manual_seed(1)
    for name, buffer in model.model.named_buffers():
        if buffer.is_floating_point() and ("running" in name or "sums" in name):
            buffer.copy_(torch.rand(buffer.shape, generator=generator) + 0.5)
        if name.endswith(("sqrs", "count")):
            buffer.fill_(3)
    return model


@pytest.mark.parametrize("kind", COVERED)
def test_each_block_of_the_tabular_plugin_has_a_case(kind):
    registered = {c.name for c in registry.components(kind) if c.qualified.startswith("tabular/")}
    assert registered == COVERED[kind]


@pytest.mark.parametrize("case", CASES)
def test_fault_onnx_export_gives_a_file_that_predicts_the_same(case, session, tmp_path):
    model = scrambled(CASES[case]())
    before = {key: value.clone() for key, value in model.model.state_dict().items()}
    modes, rng = [module.training for module in model.model.modules()], torch.get_rng_state()
    file = session(model.export_onnx(tmp_path / "model"))
    for n in (1, 7, 1000):
        if case == "matrix":
            given = x = dict(zip(("inputs", "matrix"), matrix_inputs(n), strict=True))
            x = (given["inputs"], given["matrix"])
        else:
            x = flat_inputs(n)
            given = {"inputs": x}
        (preds,) = file.run(["predictions"], given)
        np.testing.assert_allclose(preds, model.predict(x), rtol=1e-5, atol=1e-5)
        assert preds.shape == (n, model.n_out)
    assert all(torch.equal(before[key], value) for key, value in model.model.state_dict().items())
    assert modes == [module.training for module in model.model.modules()]
    assert torch.equal(rng, torch.get_rng_state())


@pytest.mark.parametrize(
    "options",
    [{"bins": {"a": [0.0], "b": [-1, 0, 0.5], "c": [-2, 2], "e": [-2, -1, 0, 1, 2]}}, {"embedding": "periodic"}],
)
def test_embedded_numbers_are_the_same_to_1e_6_missing_and_far_ones_too(options, session, tmp_path):
    head = {"name": "num_emb_head", "width": 4, "n_bins": 6, **options}
    model = Model(
        flat_builder("classification", 1, head=head, body={"name": "fully_connected", "depth": 1, "width": 8})
    )
    torch.nn.init.normal_(model.head.cont_embed.of_missing.weight)
    x = flat_inputs(500)
    x[:100, 1], x[:50, 2], x[50:, 3] = np.nan, 1e6, -1e3
    (preds,) = session(model.export_onnx(tmp_path / "model")).run(["predictions"], {"inputs": x})
    assert np.isfinite(preds).all()
    np.testing.assert_allclose(preds, model.predict(x), rtol=1e-6, atol=1e-6)


def test_matrices_of_the_other_orientation_and_no_flat_inputs(session, tmp_path):
    head = partial(Objects, **VECS, row_wise=False)
    model = Model(ModelBuilder("classification", 1, matrix_elements(**VECS), head=head, body="ident_body", seed=1))
    file = session(model.export_onnx(tmp_path / "model.onnx"))
    assert [given.name for given in file.get_inputs()] == ["matrix"]
    matrix = np.ascontiguousarray(matrix_inputs(5)[1].transpose(0, 2, 1))
    (preds,) = file.run(None, {"matrix": matrix})
    np.testing.assert_allclose(preds, model.predict((np.zeros((5, 0)), matrix)), rtol=1e-5)


# Raw


@pytest.fixture
def preprocessed(make_fy, make_builder, tmp_path):
    """Train models on a file that records a chain of steps, fitted to raw data far from 0; give these too."""

    def train(*steps, seeds=(1,)):
        rng = np.random.default_rng(1)
        mix = np.array([[1.0, 0.5, 0.0], [0.0, 1.0, 0.3], [0.0, 0.0, 1.0]])
        raw = rng.normal(size=(200, 3)) @ mix * [1e4, 0.01, 3] + [1e6, 100, 0]
        path = make_fy(tmp_path / "a.hdf5").foldfile
        add_preprocessing(path, input_pipe=Chain(steps).fit(raw))
        fy = FoldYielder(path)
        models = [Model(make_builder(fy, seed=seed, cont_subsample_rate=0.7)) for seed in seeds]
        for model in models:
            model.fit(1, fy, 8, seed=1, visible_bar=False)
        codes = rng.integers(0, 3, (200, 1))
        return models, np.hstack([raw, codes]).astype("float32")

    return train


def named(raw):
    """Give the values of the category, which `predict` takes, for codes."""
    values = raw.astype(object)
    values[:, 3] = np.array(["low", "mid", "high"], dtype=object)[raw[:, 3].astype(int)]
    return values


def test_an_ensemble_with_its_preprocessing_inside(preprocessed, session, tmp_path):
    models, raw = preprocessed(StandardScaler(), seeds=(1, 2, 3))
    assert len({tuple(model.input_mask) for model in models}) > 1
    raw[3, 1] = np.nan  # missing: 0 behind the preprocessing
    ensemble = Ensemble(models, [1, 2, 5])
    file = session(ensemble.export_onnx(str(tmp_path / "ens.onnx"), raw=True))
    for n in (1, 7, 200):
        (preds,) = file.run(None, {"inputs": raw[:n]})
        np.testing.assert_allclose(preds, ensemble.predict(named(raw[:n]), raw=True), rtol=1e-5, atol=1e-5)
    about = file.get_modelmeta().custom_metadata_map
    assert json.loads(about["cont_feats"]) == ["a", "b", "c"]
    assert json.loads(about["cat_feats"]) == ["d"]
    assert json.loads(about["cat_maps"]) == {"d": {"0": "low", "1": "mid", "2": "high"}}
    assert json.loads(about["targ_feats"]) == ["y"]
    assert (about["objective"], about["raw"]) == ("classification", "true")


def test_principal_components_refuse_missing_values(preprocessed, session, tmp_path):
    (model,), raw = preprocessed(StandardScaler(), PCA(whiten=True))
    file = session(model.export_onnx(tmp_path / "m", raw=True))
    (preds,) = file.run(None, {"inputs": raw})
    np.testing.assert_allclose(preds, model.predict(named(raw), raw=True), rtol=1e-5, atol=1e-5)
    raw[1, 2] = np.nan  # predict raises
    (preds,) = file.run(None, {"inputs": raw[:3]})
    assert np.isnan(preds[:, 0]).tolist() == [False, True, False]


class Step(Transform):
    """A step that is not affine."""

    def __init__(self, how="clip"):
        self.how = how

    def transform(self, x):
        return {"clip": lambda: np.clip(x, -5, 5), "log": lambda: np.log(x), "fill": lambda: np.nan_to_num(x)}[
            self.how
        ]()

    def inverse_transform(self, x):
        return x

    def to_config(self):
        return {"how": self.how}


@pytest.mark.parametrize(
    ("how", "words"), [("clip", "no affine function"), ("log", "no affine function"), ("fill", "fills in missing")]
)
def test_steps_that_are_not_affine_are_refused(make_fy, make_builder, tmp_path, onnx, how, words):
    with registry.temporary():
        registry.register("transform", "step", Step)
        fy = FoldYielder(make_fy(tmp_path / "a.hdf5").foldfile, input_pipe=[Step(how)])
        model = Model(make_builder(fy))
        model.fit(1, fy, 8, seed=1, visible_bar=False)
        with pytest.raises(ConfigError, match=f"the preprocessing step Step cannot be put.*{words}.*raw=False"):
            model.export_onnx(tmp_path / "m", raw=True)
    assert not (tmp_path / "m.onnx").exists()


def test_raw_needs_a_record_and_flat_inputs(onnx, tmp_path):
    with pytest.raises(ConfigError, match="raw=True needs a recorded preprocessing"):
        Model(flat_builder("regression", 1)).export_onnx(tmp_path / "m", raw=True)
    with pytest.raises(ConfigError, match="raw=True takes flat inputs alone"):
        Model(CASES["matrix"]()).export_onnx(tmp_path / "m", raw=True)


# What cannot be exported


class Branches(Body):
    """Does one thing or another, as the data are."""

    def forward(self, x):
        return x if x.sum() > 0 else -x

    def get_out_size(self):
        return self.n_in


class Counts(Branches):
    def forward(self, x):
        return x * len(x)


class Draws(Branches):
    def forward(self, x):
        return x + torch.rand_like(x)


@pytest.mark.parametrize(
    ("body", "words"), [(Branches, "data-dependent"), (Counts, "events"), (Draws, "other values than the model")]
)
def test_a_block_that_cannot_be_exported_is_named(onnx, body, words, tmp_path, capfd):
    path = tmp_path / "model.onnx"
    path.write_text("of before")
    with pytest.raises(ConfigError, match=f"the body {body.__name__} cannot be exported to ONNX: .*{words}") as error:
        Model(flat_builder("regression", 1, body=body)).export_onnx(path)
    assert error.value.__cause__ is not None
    assert path.read_text() == "of before"
    assert list(tmp_path.iterdir()) == [path]
    assert capfd.readouterr() == ("", "")


def test_models_of_other_features_are_refused(onnx, tmp_path):
    models = [Model(ModelBuilder("regression", 1, feats)) for feats in (["a", "b"], ["b", "a"])]
    with pytest.raises(ConfigError, match="the same features in the same order"):
        Ensemble(models).export_onnx(tmp_path / "m")


def test_a_failed_write_leaves_nothing(onnx, tmp_path, monkeypatch):
    proto = SimpleNamespace(SerializeToString=lambda: b"content")
    monkeypatch.setattr(
        "lumin_plugin_onnx.exporter.convert", lambda *args: SimpleNamespace(model_proto=None)
    )  # which is tested above, and slow
    monkeypatch.setattr("lumin_plugin_onnx.exporter._described", lambda *args, **options: proto)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SavedModelError, match="cannot write"):
        Model(flat_builder("regression", 1)).export_onnx(tmp_path / "file" / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("missing", ["onnx", "onnxscript"])
def test_a_missing_extra_says_what_to_install(monkeypatch, tmp_path, missing):
    monkeypatch.setitem(sys.modules, "onnx", sys.modules.get("onnx", torch))
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ConfigError, match=r'pip install "lumin-core\[onnx\]"') as error:
        Model(flat_builder("regression", 1)).export_onnx(tmp_path / "m")
    assert isinstance(error.value.__cause__, ImportError)
    assert not list(tmp_path.iterdir())


def test_an_onnxscript_that_does_not_fit_torch_is_named(onnx, monkeypatch, tmp_path):
    monkeypatch.setattr("torch.onnx.export", lambda *args, **options: importlib.import_module("onnxscript.torch_9"))
    with pytest.raises(ConfigError, match=r"onnxscript does not fit torch .*pip install -U onnxscript"):
        Model(flat_builder("regression", 1)).export_onnx(tmp_path / "m")


def test_raw_outputs_are_as_targets_were_before_their_preprocessing(session, tmp_path):
    """In the unit of the targets with ``raw=True``, as the model gives them with ``"inputs"``."""
    rng = np.random.default_rng(1)
    path, events = tmp_path / "train.hdf5", rng.normal(5, 2, (40, 2)).astype("float32")
    with FoldFileWriter(path, cont_feats=["a", "b"], targ_feats="y") as file:
        file.append(0, inputs=events, targets=rng.normal(size=40))
    targets = Chain([StandardScaler()]).fit(rng.normal(800, 60, (40, 1)))
    add_preprocessing(path, input_pipe=Chain([StandardScaler()]).fit(events), output_pipe=targets)
    fy = FoldYielder(path)
    model = Model(ModelBuilder.from_fy(fy, "regression", seed=1))
    model.record_training(fy, [0], 1)
    for raw in (True, "inputs"):
        (preds,) = session(model.export_onnx(tmp_path / "m", raw=raw)).run(None, {"inputs": events})
        np.testing.assert_allclose(preds, model.predict(events, raw=raw), rtol=1e-5, atol=1e-5)
        assert (preds.mean() > 500) == (raw is True)
