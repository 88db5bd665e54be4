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


def test_describe_shows_defaults_by_name_and_plain_text(run, install):
    source = '''
        from functools import partial
        def act(x): ...
        class Thing: ...
        class Shout:
            """Shout ``words`` by :class:`~a.Voice`, as `Whisper` does; it says much
            more than would fit into one line."""
            def __init__(self, act=act, thing=Thing(), layers=(Thing, act), make: object = partial(Thing, loud=act),
                         *, words: "list[str] | None" = None, options={"by": Thing}): ...
    '''
    install("my-blocks", {"callbacks": {"shout": "shouts:Shout"}}, modules={"shouts": source})
    code, out, _ = run("describe", "callback", "shout")
    assert code == 0
    assert out.partition("\n\n")[2] == (
        "shout(\n"
        "    act=act,\n"
        "    thing=Thing(),\n"
        "    layers=(Thing, act),\n"
        "    make: object = partial(Thing, loud=act),\n"
        "    words: list[str] | None = None,\n"
        "    options={'by': Thing},\n"
        ")\n\n"
        "Shout words by a.Voice, as Whisper does; it says much more than would fit into\n"
        "one line.\n"
    )


@pytest.mark.torch
def test_describe_fits_80_columns_without_markup_for_everything(run):
    for component in registry.components():
        for line in run("describe", component.kind, component.qualified)[1].splitlines():
            if not line.lstrip().startswith((">>>", "...")):  # code, which is not wrapped
                assert len(line) <= 80, component
                assert not any(mark in line for mark in ("``", ":math:", ":class:", " at 0x", "<class")), component


@pytest.mark.torch
@pytest.mark.parametrize("kind", [kind.singular for kind in registry.kinds()])
def test_describe_of_a_kind_says_what_it_asks_for(run, kind):
    code, out, _ = run("describe", kind)
    known = registry.find_kind(kind)
    assert code == 0
    assert out.startswith(f"{known.plural}\n")
    for part in (f"lumin.{known.plural}", f"lumin new-plugin NAME --kind {kind}", "check_entry_point"):
        assert part in out
    assert max(map(len, out.splitlines())) <= 100


@pytest.mark.torch
def test_describe_of_a_kind_says_what_is_offered_and_which_checks_hold_it(run):
    _, out, _ = run("describe", "bodies")
    for part in ("n_in, feat_map, lookup_init, lookup_act, freeze", "lumin_core.Body", "check_block_shape: One event"):
        assert part in out


@pytest.mark.torch
def test_describe_of_a_kind_of_a_plugin_shows_its_base(run, install):
    source = '''
        class Spice:
            """Base of spices, shape ``(n,)``."""
            kind = "spice"
    '''
    install("my-blocks", {"kinds": {"spices": "spice_kind:Spice"}}, modules={"spice_kind": source})
    _, out, _ = run("describe", "spice")
    for part in ("lumin.spices", "spice_kind:Spice", "Base of spices, shape (n,)", "none yet"):
        assert part in out


def test_describe_of_an_unknown_kind_is_a_message_alone(run):
    code, out, err = run("describe", "haed")
    assert (code, out) == (1, "")
    assert err.startswith("Error: there is no kind 'haed'; did you mean 'heads'?")
