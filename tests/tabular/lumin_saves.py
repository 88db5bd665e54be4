"""Save LUMIN's models, with an input and their predictions: run by test_pretrain_lumin.py, in its environment."""

import json
import sys
from functools import partial
from pathlib import Path

import numpy as np
import torch


def bodies():
    from lumin.nn.models.blocks.body import FullyConnected, IdentBody, MultiBlock  # only LUMIN's environment has it

    return {"fully_connected": FullyConnected, "ident_body": IdentBody, "multi_block": MultiBlock}


def body_of(spec):
    options = dict(spec)
    cls = bodies()[options.pop("name")]
    if "blocks" in options:
        options["blocks"] = [body_of(block) for block in options["blocks"]]
    return partial(cls, **options)


def build(config):
    from lumin.nn.models.helpers import CatEmbedder
    from lumin.nn.models.model import Model
    from lumin.nn.models.model_builder import ModelBuilder

    body = dict(config["body"])
    cls = bodies()[body.pop("name")]
    if "blocks" in body:
        body["blocks"] = [body_of(block) for block in body["blocks"]]
    return Model(
        ModelBuilder(
            config["objective"], n_out=config["n_out"], cont_feats=list(config["feats"]),
            cat_embedder=CatEmbedder(*config["cats"]) if config["cats"] else None,
            cont_subsample_rate=config["rate"], body=cls, model_args={"body": body},
        )
    )  # fmt: skip


def main(config_file, folder):
    for name, config in json.loads(Path(config_file).read_text()).items():
        np.random.seed(1)
        torch.manual_seed(1)
        model = build(config)
        for parameter in model.model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        x = np.random.normal(size=(16, len(config["feats"]))).astype("float32")
        for size in config["cats"][1] if config["cats"] else []:
            x = np.hstack([x, np.random.randint(0, size, (16, 1)).astype("float32")])
        mask = model.input_mask
        used = x if mask is None else x[:, mask]
        for _ in range(3):  # running statistics that are not those of the start
            model.model.train()(torch.from_numpy(used))
        with torch.no_grad():
            y = model.model.eval()(torch.from_numpy(used)).numpy()
        np.savez(Path(folder) / f"{name}.npz", x=x, y=y, mask=np.zeros(0, int) if mask is None else np.asarray(mask))
        model.save(str(Path(folder) / f"{name}.h5"))


if __name__ == "__main__":
    main(*sys.argv[1:])
