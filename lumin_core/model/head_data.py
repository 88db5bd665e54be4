"""Heads that need data: what is asked once, and kept among their options.

Bins of a feature, its centre and its scale come from the events of a training. A head asks for them
in `Head.prepare`, and is given the answer as options of its constructor: plain values, which stand
in the builder's config, in saved models and in the record of a run.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from lumin_core import registry, seeds
from lumin_core.errors import ConfigError
from lumin_core.model.blocks import Head
from lumin_core.model.options import options_of, with_options
from lumin_core.model.tensor_file import SUFFIX, existing, read_tensors
from lumin_core.registry.making import blamed
from lumin_core.registry.signature import signature_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from functools import partial
    from pathlib import Path

    from lumin_core.data.fold_yielder import FoldYielder
    from lumin_core.model.options import Spec


def needs_data(spec: object) -> bool:
    """Tell whether a head has something to ask of data.

    Args:
        spec: The spec of the head.

    Example:
        >>> from lumin_core.model.head_data import needs_data
        >>> needs_data("cat_emb_head")
        False
    """
    return inspect.getattr_static(registry.resolve("head", spec).func, "prepare", _NOTHING) is not _NOTHING


def prepared_head(
    spec: Spec,
    fy: FoldYielder,
    columns: Sequence[str],
    folds: Sequence[int] | None = None,
    *,
    pretrain_file: Path | None = None,
) -> Spec:
    """Ask a head what it needs to know of data, and add the answer to its options.

    Options that stand in the spec stay as they are, unless `Head.prepare` named them, and so was
    told. Where weights come from a saved model with a head of the same name, its answers are taken,
    which the weights belong to.

    Args:
        spec: The spec of the head.
        fy: The data.
        columns: Names of the continuous features.
        folds: Numbers of the folds that may be looked at; ``None`` for all.
        pretrain_file: Where weights come from.

    Returns:
        The spec; the same where there is nothing to tell.

    Raises:
        ConfigError: If the answer is not options of the head.
        Exception: Whatever the head raises, with a note that says who did.

    Example:
        >>> import numpy as np, tempfile
        >>> from lumin_core import FoldFileWriter, FoldYielder
        >>> from lumin_core.model import prepared_head
        >>> path = tempfile.mkdtemp() + "/train.hdf5"
        >>> with FoldFileWriter(path, cont_feats=["pt"], targ_feats="y") as file:
        ...     file.append(0, inputs=np.array([[20.0], [40.0]]), targets=np.array([0, 1]))
        >>> prepared_head("cat_emb_head", FoldYielder(path), ["pt"])
        'cat_emb_head'
    """
    if not needs_data(spec):
        return spec
    head = registry.resolve("head", spec)
    what, prepare = f"the head {head.func.__name__!r}", _asked_of(head, columns)
    wanted = signature_of(prepare).names
    given = {name: value for name, value in {**head.keywords, "folds": folds}.items() if name in wanted}
    with blamed(what):
        answer = prepare(fy, list(columns), **given)
    if not isinstance(answer, Mapping):
        raise ConfigError(f"prepare of {what} must return a dict of options, {{}} for none, got {answer!r}")
    if unknown := [name for name in answer if name not in signature_of(head.func).names]:
        raise ConfigError(f"prepare of {what} returned {unknown[0]!r}, which its constructor does not take")
    theirs = {} if pretrain_file is None else _pretrained(pretrain_file, registry.name_of("head", spec))
    told = {name: theirs.get(name, value) for name, value in answer.items()}
    kept = head.keywords.keys() - wanted
    return cast("Spec", with_options(spec, {name: value for name, value in told.items() if name not in kept}))


def _asked_of(head: partial[Any], columns: Sequence[str]) -> Callable[..., object]:
    """Return the head's `prepare`: of the class, or of a head that is built for that."""
    if isinstance(inspect.getattr_static(head.func, "prepare"), classmethod | staticmethod):
        return cast("Callable[..., object]", cast("Head", head.func).prepare)
    with seeds.torch_forked():
        return registry.build("head", head, cont_feats=list(columns)).prepare


def _pretrained(path: Path, name: str | None) -> Mapping[str, object]:
    """Return the options of a saved model's head of this name."""
    path = existing(path)
    if path.suffix != SUFFIX:
        return {}
    head = (read_tensors(path, "model")[1].get("config") or {}).get("head")
    return options_of(head) if name is not None and registry.name_of("head", head) == name else {}


_NOTHING = inspect.getattr_static(Head, "prepare")
