import pytest

from lumin_core import registry


def test_describe_shows_docstring_signature_and_origin(run, install):
    source = '''
        class Shout:
            """Shout when training begins."""
            def __init__(self, loudness: float = 3.0, *, words=("go",)): ...
    '''
    install("my-blocks", {"callbacks": {"shout": "shouts:Shout"}}, modules={"shouts": source})
    code, out, _ = run("describe", "callbacks", "Shout")
    assert code == 0
    for part in ("my-blocks/shout", "my-blocks 1.0", "shouts:Shout", "loudness: float = 3.0", "words=('go',)"):
        assert part in out
    assert "Shout when training begins." in out


@pytest.mark.torch
@pytest.mark.parametrize("kind", [kind.plural for kind in registry.kinds()])
def test_describe_works_for_everything(run, kind):
    for component in registry.components(kind):
        assert run("describe", kind, component.qualified)[0] == 0


def test_describe_of_an_unknown_name_is_a_message_alone(run):
    code, out, err = run("describe", "optimiser", "adamm")
    assert (code, out) == (1, "")
    assert err.startswith("Error: there is no optimiser 'adamm'; did you mean")
    assert "Traceback" not in err
