"""Exporters by name: what they are handed, and what to install where there is none."""

import pytest

from lumin_core import Ensemble, Model, registry
from lumin_core.errors import BrokenPlugin, UnknownComponent
from lumin_core.training import Exporter


@pytest.fixture
def calls():
    """Register an exporter that notes how it is called."""
    noted = []

    class Note(Exporter):
        suffix = ".note"

        def __init__(self, shout=False):
            self.shout = shout

        def write(self, models, weights, path, *, raw):
            noted.append((models, weights, path, raw))
            return path.with_suffix(self.suffix)

    with registry.temporary():
        registry.register("exporter", "note", Note)
        yield noted


@pytest.fixture
def model(fy, make_builder):
    return Model(make_builder(fy))


def test_a_model_hands_itself_to_the_exporter_of_that_name(calls, model, tmp_path):
    assert model.export(str(tmp_path / "m"), format="note", raw=True) == tmp_path / "m.note"
    assert calls == [([model], None, tmp_path / "m.note", True)]


def test_an_ensemble_hands_its_models_and_their_weights(calls, model, tmp_path):
    assert Ensemble([model, model], [1, 3]).export(tmp_path / "e", "note") == tmp_path / "e.note"
    assert calls == [([model, model], [0.25, 0.75], tmp_path / "e.note", False)]


def test_the_short_form_is_the_exporter_onnx(model, monkeypatch):
    asked = []
    for cls in (Model, Ensemble):
        monkeypatch.setattr(cls, "export", lambda self, *args, **options: asked.append((*args, options["raw"])))
    model.export_onnx("m", raw=True)
    Ensemble([model]).export_onnx("e")
    assert asked == [("m", "onnx/onnx", True), ("e", "onnx/onnx", False)]


def test_an_ending_that_is_there_is_not_added_again(calls, model, tmp_path):
    assert model.export(tmp_path / "m.note", "note") == tmp_path / "m.note"
    assert calls[0][2] == tmp_path / "m.note"


def test_an_exporter_without_an_ending_is_told_so(calls, model, tmp_path):
    class Plain(Exporter):
        def write(self, models, weights, path, *, raw):
            return path

    registry.register("exporter", "plain", Plain)
    with pytest.raises(BrokenPlugin, match=r"the exporter 'plain' should say suffix = '\.\w+', got None"):
        model.export(tmp_path / "m", "plain")


def test_a_missing_plugin_says_what_to_install(model, monkeypatch, tmp_path):
    monkeypatch.setenv("LUMIN_DISABLE_PLUGINS", "onnx")
    monkeypatch.setattr("lumin_core.registry.hints.is_installed", lambda name: name != "lumin-plugin-onnx")
    registry.refresh()
    try:
        with pytest.raises(UnknownComponent, match="lumin-plugin-onnx has it: pip install lumin-plugin-onnx"):
            model.export_onnx(tmp_path / "m")
    finally:
        monkeypatch.undo()
        registry.refresh()
    assert not list(tmp_path.iterdir())


def test_unknown_formats_are_refused_by_name(model, tmp_path):
    with pytest.raises(UnknownComponent, match=r"there is no exporter 'onxx'.*did you mean 'onnx'"):
        model.export(tmp_path / "m", "onxx")


@pytest.mark.parametrize("before", [None, "what was there"])
def test_fault_what_an_exporter_leaves_half_written_is_removed(calls, model, tmp_path, before):
    class Half(Exporter):
        suffix = ".half"

        def write(self, models, weights, path, *, raw):
            if before is None:
                path.write_text("half")
            raise KeyError("no such layer")

    if before is not None:
        (tmp_path / "m.half").write_text(before)
    registry.register("exporter", "half", Half)
    with pytest.raises(KeyError) as raised:
        model.export(tmp_path / "m", "half")
    assert raised.value.__notes__ == ["raised by the exporter 'half'"]
    assert [path.read_text() for path in tmp_path.iterdir()] == ([] if before is None else [before])


def test_fault_an_exporter_that_returns_no_path_is_told_so(calls, model, tmp_path):
    class Silent(Exporter):
        suffix = ".silent"

        def write(self, models, weights, path, *, raw): ...

    registry.register("exporter", "silent", Silent)
    with pytest.raises(BrokenPlugin, match="'silent' should return the path it wrote, got None; tell its authors"):
        model.export(tmp_path / "m", "silent")
