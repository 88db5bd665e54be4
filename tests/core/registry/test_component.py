import pytest

from lumin_core import registry
from lumin_core.errors import BrokenPlugin


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("import not_there_at_all", "ModuleNotFoundError"),
        ("x = (", "SyntaxError"),
        ("Other = 1", "AttributeError"),
    ],
)
def test_load_chains_what_went_wrong_in_a_plugin(install, source, reason):
    install("my-blocks", {"callbacks": {"shout": "broken_one:Shout"}}, modules={"broken_one": source})
    assert registry.find("callback", "shout").problem is None
    with pytest.raises(BrokenPlugin, match=reason) as caught:
        registry.build("callback", "shout")
    assert caught.value.__cause__ is not None
    assert "my-blocks 1.0" in str(caught.value)
    assert isinstance(caught.value, ImportError)
