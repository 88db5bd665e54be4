"""The section of a report on the inputs: their distributions by class, and their correlations."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from lumin_core.runs import ReportSection, Text
from lumin_plugin_plots import plot_correlation, plot_feat
from lumin_plugin_plots.pictures import picture, settings_of

if TYPE_CHECKING:
    from lumin_core.runs import Part, Run

_MOST_FEATURES = 2  # that have a figure each: a page is looked at, not searched
_MOST_CORRELATED = 30


class Inputs(ReportSection):
    """Shows the correlation of the inputs, and how the first of them are distributed by class.

    Example:
        >>> from lumin_plugin_plots.section_inputs import Inputs
        >>> Inputs.order
        60
    """

    title = "Inputs"
    order = 60

    def build(self, run: Run) -> list[Part]:
        """Return the figures; nothing before a model is finished."""
        if len(run.finished) == len(run.results.failures()):
            return []
        new, model = run.unseen, run.ensemble.models[0]
        feats = [feat for feat in model.model_builder.cont_feats if feat in new.df]
        parts: list[Part] = []
        if len(feats) > 1:
            shown = feats[:_MOST_CORRELATED]
            draw = partial(plot_correlation, new.df, shown)
            parts.append(picture("Correlation", draw, f"Of {len(shown)} of {len(feats)} inputs."))
        if model.objective != "regression" and "gen_target" in new.df:
            draw_feat = partial(plot_feat, new.df, settings=settings_of(run))
            parts += [picture(feat, partial(draw_feat, feat)) for feat in feats[:_MOST_FEATURES]]
            if len(feats) > _MOST_FEATURES:
                parts.append(Text(text=f"These are {_MOST_FEATURES} of {len(feats)} inputs; plot_feat draws any."))
        return parts
