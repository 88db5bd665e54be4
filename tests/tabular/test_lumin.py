"""The blocks have the parameters of LUMIN 0.9.1, name by name, and with its weights give its outputs."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lumin_core import CatEmbedder, build

FEATS = ["a_x", "a_y", "b_x", "b_y", "c"]
CATS = [["d", "e"], [4, 7]]


def fully_connected(**options):
    return {"name": "fully_connected", "depth": 4, "width": 12, **options}


def config(body, *, objective="classification", n_out=2, cats=None, head=None, **tail):
    tail = {"n_out": n_out, "objective": objective, **tail}
    return {"feats": FEATS, "cats": cats, "head": head or {}, "body": body, "tail": tail}


BLOCKS = [fully_connected(depth=1, act="swish"), fully_connected(depth=3, dense=True, growth_rate=-0.1)]
SHARED = {"name": "multi_block", "blocks": BLOCKS, "feats_per_block": [["a_x", "a_y", "c"], ["b_x", "b_y", "d", "e"]]}
CONFIGS = {
    "plain": config(fully_connected()),
    "one_layer": config(fully_connected(depth=1), objective="regression"),
    "norm": config(fully_connected(bn=True)),
    "norm_dropout_prelu": config(fully_connected(bn=True, do=0.3, act="prelu")),
    "linear_norm": config(fully_connected(bn=True, do=0.3, act="linear")),
    "selu_dropout": config(fully_connected(do=0.2, act="selu")),
    "mish": config(fully_connected(act="mish")),
    "growing": config(fully_connected(growth_rate=0.5, bn=True)),
    "shrinking_to_one": config(fully_connected(growth_rate=-0.4)),
    "residual_even": config(fully_connected(res=True, bn=True)),
    "residual_odd": config(fully_connected(depth=5, res=True, bn=True, do=0.1, act="selu")),
    "residual_single": config(fully_connected(depth=1, res=True, bn=True)),
    "dense": config(fully_connected(dense=True, bn=True)),
    "dense_growing": config(fully_connected(dense=True, growth_rate=0.3, do=0.2)),
    "running_norm": config(fully_connected(bn=True, bn_class="running_batch_norm1d")),
    "embeddings": config(fully_connected(), cats=CATS),
    "embeddings_dropout": config(fully_connected(dense=True), cats=[*CATS, [3, 5]], head={"do_cont": 0.1}),
    "multi_block": config(SHARED, cats=CATS),
    "bottleneck": config({**SHARED, "bottleneck_sz": 2}, cats=CATS),
    "bottleneck_swish": config({**SHARED, "bottleneck_sz": 1, "bottleneck_act": "swish"}, cats=CATS),
    "ident_body": config({"name": "ident_body"}, objective="multiclass", n_out=3),
    "multiclass": config(fully_connected(), objective="multiclass", n_out=4),
    "range": config(fully_connected(), objective="regression", y_range=[[-1, 2], [10, 50]]),
    "range_for_all": config(fully_connected(), objective="regression", n_out=3, y_range=[-1, 2]),
    "rescaled": config(fully_connected(), objective="regression", n_out=1, y_mean=125.0, y_std=15.0),
}


@pytest.fixture(scope="session")
def lumin_models(tmp_path_factory):
    python = os.environ.get("LUMIN_PYTHON")
    if not python:
        pytest.skip("LUMIN_PYTHON does not name an interpreter that has lumin==0.9.1")
    folder = tmp_path_factory.mktemp("lumin")
    (folder / "configs.json").write_text(json.dumps(CONFIGS))
    script = Path(__file__).with_name("lumin_models.py")
    command = [python, "-W", "ignore", script, folder / "configs.json", folder]
    subprocess.run(command, check=True, capture_output=True, cwd=folder)
    return folder


def build_model(config):
    embedder = CatEmbedder(*config["cats"]) if config["cats"] else None
    head = build("head", {"name": "cat_emb_head", **config["head"]}, cont_feats=config["feats"], cat_embedder=embedder)
    body = build("body", config["body"], n_in=head.get_out_size(), feat_map=head.feat_map)
    tail = build("tail", {"name": "class_reg_multi", **config["tail"]}, n_in=body.get_out_size())
    return nn.Sequential(head, body, tail)


@pytest.mark.parametrize("name", CONFIGS)
def test_weights_of_lumin_give_its_outputs(lumin_models, name):
    with np.load(lumin_models / f"{name}.npz") as saved:
        state = {key.removeprefix("state."): torch.from_numpy(saved[key]) for key in saved if key.startswith("state.")}
        x, y = torch.from_numpy(saved["x"]), torch.from_numpy(saved["y"])
    model = build_model(CONFIGS[name]).eval()
    assert {key: value.shape for key, value in model.state_dict().items()} == {k: v.shape for k, v in state.items()}
    model.load_state_dict(state)
    with torch.no_grad():
        torch.testing.assert_close(model(x), y, rtol=2e-5, atol=1e-5)
