"""Defaults of ours are qualified names: whatever else is installed or registered changes nothing of them."""

import ast
import importlib
import inspect

import pytest
from torch import nn

from lumin_core import ModelBuilder, registry
from lumin_core.registry.names import FIRST_PARTY, normalise, short

OURS = [c for c in registry.components() if short(c.distribution) in ("core", *FIRST_PARTY) and c.kind != "kind"]
NAMES = {component.key for component in OURS}
NO_COMPONENTS = {
    ("RecurrentHead", "act"): "one of the two that torch.nn.RNN has",
    ("FitParams", "state"): "what the loop is doing",
    ("Strong", "budget"): "one of the recipe's two",
    ("strong", "budget"): "one of the recipe's two",
    ("QuantileTransformer", "output_distribution"): "one of scikit-learn's two",
}
MATRIX = {"vecs": ["jet", "tau"], "feats_per_vec": ["px", "py", "pz", "E"]}
ELEMENTS = [f"{vec}_{feat}" for vec in MATRIX["vecs"] for feat in MATRIX["feats_per_vec"]]
OPTIONS = {
    "auto_extract_lorentz_boost_net": {**MATRIX, "n_particles": 2, "depth": 1, "width": 4, "n_singles": 1},
    "conv1d_head": MATRIX,
    "gnn_head": {**MATRIX, "use_in_bn": True},
    "lorentz_boost_net": {**MATRIX, "n_particles": 2},
    "multi_head": {"matrix_head": {"name": "gnn/gnn_head", **MATRIX}},
    "recurrent_head": MATRIX,
    "multi_block": {"blocks": ["tabular/ident_body"], "feats_per_block": [["*"]]},
    "conv": {"out_c": 4},
    "res": {"out_c": 4},
    "resnext": {"out_c": 4, "inter_c": 2},
    "grav_net": {"use_sa": True},
    "graph_collapser": {"n_sa_layers": 1},
    "node_predictor": {"n_sa_layers": 1},
}
PARTS = {
    "graph_extractor": {"n_v": 3, "n_fpv": 4, "feats_per_vec": ["px", "py", "pz", "E"]},
    "graph_collapser": {"n_v": 3, "n_fpv": 4, "feats_per_vec": ["px", "py", "pz", "E"]},
    "conv_layer": {"in_c": 2, "length": 8},
}
BLOCKS = [c for c in OURS if c.kind in ("head", "body", "tail") and c.name != "pyg_head"]  # whose network is the user's
INNER = [c for c in OURS if c.kind in PARTS]


def spec_of(component):
    """Give a component with what it needs, and with norms where it may have some."""
    norm = {"bn": True} if "bn" in inspect.signature(component.load()).parameters else {}
    return {"name": component.qualified, **norm, **OPTIONS.get(component.name, {})}


def bare_names(default):
    """Give the texts in a default that are names of components without their origin, at every depth."""
    if isinstance(default, str):
        return [default] if normalise(default) in NAMES else []
    if isinstance(default, dict):
        default = list(default.values())
    return [name for entry in default for name in bare_names(entry)] if isinstance(default, list | tuple) else []


def signatures(obj):
    """Give name and signature of a function, or of a class's constructor and methods."""
    members = [obj, *vars(obj).values()] if isinstance(obj, type) else [obj]
    for member in members:
        function = getattr(member, "__func__", member)
        if inspect.isroutine(function) or isinstance(function, type):
            try:
                yield obj.__name__, inspect.signature(function)
            except (ValueError, TypeError):
                continue


def public():
    """Give the classes and functions of all faces, and those that are components."""
    floors = ["", ".registry", ".data", ".model", ".training", ".runs", ".checks", ".files", ".seeds", ".statistics"]
    packages = [f"lumin_core{floor}" for floor in floors]
    packages += sorted({c.distribution.replace("-", "_") for c in OURS if c.distribution != "lumin-core"})
    for package in map(importlib.import_module, packages):
        yield from (getattr(package, name) for name in getattr(package, "__all__", vars(package)))
    yield from (component.load() for component in OURS)


def test_no_default_of_ours_is_a_bare_name():
    found = {
        (name, parameter.name): bare
        for obj in public()
        if inspect.isroutine(obj) or isinstance(obj, type)
        for name, signature in signatures(obj)
        for parameter in signature.parameters.values()
        if (bare := bare_names(parameter.default))
    }
    assert {place: bare for place, bare in found.items() if place not in NO_COMPONENTS} == {}
    assert set(NO_COMPONENTS) <= set(found), "an exception that is none any more"


def test_the_walk_sees_a_bare_name():
    assert bare_names("relu") == ["relu"]
    assert bare_names(({"name": "conv"}, "core/tanh", 3)) == ["conv"]


def test_no_code_of_ours_asks_for_a_bare_name(core_modules, plugin_modules):
    asking = {"build": 1, "resolve": 1, "find": 1, "to_config": 1, "lookup_act": 0}
    wrong = []
    for module in [*core_modules, *(module for modules in plugin_modules.values() for module in modules)]:
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Call):
                continue
            position = asking.get(getattr(node.func, "attr", getattr(node.func, "id", None)), len(node.args))
            for argument in node.args[position : position + 1]:
                if isinstance(argument, ast.Constant) and bare_names(argument.value):
                    wrong.append(f"{module.name}:{node.lineno} asks for {argument.value!r}")
    assert not wrong


@pytest.fixture
def a_stranger_with_all_names():
    """Register something that cannot be used under every name of ours."""

    def refuse(*args, **options):
        raise AssertionError("a stranger's component was asked for")

    with registry.temporary():
        for component in OURS:
            base = registry.find_kind(component.kind).load_base()
            members = {"__init__": refuse, "__new__": refuse}
            stranger = type("Stranger", (base or object,), members)
            registry.register(component.kind, component.name, stranger, override=True)
        yield


@pytest.mark.parametrize("component", BLOCKS, ids=lambda c: c.qualified)
def test_a_stranger_changes_no_default_of_a_block(component, a_stranger_with_all_names):
    body = {"name": "tabular/fully_connected", "width": 1}
    ModelBuilder("regression", 1, ELEMENTS, **{"body": body, component.kind: spec_of(component)}).get_model()


@pytest.mark.parametrize("component", INNER, ids=lambda c: c.qualified)
def test_a_stranger_changes_no_default_of_a_part(component, a_stranger_with_all_names):
    registry.build(component.kind, spec_of(component), **PARTS[component.kind])


def test_a_stranger_changes_no_default_of_a_builder(a_stranger_with_all_names):
    for objective in ("classification", "multiclass", "regression"):
        ModelBuilder(objective, 2, ["a"]).get_model()


def test_the_stranger_is_found_by_a_bare_name(a_stranger_with_all_names):
    with pytest.raises(AssertionError, match="stranger"):
        registry.build("activation", "relu")


def test_names_of_users_stay_bare_and_their_functions_are_handed_bare_names(a_stranger_with_all_names):
    asked = []

    def lookup_act(name):
        asked.append(name)
        return nn.ReLU()

    def lookup_init(name, fan_in=None, fan_out=None):
        asked.append(name)
        return lambda weight: weight

    given = {"lookup_act": lookup_act, "lookup_init": lookup_init}
    for component in INNER:
        registry.build(component.kind, spec_of(component), **PARTS[component.kind], **given)
    for spec in ("tabular/fully_connected", {"name": "tabular/fully_connected", "act": "mine"}):
        ModelBuilder("regression", 1, ["a"], body=spec, **given).get_model()
    assert {"relu", "gelu", "sigmoid", "linear", "mine"} <= set(asked)
    assert not [name for name in asked if "/" in name]
