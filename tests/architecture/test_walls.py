import ast
import re
import sys

import pytest

LAYERS = ["errors", "seeds", "statistics", "registry", "data", "model", "training", "testing", "cli"]
LOWEST = {"errors", "seeds", "statistics"}
MODULE_OF = {"scikit-learn": "sklearn", "tomli-w": "tomli_w"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "print", "breakpoint", "input", "__import__"}
FORBIDDEN_MODULES = {"subprocess", "dill", "cloudpickle", "joblib", "marshal", "shelve", "pty", "commands"}
FORBIDDEN_ATTRIBUTES = {
    "os": {"system", "popen", "execv", "execve", "execl", "execvp", "spawnl", "spawnv", "startfile", "posix_spawn"},
    "pickle": {"load", "loads", "Unpickler"},
    "pd": {"read_pickle"},
    "builtins": {"eval", "exec"},
}


def layer_of(name):
    """Give the layer of a dotted module of the core; the package itself is lazy and lies below all."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else None


def homes():
    import lumin_core

    return lumin_core._PUBLIC


def imported_layer(module, name):
    if module == "lumin_core" and name is not None:
        return layer_of(homes().get(name, f"lumin_core.{name}" if name in LAYERS else "lumin_core"))
    return layer_of(module)


def may_import(importer, imported):
    if imported is None or importer == imported:
        return True
    if importer is None:
        return False
    if importer in LOWEST and imported in LOWEST:
        return importer != "errors"
    return LAYERS.index(imported) < LAYERS.index(importer)


def test_every_module_of_the_core_has_a_layer(core_modules):
    strangers = {layer for module in core_modules if (layer := layer_of(module.name)) not in {None, *LAYERS}}
    assert not strangers


def test_imports_of_the_core_run_one_way(core_modules):
    wrong = [
        f"{module.name}:{line} imports {target} {name or ''}"
        for module in core_modules
        for line, target, name in module.imports()
        if target.partition(".")[0] == "lumin_core"
        and not may_import(layer_of(module.name), imported_layer(target, name))
    ]
    assert not wrong, "\n".join(wrong)


def test_nobody_imports_the_command_line(core_modules, plugin_modules):
    everything = [*core_modules, *(module for modules in plugin_modules.values() for module in modules)]
    wrong = [
        f"{module.name}:{line}"
        for module in everything
        if layer_of(module.name) != "cli" or not module.name.startswith("lumin_core")
        for line, target, name in module.imports()
        if f"{target}.{name}".startswith("lumin_core.cli")
    ]
    assert not wrong, "\n".join(wrong)


def test_the_core_imports_no_plugin(core_modules):
    wrong = [
        f"{module.name}:{line} imports {target}"
        for module in core_modules
        for line, target, _ in module.imports()
        if target.startswith("lumin_plugin")
    ]
    assert not wrong, "\n".join(wrong)


def test_plugins_import_no_other_plugin(plugin_modules):
    wrong = [
        f"{module.name}:{line} imports {target}"
        for distribution, modules in plugin_modules.items()
        for module in modules
        for line, target, _ in module.imports()
        if target.startswith("lumin_plugin") and target.partition(".")[0] != distribution.replace("-", "_")
    ]
    assert not wrong, "\n".join(wrong)


def test_plugins_import_no_privates_of_the_core(plugin_modules):
    wrong = [
        f"{module.name}:{line} imports {target} {name or ''}"
        for modules in plugin_modules.values()
        for module in modules
        for line, target, name in module.imports()
        if target.partition(".")[0] == "lumin_core" and re.search(r"(^|\.)_(?!_)", f"{target}.{name or ''}")
    ]
    assert not wrong, "\n".join(wrong)


def requirement_names(project):
    """Give the modules that a distribution asks for, those of its extras too."""
    extras = project["project"].get("optional-dependencies", {}).values()
    lines = [*project["project"].get("dependencies", []), *(line for extra in extras for line in extra)]
    names = [re.match(r"[\w.-]+", line)[0].lower() for line in lines]
    return {MODULE_OF.get(name, name.replace("-", "_")) for name in names}


def test_imports_are_declared(core_modules, plugin_modules, projects):
    core = requirement_names(projects["lumin-core"]) | set(sys.stdlib_module_names) | {"lumin_core"}
    allowed = {"lumin-core": core}
    for name in plugin_modules:
        allowed[name] = core | requirement_names(projects[name]) | {name.replace("-", "_")}
    wrong = [
        f"{module.name}:{line} imports {target}, which {distribution} does not declare"
        for distribution, modules in {"lumin-core": core_modules, **plugin_modules}.items()
        for module in modules
        for line, target, _ in module.imports()
        if target.partition(".")[0] not in allowed[distribution]
    ]
    assert not wrong, "\n".join(wrong)


def dangerous(module):
    for line, target, name in module.imports():
        if target.partition(".")[0] in FORBIDDEN_MODULES:
            yield line, f"import {target}"
        if name in FORBIDDEN_ATTRIBUTES.get(target, ()):
            yield line, f"{target}.{name}"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
            yield node.lineno, f"{node.func.id}()"
        if isinstance(node, ast.Attribute) and node.attr in FORBIDDEN_ATTRIBUTES.get(
            getattr(node.value, "id", None), ()
        ):
            yield node.lineno, ast.unparse(node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield from unsafe_options(node)


def unsafe_options(call):
    """Find ``torch.load`` without its restricted unpickler, ``allow_pickle=True`` and ``shell=True``."""
    options = {keyword.arg: getattr(keyword.value, "value", None) for keyword in call.keywords}
    owner = getattr(call.func.value, "id", None)
    if (owner, call.func.attr) == ("torch", "load") and options.get("weights_only") is not True:
        yield call.lineno, "torch.load without weights_only=True"
    for option in ("allow_pickle", "shell"):
        if options.get(option) is True:
            yield call.lineno, f"{option}=True"


# what a process and its own workers send each other through a pipe is no file
BETWEEN_PROCESSES = {(f"lumin_core.training.{name}", "pickle.loads") for name in ("executors", "worker")}


def test_nothing_shells_out_evaluates_unpickles_or_prints(core_modules, plugin_modules):
    everything = [*core_modules, *(module for modules in plugin_modules.values() for module in modules)]
    wrong = [
        f"{module.name}:{line}: {what}"
        for module in everything
        for line, what in dangerous(module)
        if (module.name, what) not in BETWEEN_PROCESSES
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "source",
    [
        "eval('1')",
        "print(1)",
        "import subprocess",
        "from subprocess import run",
        "def f():\n    import os\n    os.system('ls')",
        "from os import system",
        "import pickle\npickle.loads(b'')",
        "from pickle import Unpickler",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
    ],
)
def test_the_search_for_danger_finds_it(source, tmp_path, core_modules):
    path = tmp_path / "bad.py"
    path.write_text(source, encoding="utf-8")
    assert list(dangerous(type(core_modules[0])(path, tmp_path)))


def undocumented(module):
    if ast.get_docstring(module.tree) is None:
        yield module.name
    for node in module.tree.body:
        yield from undocumented_in(node, module.name)


def undocumented_in(node, owner):
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    if not isinstance(node, kinds) or node.name.startswith("_"):
        return
    decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
    if ast.get_docstring(node) is None and not any("overload" in text or ".setter" in text for text in decorators):
        yield f"{owner}.{node.name}"
    if isinstance(node, ast.ClassDef):
        for member in node.body:
            yield from undocumented_in(member, f"{owner}.{node.name}")


def test_everything_public_has_a_docstring(core_modules, plugin_modules):
    everything = [*core_modules, *(module for modules in plugin_modules.values() for module in modules)]
    wrong = [name for module in everything for name in undocumented(module)]
    assert not wrong, "\n".join(wrong)


def has_example(obj):
    own = [vars(obj).values()] if isinstance(obj, type) else []
    texts = [obj.__doc__, *(getattr(member, "__doc__", None) for members in own for member in members)]
    return any(isinstance(text, str) and ">>> " in text for text in texts)


def test_the_public_face_has_examples(plugins):
    import importlib
    import types

    packages = ["lumin_core", *(name.replace("-", "_") for name in plugins)]
    public = {
        f"{package}.{name}": getattr(importlib.import_module(package), name)
        for package in packages
        for name in importlib.import_module(package).__all__
        if not name.startswith("_")
    }
    documented = (type, types.FunctionType)
    wrong = [name for name, obj in public.items() if isinstance(obj, documented) and not has_example(obj)]
    assert len(public) > 30
    assert not wrong, "\n".join(wrong)
