"""graph_collapser, node_predictor and the dense layers on objects."""

import numpy as np
import pandas as pd
import pytest
import torch

from lumin_core import FoldYielder, Model, ModelBuilder, df2foldfile
from lumin_core.errors import ConfigError
from lumin_plugin_gnn import GNNHead, GraphCollapser, NodePredictor, ObjectDense
from lumin_plugin_gnn.layers import AGGREGATIONS, layer_widths


@pytest.mark.parametrize("name", list(AGGREGATIONS))
def test_aggregations_see_present_objects_only(name, objects):
    x, mask = objects(n_fpv=3)
    x[~mask] = 1e6
    x.requires_grad_()
    result = AGGREGATIONS[name](x, mask)
    result.sum().backward()
    reduce = {"mean": lambda p: p.mean(0), "sum": lambda p: p.sum(0), "max": lambda p: p.max(0).values,
              "absmax": lambda p: p.abs().max(0).values}[name]  # fmt: skip
    for e in range(4):
        present = x[e][mask[e]]
        assert torch.allclose(result[e], reduce(present) if len(present) else torch.zeros(3, dtype=torch.float64))
    assert x.grad.isfinite().all()
    assert (x.grad[~mask] == 0).all()
    negative = -1 - x.detach().abs()
    assert (AGGREGATIONS["max"](negative, mask)[:3] < 0).all()  # zeros of absent objects are no maximum


def by_loops(collapser, x, mask, names):
    """Each event by itself, without its absent objects."""
    rows = []
    for e in range(len(x)):
        present = x[e][mask[e]]
        revise = collapser.revise
        if revise.means_first:
            present = torch.cat((present, present.mean(0).expand_as(present)), dim=1)
        present = present if revise.initial is None else revise.initial.layers(present)
        outputs = []
        for layer in revise.attention:
            previous = outputs[-1] if outputs else present
            alone = torch.ones(1, len(present), dtype=torch.bool)
            outputs.append(layer(previous[None], alone, previous[None])[0])
        present = torch.cat(outputs, dim=1) if outputs else present
        if revise.means_last:
            present = torch.cat((present, present.mean(0).expand_as(present)), dim=1)
        present = present if revise.final is None else revise.final.layers(present)
        rows.append(torch.cat([AGGREGATIONS[n](present, torch.ones(len(present), dtype=torch.bool)) for n in names]))
    return torch.stack(rows)


@pytest.mark.parametrize("names", [["mean", "max"], ["sum"], ["absmax", "mean", "max"]])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"f_initial_outs": [6, 5]},
        {"f_final_outs": 4},
        {"f_initial_outs": 6, "n_sa_layers": 2, "sa_width": 2, "f_final_outs": [5, 4]},
        {"n_sa_layers": 1, "f_final_outs": [5], "global_feat_vec": True, "sa_class": "offset_self_attention"},
        {"f_initial_outs": [5], "n_sa_layers": 3, "global_feat_vec": True},
    ],
)
def test_events_collapse_as_they_do_alone(options, names, objects):
    x, mask = objects(n_fpv=3, n_present=(7, 5, 1, 2))
    collapser = GraphCollapser(7, 3, agg_methods=names, act="swish", **options).double()
    out = collapser(x, mask)
    assert out.shape == (4, collapser.get_out_size())
    assert torch.allclose(out, by_loops(collapser, x, mask, names), atol=1e-12)


def test_flattened_objects_keep_their_places(objects):
    x, mask = objects(n_fpv=3)
    collapser = GraphCollapser(7, 3, flatten=True)
    assert torch.equal(collapser(x, mask), x.flatten(1))
    assert collapser.get_out_size() == 21
    revised = GraphCollapser(7, 3, flatten=True, f_final_outs=[2]).double()(x, mask).view(4, 7, 2)
    assert (revised[~mask] == 0).all()


def test_means_without_a_network_are_refused():
    with pytest.raises(ConfigError, match="f_initial_outs or f_final_outs"):
        GraphCollapser(7, 3, global_feat_vec=True)


def test_norms_of_dense_layers_see_present_objects_only(objects):
    x, mask = objects(n_fpv=3)
    dense = ObjectDense([3, 5], bn=True, act="linear").double()
    junk = x.masked_fill(~mask.unsqueeze(-1), 1e3)
    assert torch.allclose(dense(x, mask)[mask], dense(junk, mask)[mask], atol=1e-9)
    rows = dense.first(x[mask])
    expected = (rows - rows.mean(0)) / (rows.var(0, unbiased=False) + 1e-5).sqrt()
    assert torch.allclose(dense(x, mask)[mask], expected)
    with pytest.raises(ConfigError, match="did you mean 'momentum'"):
        ObjectDense([3, 5], bn=True, bn_class={"name": "batch_norm1d", "momntum": 3})


def test_one_object_in_a_batch_is_normalised_as_in_evaluation(objects):
    x, mask = objects(n_fpv=3, n_present=(1, 0, 0, 0))
    dense = ObjectDense([3, 5], bn=True).double()
    trained = dense(x, mask)
    assert torch.allclose(trained, dense.eval()(x, mask))
    assert dense.layers[0][2].bn.num_batches_tracked == 0


@pytest.mark.parametrize("outs", [[], "ab", [1.5], [0]])
def test_widths_are_checked(outs):
    with pytest.raises(ConfigError, match="somebody needs the positive widths"):
        layer_widths(outs, "somebody")


@pytest.mark.parametrize("transpose_out", [True, False])
def test_predictions_are_a_column_per_object_and_value(transpose_out, objects):
    x, mask = objects(n_fpv=3)
    predictor = NodePredictor(
        7, 3, n_out=2, out_act="sigmoid", f_initial_outs=[5], transpose_out=transpose_out
    ).double()
    out = predictor(x, mask)
    assert out.shape == (4, 14) == (4, predictor.get_out_size())
    values = out.view(4, 2, 7).transpose(1, 2) if transpose_out else out.view(4, 7, 2)
    expected = predictor.predict.layers(predictor.revise.initial.layers(x))
    assert torch.allclose(values[mask], expected[mask])
    assert (values[~mask] == 0).all()


def test_the_initialisation_of_predictions_is_that_of_their_activation():
    asked = []

    def record(act, fan_in=None, fan_out=None):
        asked.append((act, fan_in, fan_out))
        return torch.nn.init.ones_

    NodePredictor(7, 3, n_out=2, out_act="sigmoid", f_initial_outs=[5], act="swish", lookup_init=record)
    assert asked == [("swish", 3, 5), ("sigmoid", 5, 2)]
    with pytest.raises(ConfigError, match="n_out"):
        NodePredictor(7, 3, n_out=0)


def test_a_model_predicts_for_every_object(tmp_path):
    """Which of three objects are positive, where one may be absent."""
    rng = np.random.default_rng(1)
    feats = rng.normal(size=(600, 3, 2)).astype("float32")
    feats[rng.random((600, 3)) < 0.2] = np.nan
    columns = [f"v{i}_{x}" for i in range(3) for x in ("a", "b")]
    df = pd.DataFrame(feats.reshape(600, -1), columns=columns)
    targets = [f"t{i}" for i in range(3)]
    df[targets] = (np.nan_to_num(feats)[..., 0] > 0).astype("float32")
    objects = {"matrix_vecs": ["v0", "v1", "v2"], "matrix_feats_per_vec": ["a", "b"], "matrix_row_wise": True}
    with FoldYielder(df2foldfile(df, 3, [], [], targets, tmp_path / "nodes", "float32", **objects)) as fy:
        predictor = {"name": "node_predictor", "f_initial_outs": [16], "out_act": "sigmoid"}
        head = {"name": "gnn_head", "extractor": {"name": "deep_sets", "widths": [16]}, "collapser": predictor}
        parts = {"head": head, "body": "ident_body", "tail": "ident_tail"}
        model = Model(ModelBuilder.from_fy(fy, "classification", opt_args={"lr": 0.02}, seed=1, **parts))
        model.fit(15, fy, 20, val_idx=0, seed=1, visible_bar=False)
        fold = fy[0]
        preds = model.predict(fold["inputs"])
        present = ~np.isnan(fold["inputs"][1]).all(-1)
        assert preds.shape == fold["targets"].shape == (200, 3)
        assert ((preds > 0.5) == fold["targets"])[present].mean() > 0.97
        assert (preds[~present] == 0).all()
        assert isinstance(model.head, GNNHead)
