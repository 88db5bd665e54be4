import pytest

from lumin_core import registry
from lumin_core.errors import BrokenPlugin, ConfigError
from lumin_core.registry.kind_table import CORE_KINDS

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
    with pytest.raises(BrokenPlugin, match=r"more:Mayo.*is not a subclass of my_kinds.Sauce"):
        registry.build("sauce", "mayo")


def test_a_kinds_base_says_its_singular(install):
    source = {"my_kinds": "class Sauce:\n    kind = 'soup'\nclass Ketchup(Sauce): ..."}
    install(
        "my-kinds", {"kinds": {"sauces": "my_kinds:Sauce"}, "sauces": {"ketchup": "my_kinds:Ketchup"}}, modules=source
    )
    with pytest.raises(BrokenPlugin, match=r"'soup'.*'sauce'"):
        registry.build("sauce", "ketchup")


def test_instances_are_for_the_kinds_that_say_so():
    allowing = {kind.plural for kind in CORE_KINDS if kind.instances}
    assert allowing == {"augmentations", "callbacks", "losses", "metrics"}


@pytest.mark.parametrize(
    ("said", "allows"), [("", False), ("allows_instances = 0", False), ("allows_instances = True", True)]
)
def test_a_base_class_of_a_plugin_says_whether_instances_are_allowed(install, said, allows):
    source = f"class Sauce:\n    kind = 'sauce'\n    {said}\nclass Ketchup(Sauce): ..."
    entries = {"kinds": {"sauces": "my_kinds:Sauce"}, "sauces": {"ketchup": "my_kinds:Ketchup"}}
    install("my-kinds", entries, modules={"my_kinds": source})
    kind, ketchup = registry.find_kind("sauce"), registry.build("sauce", "ketchup")
    assert kind.allows_instances() is allows
    if allows:
        assert registry.build("sauce", ketchup) is ketchup
        with pytest.raises(ConfigError, match="an instance would be shared between models"):
            registry.resolve("sauce", ketchup)
        with pytest.raises(ConfigError, match=r"a sauce is given as .*, or an instance; got 3"):
            registry.build("sauce", 3)
    else:
        with pytest.raises(ConfigError, match=r"a sauce is given as .* with keywords; got"):
            registry.build("sauce", ketchup)


def test_lacks_says_what_a_constructor_should_be(install):
    install("my-kinds", {"kinds": {"sauces": "my_kinds:Sauce"}}, modules=KINDS)
    sauce, callback = registry.find_kind("sauce"), registry.find_kind("callback")
    assert sauce.lacks(sauce.load_base()) is None
    assert sauce.lacks(dict) == sauce.lacks(len) == sauce.lacks(3) == "a subclass of my_kinds.Sauce"
    assert callback.lacks(dict) is callback.lacks(len) is None
    assert callback.lacks(3) == "a class or a function"
