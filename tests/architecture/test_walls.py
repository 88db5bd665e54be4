import ast
import re
import sys

import pytest

GROUND = ("errors", "lazy", "synonyms", "checks", "arguments", "display", "marks", "looks", "locks", "files", "seeds")
SINGLE = (*GROUND, "statistics")  # modules, not packages
FLOORS = (*GROUND, "registry", "data", "statistics", "model", "training", "runs", "testing", "cli")
FACES = {"lumin_core", "lumin_core.testing.samples", *(f"lumin_core.{floor}" for floor in FLOORS if floor != "cli")}
MODULE_OF = {"scikit-learn": "sklearn", "tomli-w": "tomli_w"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "print", "breakpoint", "input", "__import__"}
FORBIDDEN_MODULES = {"subprocess", "dill", "cloudpickle", "joblib", "marshal", "shelve", "pty", "commands"}
FORBIDDEN_ATTRIBUTES = {
    "os": {"system", "popen", "execv", "execve", "execl", "execvp", "spawnl", "spawnv", "startfile", "posix_spawn"},
    "pickle": {"load", "loads", "Unpickler"},
    "pd": {"read_pickle"},
    "builtins": {"eval", "exec"},
}


def floor_of(name):
    """Give the floor of a dotted module of the core; the package itself is lazy and lies below all."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else None


def may_import(importer, imported):
    """Tell whether a floor may import another: the ground floor has no order of its own, but no circles either."""
    if importer == imported or imported is None or {importer, imported} <= set(GROUND):
        return True
    return importer is not None and FLOORS.index(imported) < FLOORS.index(importer)


def targets(module, known):
    """Give (line, module of the core) of every import in a module, in functions and for types too."""
    for line, target, name in module.imports():
        if target.partition(".")[0] == "lumin_core":
            yield line, f"{target}.{name}" if f"{target}.{name}" in known else target


def test_every_module_of_the_core_has_a_floor(core_modules):
    strangers = {floor for module in core_modules if (floor := floor_of(module.name)) not in {None, *FLOORS}}
    assert not strangers


def test_imports_of_the_core_run_one_way(core_modules):
    known = {module.name for module in core_modules}
    wrong = [
        f"{module.name}:{line} imports {target}"
        for module in core_modules
        for line, target in targets(module, known)
        if not module.is_package or module.name != "lumin_core"
        if not may_import(floor_of(module.name), floor_of(target))
    ]
    assert not wrong, "\n".join(wrong)


def test_the_core_has_no_circle_of_imports(core_modules):
    """Types count, and so do imports inside of functions."""
    known = {module.name for module in core_modules}
    graph = {
        module.name: {target for _, target in targets(module, known)} - {module.name, "lumin_core"}
        for module in core_modules
    }
    done = set()
    while ready := [name for name, needed in graph.items() if name not in done and needed <= done]:
        done.update(ready)
    assert sorted(set(graph) - done) == []


def test_the_core_imports_from_where_a_thing_is_and_not_from_a_face(core_modules):
    """A face is for plugins and users: within the core it would hide who needs whom. The registry's is for all."""
    faces = FACES - {"lumin_core", "lumin_core.registry", *(f"lumin_core.{name}" for name in SINGLE)}
    wrong = [
        f"{module.name}:{line} imports {name} from {target}"
        for module in core_modules
        for line, target, name in module.imports()
        if target in faces and f"{target}.{name}" not in {other.name for other in core_modules}
    ]
    assert not wrong, "\n".join(wrong)


def test_plugins_import_from_the_faces_of_the_core_alone(plugin_modules, core_modules):
    inner = {module.name for module in core_modules} - FACES
    wrong = [
        f"{module.name}:{line} imports {target} {name or ''}"
        for modules in plugin_modules.values()
        for module in modules
        for line, target, name in module.imports()
        if target.partition(".")[0] == "lumin_core"
        if target not in FACES or f"{target}.{name}" in inner
    ]
    assert not wrong, "\n".join(wrong)


def test_no_module_has_the_name_of_a_public_name_of_its_package(core_modules):
    import importlib

    packages = {module.name for module in core_modules if module.is_package and module.name != "lumin_core.cli"}
    public = {f"{package}.{name}" for package in packages for name in importlib.import_module(package).__all__}
    modules = {module.name for module in core_modules if floor_of(module.name) not in GROUND}
    assert sorted((public & modules) - FACES) == []


def test_nobody_imports_the_command_line(core_modules, plugin_modules):
    everything = [*core_modules, *(module for modules in plugin_modules.values() for module in modules)]
    wrong = [
        f"{module.name}:{line}"
        for module in everything
        if floor_of(module.name) != "cli" or not module.name.startswith("lumin_core")
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
BETWEEN_PROCESSES = {(f"lumin_plugin_farm.{name}", "pickle.loads") for name in ("processes", "worker")}


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
