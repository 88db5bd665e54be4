import numpy as np
import pytest

from lumin_core.errors import ConfigError, DataError
from lumin_plugin_plots import PlotSettings, plot_event, redraw

SMALL = PlotSettings(dpi=40, names={"tau": "τ"})


def events():
    return {
        "tau_pT": [20.0, 60.0], "tau_eta": [0.0, 0.5], "tau_phi": [0.0, 0.4],
        "jet0_px": [1.0, -30.0], "jet0_py": [1.0, 40.0], "jet0_pz": [0.0, 400.0],
        "jet1_px": [1.0, np.nan], "jet1_py": [1.0, np.nan], "jet1_pz": [0.0, np.nan],
        "met_pt": [5.0, 35.0], "met_phi": [0.0, -1.2], "n_px": [1, 2],
    }  # fmt: skip


def test_momenta_are_those_of_the_vector_package():
    vector = pytest.importorskip("vector")
    curve = plot_event(events(), event=1, settings=SMALL).numbers.curves["vectors"]
    assert curve["name"].tolist() == ["tau", "jet0", "met"]
    tau = vector.obj(pt=60.0, phi=0.4, eta=0.5)
    np.testing.assert_allclose([curve[axis][0] for axis in ("px", "py", "pz")], [tau.x, tau.y, tau.z], rtol=1e-12)
    assert [curve[axis][1] for axis in ("px", "py", "pz")] == [-30, 40, 400]
    assert np.isnan(curve["pz"]).tolist() == [False, False, True]


def test_both_views_are_as_long_as_the_transverse_momentum(tmp_path):
    plot = plot_event(events(), event=1, settings=SMALL)
    left, right = plot.figure.axes
    ends = [[line.get_xydata()[1] for line in panel.lines if line.get_marker() != "None"] for panel in (left, right)]
    np.testing.assert_allclose(np.linalg.norm(ends[0], axis=1), [60, 50, 35], rtol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(ends[1], axis=1), [60, 50], rtol=1e-12)
    np.testing.assert_allclose(ends[1][1][0] / ends[1][1][1], 400 / 50, rtol=1e-12)
    texts = "\n".join(text.get_text() for text in plot.figure.findobj(lambda x: hasattr(x, "get_text")))
    for expected in ("Transverse only: met", "Not in this event: jet1", "τ", "[GeV]", "Event 1"):
        assert expected in texts
    *_, path = plot.save(tmp_path / "event", formats=["png"])
    again = redraw(path, SMALL)
    assert again.numbers.to_text() == plot.numbers.to_text()
    assert again.picture() == plot.picture()


def test_what_is_not_there_is_refused():
    with pytest.raises(ConfigError, match="event must be the number of a row, 0 to 1, got 2"):
        plot_event(events(), event=2)
    with pytest.raises(DataError, match="there is no vector 'jet'; did you mean 'jet"):
        plot_event(events(), ["jet"])
    with pytest.raises(DataError, match="there are no vectors: columns such as"):
        plot_event({"pt": [1.0]})
    with pytest.raises(DataError, match="event 1 has none of the vectors jet1"):
        plot_event(events(), ["jet1"], event=1)
