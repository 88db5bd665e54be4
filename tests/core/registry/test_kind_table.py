import pytest

from lumin_core import registry
from lumin_core.errors import BrokenPlugin

KINDS = {
    "my_kinds": """
        class Sauce:
            kind = "sauce"
        class Ketchup(Sauce):
            def __init__(self, salt=1):
                self.salt = salt
    """
}


def test_plugins_declare_kinds(install):
    entries = {"kinds": {"sauces": "my_kinds:Sauce"}, "sauces": {"ketchup": "my_kinds:Ketchup"}}
    install("my-kinds", entries, modules=KINDS)
    assert registry.Kind("sauce", "sauces", "my_kinds:Sauce") in registry.kinds()
    assert registry.build("sauce", {"name": "ketchup", "salt": 2}).salt == 2
    assert registry.build("sauces", "my-kinds/ketchup").salt == 1
    assert [registry.check(component) for component in registry.components() if "my-kinds" in component.qualified] == [
        None,
        None,
    ]


def test_plugins_extend_kinds_of_other_plugins(install):
    install("my-kinds", {"kinds": {"sauces": "my_kinds:Sauce"}}, modules=KINDS)
    install("more", {"sauces": {"mayo": "more:Mayo"}}, modules={"more": "class Mayo: ..."})
    with pytest.raises(BrokenPlugin, match=r"more:Mayo.*is not a subclass of my_kinds:Sauce"):
        registry.build("sauce", "mayo")


def test_a_kinds_base_says_its_singular(install):
    source = {"my_kinds": "class Sauce:\n    kind = 'soup'\nclass Ketchup(Sauce): ..."}
    install(
        "my-kinds", {"kinds": {"sauces": "my_kinds:Sauce"}, "sauces": {"ketchup": "my_kinds:Ketchup"}}, modules=source
    )
    with pytest.raises(BrokenPlugin, match=r"'soup'.*'sauce'"):
        registry.build("sauce", "ketchup")
