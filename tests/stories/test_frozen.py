"""The statistics of a frozen norm do not move in a fit, whichever norm it is."""

import pytest
import torch

from lumin_core import Model, ModelBuilder, build

BODY = {"name": "fully_connected", "depth": 2, "width": 4, "bn": True, "do": 0.5}
MATRIX = {"vecs": ["a", "b", "c"], "feats_per_vec": ["px", "py", "pz", "E"]}
HEADS = [
    {"name": "lorentz_boost_net", "n_particles": 2, **MATRIX},
    {"name": "auto_extract_lorentz_boost_net", "n_particles": 2, "depth": 2, "width": 4, "n_singles": 2, "bn": True,
     **MATRIX},
    {"name": "gnn_head", "use_in_bn": True, "extractor": {"name": "interaction_net", "bn": True}, **MATRIX},
    {"name": "conv1d_head", "bn": True, "layers": [{"name": "conv", "out_c": 4}], **MATRIX},
]  # fmt: skip


def state(module):
    return {key: value.clone() for key, value in module.state_dict().items()}


def same(before, module):
    return all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


@pytest.mark.parametrize("by_builder", [True, False])
@pytest.mark.parametrize("norm", ["batch_norm1d", "running_batch_norm1d"])
def test_fault_a_fit_leaves_the_norms_of_a_frozen_body(norm, by_builder, fy, tmp_path):
    model = Model(ModelBuilder.from_fy(fy, "classification", body={**BODY, "bn_class": norm}, freeze_body=by_builder))
    if not by_builder:
        model.body.freeze_layers()
    body, tail = state(model.body), state(model.tail)
    model.fit(1, fy, 8, val_idx=0, cb_savepath=tmp_path, visible_bar=False)
    assert same(body, model.body)
    assert not same(tail, model.tail)


@pytest.mark.parametrize("spec", HEADS, ids=lambda spec: spec["name"])
def test_fault_a_frozen_head_keeps_its_norms_in_training(spec):
    head = build("head", spec, cont_feats=[], freeze=True)
    before = state(head)
    x = torch.rand(8, 3, 4) + torch.tensor([0.0, 0, 0, 5])
    head.train()(x)
    assert same(before, head)
    head.unfreeze_layers()
    head(x)
    assert not same(before, head)
