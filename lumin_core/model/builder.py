"""The builder: head, body, tail, loss and optimiser, chosen by name and joined to a model.

::

    head (cont_feats, cat_embedder)  ->  body (n_in, feat_map)  ->  tail (n_in, n_out, objective)
"""

from __future__ import annotations

import inspect
import tomllib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import nn

from lumin_core import registry, seeds
from lumin_core.checks import as_list, check_keys, check_names
from lumin_core.errors import ConfigError
from lumin_core.model.blocks import OBJECTIVES, Body, Head, Tail
from lumin_core.model.embedding import CatEmbedder
from lumin_core.model.lookups import lookup_act as default_lookup_act
from lumin_core.model.loss import build_loss
from lumin_core.model.matrix_head import MatrixHead
from lumin_core.model.optimiser import build_optimiser, optimiser_spec
from lumin_core.model.options import join

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from torch import Tensor

    from lumin_core.data.fold_yielder import FoldYielder

_SPELLINGS = {
    "class": "classification",
    "classifier": "classification",
    "binary": "classification",
    "multilabel": "classification",
    "multiclassifier": "multiclass",
    "multiclassclassification": "multiclass",
    "regressor": "regression",
}
_PARTS = ("head", "body", "tail")


class BuiltModel(NamedTuple):
    """What `ModelBuilder.get_model` gives."""

    model: nn.Sequential
    opt: torch.optim.Optimizer
    loss: Callable[..., Tensor]
    input_mask: np.ndarray | None
    seed: int
    components: list[registry.Component]


def objective_of(name: str) -> str:
    """Give the objective in our spelling.

    Args:
        name: ``classification`` (binary and multi-label), ``multiclass``, ``regression``, or
            LUMIN's ``classifier``, ``multiclassifier``, ``regressor``; case, ``-``, ``_`` and
            blanks do not matter.

    Raises:
        ConfigError: If it is none of these.

    Example:
        >>> from lumin_core.model.builder import objective_of
        >>> objective_of("Classifier")
        'classification'
    """
    plain = str(name).lower().translate({ord(c): None for c in "-_ "})
    plain = _SPELLINGS.get(plain, plain)
    if plain not in OBJECTIVES:
        raise ConfigError(f"objective must be one of {', '.join(OBJECTIVES)}, got {name!r}")
    return plain


class ModelBuilder:
    """Builds models of head, body and tail, with loss and optimiser.

    Args:
        objective: See `objective_of`.
        n_out: Number of outputs: targets, or classes for multiclass.
        cont_feats: Names of the continuous features, in the order of the data; of the matrix's too,
            if it has names.
        model_args: Options of the blocks: ``{"head": {...}, "body": {...}, "tail": {...}}``.
        opt_args: ``{"opt": "adamw" | class | partial, "lr": ..., ...}``; Adam at 2e-3 by default.
        cat_embedder: Names and sizes of the categorical features.
        cont_subsample_rate: Fraction of `cont_feats` that each model is given, drawn anew
            for every seed.
        guaranteed_feats: Features that every model is given; they count towards the fraction.
        loss: ``"auto"`` (torch's BCE, NLL or MSE, by objective), a name, a class, a
            partial or an object.
        head: Block, as name, dict, class or partial; so `body` and `tail`.
        body: See `head`.
        tail: See `head`.
        lookup_init: How weights start: a name of the kind ``initialisers``, or a function of the
            same signature.
        lookup_act: Function from an activation's name to a layer; by default the registry's
            ``activations``.
        pretrain_file: Weights to start from: a saved model of ours, or one that LUMIN saved from
            the tabular blocks.
        freeze_head: Whether the head's parameters stay as they are; so `freeze_body` and
            `freeze_tail`.
        freeze_body: See `freeze_head`.
        freeze_tail: See `freeze_head`.
        seed: Seed of initialisation and subsampling; ``None`` draws a fresh one for every model.

    Raises:
        ConfigError: If an option is unknown, given twice or out of range.
        UnknownComponent: If a name is not registered.

    Example:
        >>> from lumin_core import ModelBuilder
        >>> builder = ModelBuilder("classification", n_out=1, cont_feats=["pt", "eta"], seed=1,
        ...                        model_args={"body": {"depth": 2, "width": 10}})
        >>> model, opt, loss, input_mask, *_ = builder.get_model()
        >>> [type(block).__name__ for block in model]
        ['CatEmbHead', 'FullyConnected', 'ClassRegMulti']
    """

    def __init__(
        self,
        objective: str,
        n_out: int,
        cont_feats: Sequence[str] | None = None,
        model_args: Mapping[str, Mapping[str, Any]] | None = None,
        opt_args: Mapping[str, Any] | None = None,
        cat_embedder: CatEmbedder | None = None,
        cont_subsample_rate: float | None = None,
        guaranteed_feats: Sequence[str] | None = None,
        loss: Any = "auto",
        head: Any = "cat_emb_head",
        body: Any = "fully_connected",
        tail: Any = "class_reg_multi",
        lookup_init: Any = "normal",
        lookup_act: Callable[[str], nn.Module] | None = None,
        pretrain_file: str | Path | None = None,
        freeze_head: bool = False,
        freeze_body: bool = False,
        freeze_tail: bool = False,
        seed: int | None = None,
    ) -> None:
        self._arguments = own = {key: _copied(value) for key, value in locals().items() if key != "self"}
        self.objective = objective_of(objective)
        self.n_out = _positive(n_out, "n_out")
        self.cont_feats = as_list(cont_feats)
        self.cat_embedder = cat_embedder
        self.opt_args: dict[str, Any] = own["opt_args"] or {}
        self.cont_subsample_rate = cont_subsample_rate
        self.guaranteed_feats = as_list(guaranteed_feats)
        self.loss = own["loss"]
        self.seed = seed
        self.lookup_init = registry.resolve("initialiser", lookup_init)
        self.lookup_act = default_lookup_act if lookup_act is None else lookup_act
        self.pretrain_file = None if pretrain_file is None else Path(pretrain_file)
        self.freeze = {"head": freeze_head, "body": freeze_body, "tail": freeze_tail}
        options = {str(key).lower(): value for key, value in (own["model_args"] or {}).items()}
        check_keys(options, _PARTS, "model_args")
        self.specs = {part: join(own[part], options.get(part) or {}, part, f"model_args[{part!r}]") for part in _PARTS}
        self._check()

    @classmethod
    def from_fy(cls, fy: FoldYielder, objective: str, n_out: int | None = None, **options: Any) -> ModelBuilder:
        """Make a builder for a fold file: its features, category maps and number of targets.

        Args:
            fy: The training data.
            objective: As in the constructor.
            n_out: As in the constructor; by default the number of targets, for multiclass the
                highest class plus 1.
            **options: The other arguments of the constructor. A head for a matrix is told its
                objects and their features (``vecs, feats_per_vec, row_wise``), as far as its
                options do not; so is the ``matrix_head`` of another.

        Returns:
            The builder.
        """
        if n_out is None:
            n_out = _count_outputs(fy, objective_of(objective))
        if fy.cat_feats and "cat_embedder" not in options and fy.get_use_cat_feats():
            options["cat_embedder"] = CatEmbedder.from_fy(fy)
        options.setdefault("cont_feats", model_features(fy))
        builder = cls(objective, n_out, **options)
        entry = (fy.matrix_feats or {}) if fy.yield_matrix else {}
        if entry.get("row_wise") is None:  # no matrix of objects
            return builder
        head = _with_objects(builder.specs["head"], entry)
        parts = {key: value for key, value in (builder.arguments["model_args"] or {}).items() if key.lower() != "head"}
        return cls.from_model_builder(builder, head=head, model_args=parts)

    @classmethod
    def from_model_builder(cls, model_builder: ModelBuilder, **changes: Any) -> ModelBuilder:
        """Copy a builder, with some arguments changed.

        Args:
            model_builder: The builder to copy, all of its arguments.
            **changes: Arguments of the constructor.

        Returns:
            The copy.

        Example:
            >>> from lumin_core import ModelBuilder
            >>> builder = ModelBuilder("regression", 1, ["pt"], opt_args={"lr": 0.1})
            >>> ModelBuilder.from_model_builder(builder, loss="l1_loss").opt_args
            {'lr': 0.1}
        """
        check_keys(changes, _parameters(), "ModelBuilder")
        return cls(**{**model_builder.arguments, **changes})

    @classmethod
    def from_config(cls, config: Mapping[str, Any] | str | Path) -> ModelBuilder:
        """Make a builder from plain values.

        Args:
            config: The arguments of the constructor as a dict, or a TOML file of them;
                ``cat_embedder`` as a table.

        Returns:
            The builder.

        Raises:
            ConfigError: If a key is unknown, or the file is no TOML.

        Example:
            >>> from lumin_core import ModelBuilder
            >>> builder = ModelBuilder("regression", 1, ["pt"])
            >>> ModelBuilder.from_config(builder.to_config()).to_config() == builder.to_config()
            True
        """
        if isinstance(config, str | Path):
            config = _read_toml(Path(config))
        check_keys(config, _parameters(), "the config of a model")
        if missing := [key for key in ("objective", "n_out") if key not in config]:
            raise ConfigError(f"the config of a model needs {' and '.join(missing)}")
        embedder = config.get("cat_embedder")
        if isinstance(embedder, dict):
            check_keys(embedder, inspect.signature(CatEmbedder).parameters, "cat_embedder")
            config = {**config, "cat_embedder": CatEmbedder.from_config(embedder)}
        return cls(**config)

    def to_config(self) -> dict[str, Any]:
        """Return the arguments as plain values, which JSON and TOML hold.

        Names are qualified, defaults of ``None`` left out.

        Raises:
            UnnamedComponent: If a component has no registered name.
        """
        config: dict[str, Any] = {
            "objective": self.objective,
            "n_out": self.n_out,
            "cont_feats": self.cont_feats,
            **{part: registry.to_config(part, self.specs[part]) for part in _PARTS},
            "opt_args": _opt_config(self.opt_args),
            "loss": "auto" if self._arguments["loss"] == "auto" else registry.to_config("loss", self.loss),
            "lookup_init": registry.to_config("initialiser", self._arguments["lookup_init"]),
        }
        if self._arguments["lookup_act"] is not None:
            raise registry.UnnamedComponent(
                "lookup_act is a function without a name; register activations of your own instead, and leave it out"
            )
        if self.cat_embedder is not None:
            config["cat_embedder"] = self.cat_embedder.to_config()
        if self.cont_subsample_rate is not None:
            config |= {
                "cont_subsample_rate": float(self.cont_subsample_rate),
                "guaranteed_feats": self.guaranteed_feats,
            }
        if self.seed is not None:
            config["seed"] = int(self.seed)
        config |= {f"freeze_{part}": True for part in _PARTS if self.freeze[part]}
        return config if self.pretrain_file is None else {**config, "pretrain_file": str(self.pretrain_file)}

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of the constructor, copied.

        The learning rate may have been changed by `set_lr`.
        """
        return {**_copied(self._arguments), "opt_args": _copied(self.opt_args)}

    def set_lr(self, lr: float) -> None:
        """Set the learning rate of the models to be built.

        Args:
            lr: Learning rate, positive.
        """
        if not lr > 0:
            raise ConfigError(f"lr must be positive, got {lr!r}")
        spec = self.opt_args.get("opt")
        if isinstance(spec, dict):
            spec = {key: value for key, value in spec.items() if key != "lr"}
        elif isinstance(spec, partial):
            spec = partial(spec.func, *spec.args, **{key: value for key, value in spec.keywords.items() if key != "lr"})
        self.opt_args |= {"lr": lr} if spec is None else {"opt": spec, "lr": lr}

    def get_head(self, cont_feats: Sequence[str] | None = None) -> Head:
        """Build a head.

        Args:
            cont_feats: The continuous features that it is given; by default all of the builder's.
        """
        given = {"cont_feats": list(self.cont_feats if cont_feats is None else cont_feats)}
        return self._build("head", cat_embedder=self.cat_embedder, **given)  # type: ignore[no-any-return]

    def get_body(self, n_in: int, feat_map: Mapping[str, Sequence[int]]) -> Body:
        """Build a body.

        Args:
            n_in: Width of the head.
            feat_map: Feature to columns of the head's output.
        """
        return self._build("body", n_in=n_in, feat_map=feat_map)  # type: ignore[no-any-return]

    def get_tail(self, n_in: int) -> Tail:
        """Build a tail.

        Args:
            n_in: Width of the body.
        """
        return self._build("tail", n_in=n_in, n_out=self.n_out, objective=self.objective)  # type: ignore[no-any-return]

    def build_model(self, cont_feats: Sequence[str] | None = None) -> nn.Sequential:
        """Build head, body and tail from torch's global generator, and load `pretrain_file`.

        Args:
            cont_feats: The continuous features that the head is given; by default all of
                the builder's.

        Returns:
            ``nn.Sequential(head, body, tail)``.
        """
        head = self.get_head(cont_feats)
        body = self.get_body(head.get_out_size(), head.feat_map)
        model = nn.Sequential(head, body, self.get_tail(body.get_out_size()))
        if self.pretrain_file is not None:
            from lumin_core.model.pretrained import load_pretrained

            load_pretrained(model, self.pretrain_file)
        return model

    def get_model(self, device: str | torch.device = "cpu", input_mask: Sequence[int] | None = None) -> BuiltModel:
        """Build a model with its loss and optimiser.

        Torch's global generator is seeded for the building, and restored.

        Args:
            device: Where the model is to be.
            input_mask: Columns of the inputs that the model is given, as in a saved model; by
                default drawn where `cont_subsample_rate` is set.

        Returns:
            ``(model, opt, loss, input_mask, seed, components)``: the mask is ``None`` where all
            columns are used.
        """
        seed = seeds.check(self.seed)
        mask = self._draw_mask(seed) if input_mask is None else np.asarray(input_mask, dtype=np.int64)
        feats = self.cont_feats if mask is None else [self.cont_feats[i] for i in mask if i < len(self.cont_feats)]
        with registry.recording() as used, seeds.torch_forked():
            torch.manual_seed(seeds.seed_of(seed, "initialisation"))
            model = self.build_model(feats).to(device)
            loss = build_loss(self.loss, self.objective)
            opt = build_optimiser(self.opt_args, model.parameters())
        if isinstance(loss, nn.Module):
            loss.to(device)
        return BuiltModel(model, opt, loss, mask, seed, list(used))

    def _build(self, part: str, **given: Any) -> Any:
        block = registry.build(
            part,
            self.specs[part],
            **given,
            lookup_init=self.lookup_init,
            lookup_act=self.lookup_act,
            freeze=self.freeze[part],
        )
        if self.freeze[part]:
            block.freeze_layers()
        return block

    def _draw_mask(self, seed: int) -> np.ndarray | None:
        """Draw the features of one model: the guaranteed ones, and others up to the fraction."""
        if self.cont_subsample_rate is None:
            return None
        n_feats = len(self.cont_feats)
        sure = [self.cont_feats.index(feat) for feat in self.guaranteed_feats]
        rest = [i for i in range(n_feats) if i not in sure]
        n_more = max(round(self.cont_subsample_rate * n_feats) - len(sure), 0 if sure else 1)
        drawn: Any = (
            seeds.stream(seed, "subsampling").choice(rest, min(n_more, len(rest)), replace=False) if rest else []
        )
        n_cat = 0 if self.cat_embedder is None else self.cat_embedder.n_cat_in
        return np.array([*sorted([*sure, *map(int, drawn)]), *range(n_feats, n_feats + n_cat)], dtype=np.int64)

    def _check(self) -> None:
        """Refuse what can be known to be wrong before anything is built."""
        for part in _PARTS:
            registry.resolve(part, self.specs[part])
        registry.resolve("optimiser", optimiser_spec(self.opt_args))
        seeds.check(self.seed)
        if not self.cont_feats and not (self.cat_embedder and self.cat_embedder.n_cat_in):
            raise ConfigError(
                "a model needs inputs: give cont_feats, cat_embedder or both; for a matrix of objects cont_feats are "
                "its elements {vec}_{feat}, which ModelBuilder.from_fy reads from the file"
            )
        check_names("cont_feats", self.cont_feats)
        if self.cont_subsample_rate is None and self.guaranteed_feats:
            raise ConfigError("guaranteed_feats means something only with cont_subsample_rate: give both, or neither")
        if self.cont_subsample_rate is not None and not 0 < self.cont_subsample_rate <= 1:
            raise ConfigError(f"cont_subsample_rate must be in (0, 1], got {self.cont_subsample_rate!r}")
        check_keys(self.guaranteed_feats, self.cont_feats, "cont_feats")


def model_features(fy: FoldYielder) -> list[str]:
    """Return the names of a fold file's continuous features.

    Flat ones come first, then those of a matrix with names.

    Args:
        fy: The data.
    """
    matrix = (fy.matrix_feats or {}).get("present_feats") or () if fy.yield_matrix else ()
    return [*fy.get_use_cont_feats(), *matrix]


def _with_objects(spec: Any, entry: Mapping[str, Any]) -> Any:
    """Add to the spec of a head what one for a matrix has to know of the fold file.

    What its options say is left as it is.
    """
    head = registry.resolve("head", spec)
    told: dict[str, Any] = {}
    if isinstance(head.func, type) and issubclass(head.func, MatrixHead):
        wanted = inspect.signature(head.func).parameters.keys() - head.keywords.keys()
        told = {name: entry[name] for name in ("vecs", "feats_per_vec", "row_wise") if name in wanted}
    elif "matrix_head" in head.keywords:
        told = {"matrix_head": _with_objects(head.keywords["matrix_head"], entry)}
    if not told:
        return spec
    spec = {"name": spec} if isinstance(spec, str) else spec
    return {**spec, **told} if isinstance(spec, dict) else partial(spec, **told)


def _count_outputs(fy: FoldYielder, objective: str) -> int:
    folds: Any = (fy.get_column("targets", fold_idx=i, add_newaxis=True) for i in range(len(fy)))
    return int(next(folds).shape[1]) if objective != "multiclass" else 1 + int(max(fold.max() for fold in folds))


def _opt_config(opt_args: Mapping[str, Any]) -> dict[str, Any]:
    config = registry.to_config("optimiser", optimiser_spec(opt_args))
    return {"opt": config} if isinstance(config, str) else {"opt": config.pop("name"), **config}


def _parameters() -> Iterator[str]:
    return iter(list(inspect.signature(ModelBuilder).parameters))


def _positive(value: Any, name: str) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__") or int(value) < 1:
        raise ConfigError(f"{name} must be a positive integer, got {value!r}")
    return int(value)


def _copied(value: Any) -> Any:
    """Copy the containers of an argument, so that neither side sees the other's changes."""
    if isinstance(value, dict):
        return {key: _copied(entry) for key, entry in value.items()}
    return [_copied(entry) for entry in value] if isinstance(value, list | tuple) else value


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the config {path}: {error}; give a dict or a TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no TOML file: {error}") from error
