"""Range tests, schedules and embeddings, which come from other plugins by name or by what they have."""

import numpy as np
import pytest

from lumin_core import CatEmbedder, Model, ModelBuilder
from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_plugin_callbacks import CycleLR, LRFindResult
from lumin_plugin_plots import PlotSettings, plot_embedding, plot_lr_finders, plot_schedule, redraw
from lumin_plugin_plots.embedding import principal_components

SMALL = PlotSettings(dpi=40)


def found(best=1e-3, n_repeats=3):
    lr = np.geomspace(1e-6, 1, 201)
    losses = 1 - 0.5 / (1 + (best / lr) ** 2) + 0.01 * np.arange(n_repeats)[:, None]
    losses[:, -20:] = np.nan
    return LRFindResult(lr, losses)


def texts(plot):
    return "\n".join(text.get_text() for text in plot.figure.findobj(lambda x: hasattr(x, "get_text")))


def test_range_tests_show_what_they_found(tmp_path):
    tests = {"bs 64": found(), "bs 256": found(1e-2, n_repeats=1)}
    plot = plot_lr_finders(tests, settings=SMALL)
    curve = plot.numbers.curves["bs 64"]
    np.testing.assert_array_equal(curve["loss"], tests["bs 64"].smoothed_loss)
    np.testing.assert_allclose(
        curve["repeats_high"] - curve["mean_loss"], np.where(np.isnan(curve["loss"]), np.nan, 0.01)
    )
    assert "repeats_high" not in plot.numbers.curves["bs 256"]
    assert plot.numbers.about["suggestion"] == {name: test.suggestion for name, test in tests.items()}
    assert f"bs 64: suggested {tests['bs 64'].suggestion:.2g}" in texts(plot)
    *_, path = plot.save(tmp_path / "finders", formats=["png"])
    again = redraw(path, SMALL)
    assert again.numbers.to_text() == plot.numbers.to_text()
    assert again.picture() == plot.picture()


def test_range_tests_that_show_nothing_are_refused():
    with pytest.raises(DataError, match="what lr_find returns is needed"):
        plot_lr_finders({"a": [0.1, 0.2]})
    with pytest.raises(DataError, match="diverged at its first rate"):
        plot_lr_finders(LRFindResult(np.array([0.1, 1.0]), np.full((1, 2), np.nan)))


def test_schedules_come_by_name_and_as_objects(tmp_path):
    one_cycle = {"name": "one_cycle", "lengths": (1, 2), "lr_range": (0.1, 1.0)}
    schedules = {"cycle": one_cycle, "SGDR": {"name": "cycle_lr", "lr_range": (0, 1)}}
    plot = plot_schedule(schedules, n_batches=4, n_epochs=2, settings=SMALL)
    np.testing.assert_array_equal(plot.numbers.curves["SGDR"]["lr"], CycleLR((0, 1)).values(4, 2)["lr"])
    assert "mom" in plot.numbers.curves["cycle"]
    assert plot.numbers.curves["cycle"]["epoch"].tolist() == [i / 4 for i in range(8)]
    assert "Momentum" in texts(plot)
    *_, path = plot.save(tmp_path / "schedule", formats=["png"])
    assert redraw(path, SMALL).picture() == plot.picture()
    alone = plot_schedule(CycleLR((0.0, 1.0)), n_batches=3, settings=SMALL)
    assert len(alone.figure.axes) == 1


def test_what_is_no_schedule_is_refused():
    with pytest.raises(ConfigError, match="EarlyStopping is not a schedule"):
        plot_schedule({"name": "early_stopping", "patience": 3})


def test_embeddings_of_a_model_are_its_heads():
    embedder = CatEmbedder(["channel", "n_jets"], [3, 6])
    model = Model(ModelBuilder("regression", 1, cont_feats=["pt"], cat_embedder=embedder, seed=1), device="cpu")
    plot = plot_embedding(model, "n_jets", settings=SMALL)
    table = model.head.get_embeds()["n_jets"].numpy()
    np.testing.assert_allclose(plot.numbers.curves["table"]["dim_1"], table[:, 1])
    assert plot.numbers.curves["table"]["category"].tolist() == [str(i) for i in range(6)]
    model.record.cat_maps["n_jets"] = {str(i): f"{i} jets" for i in range(6)}
    named = plot_embedding(model, "n_jets", settings=SMALL)
    assert named.numbers.curves["table"]["category"].tolist() == [f"{i} jets" for i in range(6)]
    with pytest.raises(ConfigError, match=r"feature must be .* there are channel, n_jets"):
        plot_embedding(model)


def test_principal_components_are_those_of_scikit_learn():
    decomposition = pytest.importorskip("sklearn.decomposition")
    table = np.random.default_rng(1).normal(size=(9, 4))
    pca = decomposition.PCA(2)
    expected = pca.fit_transform(table)
    components, shares = principal_components(table)
    np.testing.assert_allclose(np.abs(components), np.abs(expected), rtol=1e-6)
    np.testing.assert_allclose(shares, pca.explained_variance_ratio_, rtol=1e-6)


def test_embeddings_of_one_dimension_are_drawn_too(tmp_path):
    plot = plot_embedding({"channel": [[0.5], [-0.5], [2.0]]}, categories=["ee", "em", "mm"], settings=SMALL)
    assert plot.numbers.about["explained"] == [1.0, 0.0]
    assert "mm" in texts(plot)
    *_, path = plot.save(tmp_path / "embedding", formats=["png"])
    assert redraw(path, SMALL).picture() == plot.picture()


def test_tables_that_are_none_are_refused():
    with pytest.raises(ShapeError, match="must name all 3"):
        plot_embedding({"channel": [[0.5], [-0.5], [2.0]]}, categories=["ee"])
    with pytest.raises(ShapeError, match=r"\(cardinality, size\)"):
        plot_embedding({"channel": [0.5]})
    with pytest.raises(ConfigError, match="a head that has embeddings"):
        plot_embedding("model.safetensors")
