"""What each kind of the core asks for: the table of docs/plugins.md, whose home is here.

Of the kinds that plugins declare their base classes say it.
"""

from __future__ import annotations

from typing import NamedTuple


class Contract(NamedTuple):
    """What a kind asks for, in Markdown.

    Attributes:
        base: The base class, or what will do.
        offered: What the core gives to a constructor by keyword, as far as its signature names it.
        asks: What a component has, and its shapes.

    Example:
        >>> from lumin_core.cli.contracts import CONTRACTS
        >>> CONTRACTS["bodies"].offered
        '`n_in, feat_map, lookup_init, lookup_act, freeze`'
    """

    base: str
    offered: str
    asks: str


CONTRACTS = {
    "heads": Contract(
        "`lumin_core.Head`, `MatrixHead` for objects",
        "`cont_feats, cat_embedder, lookup_init, lookup_act, freeze`",
        "`forward`: flat `(B, F)`, or `(flat, matrix)`, to `(B, get_out_size())`; `feat_map`: feature"
        ' to the output\'s columns that depend on it; `missing`: `"zero"` or `"keep"`; `prepare(fy, '
        "columns)` for options that only data can tell",
    ),
    "bodies": Contract(
        "`lumin_core.Body`",
        "`n_in, feat_map, lookup_init, lookup_act, freeze`",
        "`forward`: `(B, n_in)` to `(B, get_out_size())`; `members`: how many networks it is, whose "
        "outputs stand side by side",
    ),
    "tails": Contract(
        "`lumin_core.Tail`",
        "`n_in, n_out, objective, lookup_init, freeze`; `members` if the body has some",
        "`forward`: `(B, n_in)` to `(B, n_out)`: probabilities, log-probabilities for multiclass, "
        "values; with members `of_members`: to `(B, members, n_out)`, which `forward` gives in "
        "training, and in evaluation their mean (`lumin_core.model.mean_of_members`)",
    ),
    "losses": Contract(
        "any callable; `lumin_core.BatchLoss` for what is no sum over events",
        "nothing",
        "`loss(y_pred, y)`: `(B, n_out)` and `(B, n_targ)` to `(B, *)`, unweighted and not averaged; "
        "a batch loss `(y_pred, y, w)` to a scalar",
    ),
    "augmentations": Contract(
        "`lumin_core.Augmentation`",
        "nothing",
        "`train(fold, rng)` and `test(fold, idx)` to a fold; `n_test` variants at prediction",
    ),
    "callbacks": Contract(
        "any object with `on_*` methods; `lumin_core.Callback` helps",
        "nothing",
        "the thirteen points of [training](training.md), `(self)` or `(self, fit_params)`; "
        "`state_dict`/`load_state_dict` where its state matters",
    ),
    "metrics": Contract(
        "`lumin_core.EvalMetric`",
        "nothing",
        "`evaluate(preds, targets, weights, columns)`: `(n, n_out)`, `(n, n_targ)`, `(n, 1)` or "
        "`None`, further columns, to a float; `better`, `columns`",
    ),
    "optimisers": Contract(
        "`torch.optim.Optimizer`",
        "`params` (groups of them with `decay_groups`), and `fused` where it is named",
        "torch's interface; `lr`; a step without a closure",
    ),
    "activations": Contract(
        "a class or function that makes a `torch.nn.Module`",
        "nothing",
        "the layer: `(*)` to `(*)`, the same shape",
    ),
    "initialisers": Contract(
        "a function `(act, fan_in=None, fan_out=None)`",
        "nothing",
        "gives a function that fills a weight `(n_out, n_in, *)` in place, from torch's generator",
    ),
    "norms": Contract(
        "a class of `torch.nn.Module`",
        "`num_features`",
        "the layer: `(B, num_features)` to the same shape",
    ),
    "transforms": Contract(
        "`lumin_core.Transform`",
        "nothing; built by `from_config`",
        "`fit`, `transform`, `inverse_transform`: `(n, F)` arrays; `to_config`, `from_config`: plain values",
    ),
    "executors": Contract(
        "`lumin_core.runs.Executor`, a protocol; or `concurrent.futures.Executor`",
        "nothing",
        "`workers`; `train(jobs, report)`",
    ),
    "exporters": Contract(
        "`lumin_core.training.Exporter`",
        "nothing",
        "`suffix`; `write(models, weights, path, raw=...)` to a path",
    ),
    "presets": Contract(
        "`lumin_core.runs.Preset`",
        "`n_epochs, bs`, where the user gives them, else `None`",
        "`version`; `arguments(fy, objective, n_out)` to arguments of `ModelBuilder.from_fy` and "
        "`train_models`, plain values",
    ),
    "commands": Contract(
        "a `click.Command`, which the entry point names",
        "–",
        "`lumin <name>`",
    ),
}
"""By the plural of the kind, in the order in which they are explained."""


def as_markdown() -> str:
    """Write the table as it stands in docs/plugins.md.

    Example:
        >>> from lumin_core.cli.contracts import as_markdown
        >>> as_markdown().splitlines()[0]
        '| kind | base class or protocol | offered | what it has, and its shapes |'
    """
    rows = [("kind", "base class or protocol", "offered", "what it has, and its shapes"), ("---",) * 4]
    rows += [(f"`{plural}`", *contract) for plural, contract in CONTRACTS.items()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows).replace("| --- | --- | --- | --- |", "|---|---|---|---|")
