"""``pretrain_file`` takes what LUMIN 0.9.1 saved from the tabular blocks, and then predicts the same."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from lumin_core import CatEmbedder, Model, ModelBuilder
from lumin_core.errors import SavedModelError

FEATS, CATS = ["a_x", "a_y", "b_x", "b_y", "c"], [["d", "e"], [4, 7]]


def fully_connected(**options):
    return {"name": "fully_connected", "depth": 4, "width": 12, **options}


def config(body, objective="classification", n_out=2, cats=None, rate=None):
    return {"feats": FEATS, "cats": cats, "body": body, "objective": objective, "n_out": n_out, "rate": rate}


BLOCKS = {
    "name": "multi_block", "blocks": [fully_connected(depth=1), fully_connected(depth=2, dense=True)],
    "feats_per_block": [["a_x", "a_y", "c"], ["b_x", "b_y", "d", "e"]],
}  # fmt: skip
CONFIGS = {
    "plain": config(fully_connected()),
    "regression": config(fully_connected(act="selu"), "regression", 3),
    "multiclass": config(fully_connected(act="swish"), "multiclass", 4),
    "embeddings": config(fully_connected(), cats=CATS),
    "norm_dropout": config(fully_connected(bn=True, do=0.3)),
    "residual": config(fully_connected(res=True, bn=True)),
    "dense": config(fully_connected(dense=True, growth_rate=0.2)),
    "multi_block": config(BLOCKS, cats=CATS),
    "bottleneck": config({**BLOCKS, "bottleneck_sz": 2}, cats=CATS),
    "subsampled": config(fully_connected(), cats=CATS, rate=0.6),
}


@pytest.fixture(scope="session")
def saves(tmp_path_factory):
    python = os.environ.get("LUMIN_PYTHON")
    if not python:
        pytest.skip("LUMIN_PYTHON does not name an interpreter that has lumin==0.9.1")
    folder = tmp_path_factory.mktemp("lumin")
    (folder / "configs.json").write_text(json.dumps(CONFIGS))
    script = Path(__file__).with_name("lumin_saves.py")
    done = subprocess.run(
        [python, "-W", "ignore", script, folder / "configs.json", folder],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def build(name, path):
    options = CONFIGS[name]
    embedder = CatEmbedder(*options["cats"]) if options["cats"] else None
    with np.load(path.with_suffix(".npz")) as arrays:
        mask = arrays["mask"].tolist()
    feats = [FEATS[i] for i in mask if i < len(FEATS)] if mask else FEATS
    return Model(
        ModelBuilder(
            options["objective"],
            options["n_out"],
            feats,
            body=options["body"],
            cat_embedder=embedder,
            pretrain_file=path,
        ),
        device="cpu",
    )


@pytest.mark.parametrize("name", CONFIGS)
def test_a_save_of_lumin_gives_its_predictions(saves, name, tmp_path):
    model = build(name, saves / f"{name}.h5")
    with np.load(saves / f"{name}.npz") as arrays:
        x, y, mask = arrays["x"], arrays["y"], arrays["mask"]
    x = x[:, mask] if len(mask) else x
    y = np.exp(y) if model.objective == "multiclass" else y
    np.testing.assert_allclose(model.predict(x), y, rtol=2e-5, atol=1e-5)
    np.testing.assert_array_equal(
        Model.from_save(model.save(tmp_path / "ours"), device="cpu").predict(x), model.predict(x)
    )


def test_a_save_of_another_model_is_refused(saves):
    other = {**CONFIGS["plain"]["body"], "width": 7}
    with pytest.raises(SavedModelError, match=r"does not fit the model: .*shape"):
        Model(ModelBuilder("classification", 2, FEATS, body=other, pretrain_file=saves / "plain.h5"), device="cpu")


def test_it_is_no_model_of_ours(saves):
    with pytest.raises(SavedModelError, match=r"a LUMIN save can start a model: ModelBuilder\(pretrain_file=...\)"):
        Model.from_save(saves / "plain.h5")
