"""Build models in LUMIN and save weights, an input and the output: test_lumin.py runs it in LUMIN's environment."""

import json
import sys
from functools import partial
from pathlib import Path

import numpy as np
import torch


def body_class(spec):
    from lumin.nn.models.blocks import body
    from lumin.nn.models.layers.batchnorms import RunningBatchNorm1d

    classes = {"fully_connected": body.FullyConnected, "ident_body": body.IdentBody, "multi_block": body.MultiBlock}
    options = dict(spec)
    cls = classes[options.pop("name")]
    if "bn_class" in options:
        options["bn_class"] = {"running_batch_norm1d": RunningBatchNorm1d}[options["bn_class"]]
    if "blocks" in options:
        options["blocks"] = [body_class(block) for block in options["blocks"]]
    return partial(cls, **options)


def build(config):
    from lumin.nn.models.blocks.head import CatEmbHead
    from lumin.nn.models.blocks.tail import ClassRegMulti
    from lumin.nn.models.helpers import CatEmbedder

    embedder = CatEmbedder(*config["cats"]) if config["cats"] else None
    head = CatEmbHead(config["feats"], cat_embedder=embedder, **config["head"])
    body = body_class(config["body"])(n_in=head.get_out_size(), feat_map=head.feat_map)
    tail = ClassRegMulti(n_in=body.get_out_size(), **config["tail"])
    return torch.nn.Sequential(head, body, tail)


def inputs(config, n):
    cont = torch.randn(n, len(config["feats"]))
    cats = [torch.randint(size, (n, 1)).float() for size in (config["cats"][1] if config["cats"] else [])]
    return torch.cat([cont, *cats], dim=1)


def main(config_file, folder):
    for name, config in json.loads(Path(config_file).read_text()).items():
        torch.manual_seed(1)
        model = build(config)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        for _ in range(3):  # running statistics that are not those of the start
            model(3 + inputs(config, 40) if not config["cats"] else inputs(config, 40))
        x = inputs(config, 16)
        arrays = {f"state.{key}": value.numpy() for key, value in model.state_dict().items()}
        with torch.no_grad():
            np.savez(Path(folder) / f"{name}.npz", x=x.numpy(), y=model.eval()(x).numpy(), **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
