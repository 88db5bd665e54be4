"""What holds for every component that is installed: it is what its entry point says, and says what it is."""

from __future__ import annotations

import inspect
from pathlib import Path

import click
import numpy as np
import pytest
import torch

from lumin_core import CatEmbedder, Model, ModelBuilder, registry
from lumin_core.registry.names import snake_case

ALL = [c for c in registry.components() if c.distribution != "session" and c.kind != "kind"]
COMMANDS = [c for c in ALL if c.kind == "command"]  # objects that are called, not built
BUILT = [c for c in ALL if c.kind != "command"]
OURS = [c for c in BUILT if not c.value.startswith("torch.")]
FEATS, CATS = ["a_x", "a_y", "b_x", "b_y"], CatEmbedder(["d", "e"], [3, 4])
OPTIONS = {
    ("body", "multi_block"): {
        "blocks": ["ident_body", {"name": "fully_connected", "depth": 1, "width": 3}],
        "feats_per_block": [["a_*"], ["b_*", "d", "e"]],
    },
    ("head", "auto_extract_lorentz_boost_net"): None,  # needs a matrix
    ("head", "conv1d_head"): None,
    ("head", "gnn_head"): None,
    ("head", "lorentz_boost_net"): None,
    ("head", "pyg_head"): None,
    ("head", "recurrent_head"): None,
    ("head", "multi_head"): None,  # needs a head for the matrix, which the tabular plugin does not have
    ("head", "num_emb_head"): {"bins": {feat: [-1.0, 0.0, 1.0] for feat in FEATS}},
    ("callback", "binary_label_smooth"): {"coefs": 0.1},
    ("callback", "cycle_lr"): {"lr_range": (1e-4, 1e-2)},
    ("callback", "cycle_mom"): {"mom_range": (0.8, 0.9)},
    ("callback", "cycle_step"): {"frac_reduction": 0.5, "patience": 1, "lengths": (1, 1), "lr_range": (1e-4, 1e-2)},
    ("callback", "early_stopping"): {"patience": 1},
    ("callback", "grad_clip"): {"clip": 1.0},
    ("callback", "one_cycle"): {"lengths": (1, 1), "lr_range": (1e-4, 1e-2)},
    ("callback", "parametrised_prediction"): {"feats": ["a"], "param_feat": "a", "param_val": 1.0},
    ("callback", "pivot_training"): {
        "n_pretrain_main": 1,
        "n_pretrain_adv": 1,
        "adv_coef": 1.0,
        "adv_model_builder": ModelBuilder("regression", 1, ["pred"]),
        "adv_targets": ["a"],
    },
    ("callback", "swa"): {"start_epoch": 1},
    ("callback", "targ_replace"): {"targ_feats": ["a"]},
    ("callback", "weight_data"): {"func": len, "on_eval": False},
    ("metric", "ams"): {},
    ("metric", "multi_ams"): {"n_total": 1, "wgt_name": "w", "targ_name": "y", "zero_preds": [0], "one_preds": [1]},
    ("metric", "reg_as_proxy_pull"): {"proxy_func": lambda preds, columns: preds[:, 0], "return_mean": True},
    ("metric", "reg_pull"): {"return_mean": True},
}  # fmt: skip


def ident(component):
    return f"{component.kind} {component.qualified}"


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    monkeypatch.setenv("LUMIN_DEVICE", "cpu")


def test_there_are_components_of_every_plugin():
    plugins = [path.parent.name for path in Path(__file__).parents[2].glob("plugins/*/pyproject.toml")]
    assert len(plugins) > 6
    assert {"lumin-core", *plugins} <= {c.distribution for c in ALL}


@pytest.mark.parametrize("component", COMMANDS, ids=ident)
def test_commands_are_click_commands_with_help(component):
    assert component.problem is None
    command = component.load()
    assert isinstance(command, click.Command)
    assert command.name == component.name.replace("_", "-")
    assert command.get_short_help_str(200).endswith(".")


@pytest.mark.parametrize("component", BUILT, ids=ident)
def test_it_is_importable_and_of_its_kind(component):
    assert component.problem is None
    loaded = component.load()
    base = next(kind for kind in registry.kinds() if kind.singular == component.kind).load_base()
    assert callable(loaded)
    if base is not None:
        assert issubclass(loaded, base)
        assert not inspect.isabstract(loaded)
        if hasattr(base, "kind"):
            assert loaded.kind == component.kind
    assert registry.qualified_name(loaded) == component.qualified
    assert registry.resolve(component.kind, component.qualified) is not None


@pytest.mark.parametrize("component", OURS, ids=ident)
def test_its_name_is_that_of_the_class(component):
    loaded = component.load()
    if isinstance(loaded, type):
        assert component.name == snake_case(loaded.__name__)


@pytest.mark.parametrize("component", OURS, ids=ident)
def test_it_has_a_docstring_with_an_example(component):
    loaded = component.load()
    assert inspect.getdoc(loaded)
    assert ">>>" in loaded.__doc__
    assert loaded.__doc__.splitlines()[0].rstrip().endswith(".")


@pytest.mark.parametrize("component", OURS, ids=ident)
def test_its_constructor_can_be_looked_into(component):
    loaded = component.load()
    if getattr(loaded, "__init__", None) is torch.nn.Module.__init__:
        return  # it has none of its own, and no options
    if component.kind == "run_table":  # its options are the keys that it says, those of the function that does the work
        assert loaded.get_keys()
        return
    parameters = inspect.signature(loaded).parameters.values()
    assert not [p.name for p in parameters if p.kind in (p.VAR_POSITIONAL, p.POSITIONAL_ONLY, p.VAR_KEYWORD)]
    assert all(p.annotation is not p.empty for p in parameters)


def options_of(component):
    return OPTIONS.get((component.kind, component.name), {})


BLOCKS = [c for c in ALL if c.kind in ("head", "body", "tail") and options_of(c) is not None]


@pytest.mark.parametrize("objective", ["classification", "multiclass", "regression"])
@pytest.mark.parametrize("component", BLOCKS, ids=ident)
def test_blocks_build_through_the_builder_with_the_sizes_that_they_say(component, objective, tmp_path):
    n_out = 2
    specs = {
        "body": {"name": "fully_connected", "depth": 1, "width": n_out},
        component.kind: {"name": component.qualified, **options_of(component)},
    }
    builder = ModelBuilder(objective, n_out, FEATS, cat_embedder=CATS, seed=1, **specs)
    model = Model(builder)
    x = torch.from_numpy(np.random.default_rng(1).integers(0, 3, (5, 6)).astype("float32"))
    for block in model.model.eval():
        x = block(x)
        assert x.shape == (5, block.get_out_size())
        assert x.dtype == torch.float32
        assert block.get_param_count(trainable=False) == sum(p.numel() for p in block.parameters())
    assert set(model.head.feat_map) == {*FEATS, "d", "e"}
    assert {i for columns in model.head.feat_map.values() for i in columns} == set(range(model.head.get_out_size()))
    loaded = Model.from_save(model.save(tmp_path / "m"))
    assert all(
        torch.equal(a, b) for a, b in zip(model.get_weights().values(), loaded.get_weights().values(), strict=True)
    )
    assert loaded.model_builder.to_config() == builder.to_config()


@pytest.mark.parametrize("component", BLOCKS, ids=ident)
def test_blocks_freeze_and_unfreeze(component):
    body = {} if component.kind == "body" else {"body": {"name": "fully_connected", "depth": 1, "width": 2}}
    specs = {**body, component.kind: {"name": component.qualified, **options_of(component)}}
    options = {"cat_embedder": CATS, "seed": 1, **specs}
    block = Model(ModelBuilder("regression", 2, FEATS, **options, **{f"freeze_{component.kind}": True}))[component.kind]
    assert block.get_param_count() == 0
    block.unfreeze_layers()
    assert block.get_param_count() == block.get_param_count(trainable=False)
    block.freeze_layers()
    assert block.get_param_count() == 0


@pytest.mark.parametrize("component", [c for c in ALL if c.kind == "callback"], ids=ident)
def test_callbacks_have_only_points_that_there_are(component):
    from lumin_core.training.hook_plan import HookPlan

    callback = registry.build("callback", {"name": component.qualified, **options_of(component)})
    assert any(HookPlan([callback]).calls.values())


@pytest.mark.parametrize("component", [c for c in ALL if c.kind == "metric"], ids=ident)
def test_metrics_say_what_is_better(component):
    metric = registry.build("metric", {"name": component.qualified, **options_of(component)})
    assert metric.better in ("lower", "higher", "zero")
    assert metric.label == component.name
    assert metric.main_metric is False


@pytest.mark.parametrize("component", [c for c in ALL if c.kind == "activation"], ids=ident)
def test_activations_keep_the_shape(component):
    layer = registry.build("activation", component.qualified)
    assert layer(torch.randn(4, 3)).shape == (4, 3)


@pytest.mark.parametrize("component", [c for c in ALL if c.kind == "initialiser"], ids=ident)
def test_initialisers_fill_a_weight_in_place(component):
    make = component.load()
    weight = torch.zeros(4, 3)
    make("relu")(weight)
    assert weight.isfinite().all()
    assert weight.any()


@pytest.mark.parametrize("component", registry.components("kind"), ids=ident)
def test_the_base_class_of_a_plugins_kind_carries_its_singular(component):
    base = component.load()
    assert inspect.isabstract(base)
    assert base.kind == next(kind.singular for kind in registry.kinds() if kind.plural == component.name)
