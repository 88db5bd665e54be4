"""Training against test events: does a classifier know those that it was trained on too well?

Class by class, scores of both are compared by the largest distance of their weighted cumulative
distributions and its p-value, see `two_samples`. Predictions for training events by models that
did not see them, out of fold, tell whether the samples themselves differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lumin_core.arguments import explained
from lumin_core.errors import ConfigError, DataError
from lumin_plugin_plots.axes import LINES, MARKERS, finish, two_panels
from lumin_plugin_plots.events import Events
from lumin_plugin_plots.groups import classes
from lumin_plugin_plots.histograms import density_label, filled, not_shown, notes_of, scaled
from lumin_plugin_plots.mplhep_panels import area, points, ratio, steps
from lumin_plugin_plots.numbers import Numbers
from lumin_plugin_plots.plot import Plot, drawn
from lumin_plugin_plots.score import score_edges, score_label
from lumin_plugin_plots.two_samples import N_PERMUTATIONS, distance_test, p_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

    from lumin_plugin_plots.events import Data, Mask
    from lumin_plugin_plots.settings import PlotSettings


class _Sample(NamedTuple):
    scores: np.ndarray
    weights: np.ndarray
    of_class: dict[str, np.ndarray]


@explained
def plot_train_test(
    data: Data,
    test: Data | str,
    pred_name: str = "pred",
    *,
    out_of_fold: str | None = None,
    targ_name: str = "gen_target",
    wgt_name: str | None = "gen_weight",
    mask: Mask = None,
    bins: int | Sequence[float] = 25,
    class_names: Mapping[int, str] | None = None,
    seed: int = 0,
    settings: PlotSettings | None = None,
) -> Plot:
    """Compare scores of training and test events, class by class.

    Args:
        data: Training events: a data frame, a mapping of arrays, or a fold file.
        test: Test events, likewise; or the column of ``data`` that is true for them.
        pred_name: The column of the score; of several classes that of one, such as ``"pred_2"``.
        out_of_fold: The column of the training events' predictions out of fold, which is taken
            for them instead; the figure says so.
        targ_name: The column of classes.
        wgt_name: The column of event weights, of either sign; ``None`` for one each.
        mask: Which events are taken: a column of Booleans of both samples; or an array, where
            ``test`` is a column.
        bins: Their edges, or how many; over 0 to 1 where all scores lie there.
        class_names: Names of classes; 0 and 1 are background and signal.
        seed: Of the thousand permutations.
        settings: The look; by default with the units that a fold file says.

    Returns:
        The figure, whose numbers are histograms ``"signal: training"``, ``"signal: test"``, ...,
        and in ``about["distances"]`` the distance and p-value of each class.

    Raises:
        ConfigError: If a mask that is an array would be of two samples.
        DataError: If a column is missing, a score is not finite, or a class is in one sample only.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots import plot_train_test
        >>> rng = np.random.default_rng(1)
        >>> scores, targets = rng.random(400), rng.integers(2, size=400)
        >>> df = {"pred": scores, "gen_target": targets, "is_test": np.arange(400) % 2 == 0}
        >>> plot = plot_train_test(df, "is_test")
        >>> plot.numbers.about["distances"]["signal"]["p_value"] > 0.05
        True
    """
    train_events, test_events = _both(data, test, mask)
    train = _sample(train_events, out_of_fold or pred_name, targ_name, wgt_name, class_names)
    tested = _sample(test_events, pred_name, targ_name, wgt_name, class_names)
    if differing := {*train.of_class} ^ {*tested.of_class}:
        raise DataError(f"training and test events must have the same classes, got {sorted(differing)} in one only")
    edges = score_edges(np.concatenate((train.scores, tested.scores)), bins)
    histograms = {
        f"{name}: {label}": filled(edges, of.scores[of.of_class[name]], of.weights[of.of_class[name]], pred_name)
        for name in train.of_class
        for label, of in (("training", train), ("test", tested))
    }
    about: dict[str, Any] = {
        "score": pred_name,
        "classes": [*train.of_class],
        "out_of_fold": out_of_fold,
        "distances": {name: _distance(train, tested, name, seed) for name in train.of_class},
        "permutations": N_PERMUTATIONS,
        "seed": seed,
        "not_shown": not_shown(histograms),
    }
    return drawn(Numbers(figure="train_test", histograms=histograms, about=about), test_events.settings(settings))


def draw(numbers: Numbers, settings: PlotSettings) -> Figure:
    """Draw the figure from its numbers."""
    about = numbers.about
    figure, main, below = two_panels(settings)
    below.set_ylabel("test / train")
    name = "training, out of fold" if about["out_of_fold"] else "training"
    for i, each in enumerate(about["classes"]):
        train, test = (scaled(numbers.histograms[f"{each}: {part}"]) for part in ("training", "test"))
        colour, marker = settings.colour(i), MARKERS[i % len(MARKERS)]
        area(main, train, colour)
        steps(main, train, f"{each}, {name}", errors=False, color=colour, linestyle=LINES[i % len(LINES)])
        points(main, test, _with_test(each, about), color=colour, marker=marker)
        ratio(below, test, train, color=colour, marker=marker)
    edges = numbers.histograms[f"{about['classes'][0]}: test"].axes[0].edges
    main.set_xlim(edges[0], edges[-1])
    main.set_ylim(bottom=0)
    main.set_ylabel(density_label())
    below.set_xlabel(score_label(about["score"], settings))
    notes = [f"D: largest distance of cumulative distributions; p of {about['permutations']:,} permutations."]
    return finish(figure, main, settings, notes=[*notes, *notes_of(about["not_shown"])])


def _both(data: Data, test: Data | str, mask: Mask) -> tuple[Events, Events]:
    if isinstance(test, str):
        events = Events(data, mask)
        is_test = events.flags(test)
        return events.only(~is_test), events.only(is_test)
    if mask is not None and not isinstance(mask, str):
        raise ConfigError("mask must be the name of a column that both samples have, as an array is of one of them")
    return Events(data, mask), Events(test, mask)


def _sample(
    events: Events, pred_name: str, targ_name: str, wgt_name: str | None, names: Mapping[int, str] | None
) -> _Sample:
    scores = events.numbers(pred_name, finite=True)
    return _Sample(scores, events.weights(wgt_name), classes(events, targ_name, names))


def _distance(train: _Sample, test: _Sample, name: str, seed: int) -> dict[str, float]:
    parts = [(of.scores[of.of_class[name]], of.weights[of.of_class[name]]) for of in (train, test)]
    scores, weights = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return distance_test(scores, weights, np.arange(len(scores)) >= len(parts[0][0]), seed=seed)._asdict()


def _with_test(name: str, about: Mapping[str, Any]) -> str:
    of = about["distances"][name]
    if of["distance"] is None or np.isnan(of["distance"]):
        return f"{name}, test (weights have no positive sum)"
    return f"{name}, test: D = {of['distance']:.3f}, {p_text(of['p_value'])}"
