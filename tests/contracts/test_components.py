"""What we ask of our own components in addition to the checks for everybody, see test_conformance."""

from __future__ import annotations

import inspect

import click
import pytest
import torch

from lumin_core import Model, registry
from lumin_core.testing import NotApplicable, Subject
from lumin_core.testing.blocks import inputs_of, make_tail
from lumin_core.testing.saved_blocks import model_of

ALL = [c for c in registry.components() if c.distribution != "session" and c.kind != "kind"]
COMMANDS = [c for c in ALL if c.kind == "command"]  # objects that are called, not built
BUILT = [c for c in ALL if c.kind != "command"]
OURS = [c for c in BUILT if not c.value.startswith("torch.")]
BLOCKS = [c for c in ALL if c.kind in ("head", "body", "tail")]


def ident(component):
    return f"{component.kind} {component.qualified}"


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    monkeypatch.setenv("LUMIN_DEVICE", "cpu")


@pytest.mark.parametrize("component", COMMANDS, ids=ident)
def test_commands_are_click_commands_with_help(component):
    assert component.problem is None
    command = component.load()
    assert isinstance(command, click.Command)
    assert command.name == component.name.replace("_", "-")
    assert command.get_short_help_str(200).endswith(".")


@pytest.mark.parametrize("component", BUILT, ids=ident)
def test_it_is_found_by_what_it_is(component):
    loaded = component.load()
    base = next(kind for kind in registry.kinds() if kind.singular == component.kind).load_base()
    assert callable(loaded)
    if base is not None and hasattr(base, "kind"):
        assert loaded.kind == component.kind
    assert registry.qualified_name(loaded) == component.qualified
    assert registry.resolve(component.kind, component.qualified) is not None


@pytest.mark.parametrize("component", OURS, ids=ident)
def test_it_has_a_docstring_with_an_example(component):
    loaded = component.load()
    assert inspect.getdoc(loaded)
    assert ">>>" in loaded.__doc__
    assert loaded.__doc__.splitlines()[0].rstrip().endswith(".")


@pytest.mark.parametrize("component", OURS, ids=ident)
def test_the_arguments_of_its_constructor_have_types(component):
    loaded = component.load()
    if getattr(loaded, "__init__", None) is torch.nn.Module.__init__:
        return  # it has none of its own, and no options
    if component.kind == "run_table":  # its options are the keys that it says, those of the function that does the work
        assert loaded.get_keys()
        return
    parameters = inspect.signature(loaded).parameters.values()
    assert not [p.name for p in parameters if p.kind in (p.VAR_POSITIONAL, p.POSITIONAL_ONLY, p.VAR_KEYWORD)]
    assert all(p.annotation is not p.empty for p in parameters)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # of PyTorch Geometric
@pytest.mark.parametrize("component", BLOCKS, ids=ident)
def test_blocks_say_their_sizes_and_come_back_from_a_file_with_their_config(component, tmp_path):
    subject = Subject(component.kind, component)
    with registry.temporary():
        try:
            model = model_of(subject)
        except NotApplicable as reason:  # PyTorch Geometric is not installed
            pytest.skip(str(reason))
        x = inputs_of(model.head, 5)
        for block in model.model.eval():
            x = block(x)
            assert x.shape == (5, block.get_out_size())
            assert x.dtype == torch.float32
            assert block.get_param_count(trainable=False) == sum(p.numel() for p in block.parameters())
        features = [*model.head.cont_feats, *model.head.cat_feats]
        assert set(model.head.feat_map) == set(features)
        assert {i for columns in model.head.feat_map.values() for i in columns} == set(range(model.head.get_out_size()))
        loaded = Model.from_save(model.save(tmp_path / "m"))
        assert all(
            torch.equal(a, b) for a, b in zip(model.get_weights().values(), loaded.get_weights().values(), strict=True)
        )
        assert loaded.model_builder.to_config() == model.model_builder.to_config()


@pytest.mark.parametrize("objective", ["classification", "multiclass", "regression"])
@pytest.mark.parametrize("component", [c for c in BLOCKS if c.kind == "tail"], ids=ident)
def test_tails_take_every_objective(component, objective):
    tail = make_tail(Subject("tail", component), objective, 2)
    assert tail(inputs_of(tail, 5)).shape == (5, 2)


@pytest.mark.parametrize("component", [c for c in ALL if c.kind == "metric"], ids=ident)
def test_metrics_are_labelled_by_their_name(component):
    metric = Subject("metric", component).make()
    assert metric.label == component.name
    assert metric.main_metric is False


@pytest.mark.parametrize("component", registry.components("kind"), ids=ident)
def test_the_base_class_of_a_plugins_kind_carries_its_singular(component):
    base = component.load()
    assert inspect.isabstract(base)
    assert base.kind == next(kind.singular for kind in registry.kinds() if kind.plural == component.name)
