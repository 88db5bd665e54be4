r"""Embeddings of a categorical feature: its learned table, and where its categories lie.

The table has a row for each category. Its two leading principal components, of the rows less their
mean, :math:`E - \bar E = U S V^T`, are the columns of :math:`U S`; they explain the share
:math:`s_k^2 / \sum s^2` of the variance. Categories that the model treats alike lie together.

References:
    Guo and Berkhahn, "Entity embeddings of categorical variables", https://arxiv.org/abs/1604.06737
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lumin_core.arguments import came, explained
from lumin_core.checks import did_you_mean, listed
from lumin_core.data import as_numbers
from lumin_core.errors import ConfigError, ShapeError
from lumin_plugin_plots import axes as shared
from lumin_plugin_plots.numbers import Numbers
from lumin_plugin_plots.plot import drawn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

    from lumin_core import Model
    from lumin_plugin_plots.plot import Plot
    from lumin_plugin_plots.settings import PlotSettings

_MOST_NAMES = 30  # categories that are named in the figure


@explained
def plot_embedding(
    embeddings: Model | Mapping[str, ArrayLike],
    feature: str | None = None,
    *,
    categories: Sequence[str] | None = None,
    settings: PlotSettings | None = None,
) -> Plot:
    """Plot what a model has learned of the categories of a feature.

    Args:
        embeddings: A model whose head has embeddings, or tables by feature, each of shape
            ``(cardinality, size)``, as ``head.get_embeds()`` returns them.
        feature: Which; it may be left out where there is only one.
        categories: What the categories are called, by their codes; by default as the model's
            training data had them, else by the codes.
        settings: How it looks.

    Returns:
        The figure. Its numbers have the curve ``table`` with a row per category: ``category``,
        ``dim_0``, ``dim_1``, ..., and the principal components ``pc_0`` and ``pc_1``;
        ``about["explained"]`` has the shares of variance that these explain.

    Raises:
        ConfigError: If there is no such feature, or the model has no embeddings.
        ShapeError: If a table is none, or the number of categories is another.

    Example:
        >>> from lumin_plugin_plots import plot_embedding
        >>> tables = {"channel": [[0.0, 1.0], [0.0, 3.0], [0.0, 5.0]]}
        >>> plot = plot_embedding(tables, categories=["ee", "em", "mm"])
        >>> abs(plot.numbers.curves["table"]["pc_0"]).tolist(), plot.numbers.about["explained"]
        ([2.0, 0.0, 2.0], [1.0, 0.0])
    """
    tables = _tables(embeddings)
    name = _chosen(feature, list(tables))
    table = as_numbers(tables[name], f"the embedding of {name!r}").astype(np.float64)
    if table.ndim != 2 or not table.size:
        raise ShapeError(f"an embedding must have the shape (cardinality, size), got {table.shape} of {name!r}")
    names = _names(categories, embeddings, name, len(table))
    components, explains = principal_components(table)
    curve = {"category": np.array(names, dtype=object)}
    curve |= {f"dim_{i}": column for i, column in enumerate(table.T)}
    curve |= {f"pc_{i}": column for i, column in enumerate(components.T)}
    about = {"feature": name, "size": table.shape[1], "explained": explains}
    return drawn(Numbers(figure="embedding", curves={"table": curve}, about=about), settings)


def principal_components(table: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """Return the two leading principal components of the rows of a table.

    Args:
        table: Shape ``(n, size)``.

    Returns:
        The components, shape ``(n, 2)``, the largest entry of each positive, and the shares of
        variance that they explain; zero for what there is not.
    """
    left, spread, _ = np.linalg.svd(table - table.mean(axis=0), full_matrices=False)
    components = np.zeros((len(table), 2))
    components[:, : min(2, len(spread))] = (left * spread)[:, :2]
    largest = components[np.abs(components).argmax(axis=0), [0, 1]]
    total = float(spread @ spread)
    shares = [float(value**2 / total) if total else 0.0 for value in [*spread, 0.0][:2]]
    return components * np.where(largest < 0, -1.0, 1.0), shares


def draw(numbers: Numbers, settings: PlotSettings) -> Figure:
    """Draw the figure; see `plot_embedding`."""
    about, curve = numbers.about, numbers.curves["table"]
    names = [str(name) for name in curve["category"]]
    table = np.stack([curve[f"dim_{i}"] for i in range(about["size"])], axis=1)
    figure, (left, right) = shared.side_by_side(settings)
    limit = float(np.abs(table).max()) or 1.0
    image = left.imshow(table, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest")
    left.set_yticks(range(len(names)), names if len(names) <= _MOST_NAMES else [""] * len(names))
    left.set_xticks(range(about["size"]) if about["size"] <= 12 else range(0, about["size"], 5))
    left.tick_params(which="both", length=0)
    left.set(xlabel="Dimension of the embedding", ylabel=settings.name(about["feature"]))
    figure.colorbar(image, ax=left, label="Value", pad=0.02)
    _scatter(right, curve, names, settings)
    names = [f"Principal component {i + 1} ({100 * share:.0f} %)" for i, share in enumerate(about["explained"])]
    right.set(xlabel=names[0], ylabel=names[1])
    if about["size"] == 1:
        right.set(ylabel="", yticks=[])
    return shared.finish(figure, left, settings, legend=False)


def _scatter(panel: Axes, curve: Mapping[str, np.ndarray], names: list[str], settings: PlotSettings) -> None:
    """Draw the categories, each with its name on the side that has more room."""
    x, y = curve["pc_0"], curve["pc_1"]
    panel.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    panel.axvline(0, color="0.8", linewidth=0.8, zorder=0)
    panel.plot(x, y, **shared.points(settings, 0))
    panel.margins(0.15)
    for i, name in enumerate(names if len(names) <= _MOST_NAMES else []):
        side = 1 if x[i] <= x.mean() else -1
        panel.annotate(
            name,
            (x[i], y[i]),
            (5 * side, 3),
            textcoords="offset points",
            fontsize=9,
            ha="left" if side > 0 else "right",
        )


def _tables(embeddings: Model | Mapping[str, ArrayLike]) -> dict[str, Any]:
    if isinstance(embeddings, Mapping):
        return dict(embeddings)
    head = getattr(embeddings, "head", None)
    get_embeds: Any = getattr(getattr(head, "flat_head", head), "get_embeds", None)  # of a multi_head, its flat part
    if get_embeds is None:
        raise ConfigError(
            f"a model with a head that has embeddings is needed, such as cat_emb_head, or tables by feature, "
            f"got {came(embeddings)}"
        )
    tables: dict[str, Any] = get_embeds()
    return tables


def _chosen(feature: str | None, known: list[str]) -> str:
    if feature is None and len(known) == 1:
        return known[0]
    if feature not in known:
        hint = f"; there are {listed(known)}" if feature is None else did_you_mean(feature, known)
        raise ConfigError(f"feature must be one that has an embedding, got {feature!r}{hint}")
    return str(feature)


def _names(
    categories: Sequence[str] | None, embeddings: Model | Mapping[str, ArrayLike], feature: str, n: int
) -> list[str]:
    if categories is not None:
        if len(categories) != n:
            raise ShapeError(
                f"categories must name all {n} of {feature!r}, in the order of their codes, got {len(categories)}"
            )
        return [str(name) for name in categories]
    codes = {} if isinstance(embeddings, Mapping) else embeddings.record.cat_maps.get(feature, {})
    by_code = {str(code): str(value) for code, value in codes.items()}
    return [by_code.get(str(i), str(i)) for i in range(n)]
