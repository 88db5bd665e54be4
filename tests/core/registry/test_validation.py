import pytest

from lumin_core import registry
from lumin_core.registry import register


class ByPosition:
    def __init__(self, first, /, second=2): ...


@pytest.fixture(autouse=True)
def session():
    with registry.temporary():
        register("norm", obj=ByPosition)
        yield


ABSTRACT = """
import abc
class Abstract(abc.ABC):
    @abc.abstractmethod
    def forward(self): ...
class ByPosition:
    def __init__(self, first, /): ...
number = 3
class Good: ...
class NotACommand: ...
"""


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("abstract", "abstract; missing are forward"),
        ("by_position", "takes first by position only"),
        ("number", "not callable: 3"),
        ("missing", "AttributeError"),
        ("good", None),
    ],
)
def test_check_says_what_is_wrong(install, name, problem):
    entries = {
        "abstract": "Abstract",
        "by_position": "ByPosition",
        "number": "number",
        "missing": "Missing",
        "good": "Good",
    }
    entries = {key: f"checked:{value}" for key, value in entries.items()}
    # names of the session must not be in the way: these are asked for with their origin
    install("chk", {"norms": entries}, modules={"checked": ABSTRACT})
    found = registry.check(registry.find("norm", f"chk/{name}"))
    assert found is None if problem is None else problem in found


@pytest.mark.torch
def test_check_compares_with_the_base_class(install):
    install("chk", {"optimisers": {"good": "checked:Good"}}, modules={"checked": ABSTRACT})
    assert "no subclass of torch.optim" in registry.check(registry.find("optimiser", "good"))
