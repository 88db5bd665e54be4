"""The builder: head, body, tail, loss and optimiser, chosen by name and joined to a model.

::

    head (cont_feats, cat_embedder)  ->  body (n_in, feat_map)  ->  tail (n_in, n_out, objective)
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import nn

from lumin_core import registry, seeds
from lumin_core.arguments import expect, explained
from lumin_core.checks import as_list, check_flags, check_keys, check_tables, positive
from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.errors import ConfigError
from lumin_core.model import features, lookups
from lumin_core.model.builder_rows import BuilderRows
from lumin_core.model.built import BuiltModel, BuiltParts
from lumin_core.model.config import PARTS, SPECIFICATIONS, has_bare_names, plain_config, read_config
from lumin_core.model.embedding import CatEmbedder
from lumin_core.model.head_data import needs_data, prepared_head
from lumin_core.model.loss import build_loss
from lumin_core.model.members import check_members, check_takes_members, members_of
from lumin_core.model.objective import objective_of
from lumin_core.model.optimiser import (
    build_optimiser,
    checked_optimiser,
    decay_groups,
    optimiser_spec,
    with_rate,
)
from lumin_core.model.options import copied, join
from lumin_core.model.pretrained import load_pretrained
from lumin_core.model.target_scale import with_target_scale

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from lumin_core.model.blocks import Body, Head, Tail
    from lumin_core.model.lookups import LookupInit
    from lumin_core.model.options import Spec


class ModelBuilder(BuilderRows):
    """Builds models of head, body and tail, with loss and optimiser.

    Args:
        objective: ``classification`` (binary and multi-label), ``multiclass`` or ``regression``;
            LUMIN's spellings, too.
        n_out: Number of outputs: targets, or classes for multiclass.
        cont_feats: Names of the continuous features, in the order of the data; of the matrix's too,
            if it has names.
        model_args: Options of the blocks: ``{"head": {...}, "body": {...}, "tail": {...}}``.
        opt_args: ``{"opt": "adamw" | class | partial, "lr": ..., ...}``; Adam at 2e-3 by default.
            ``"decay_groups": "weights"`` keeps biases, norms and embeddings out of weight decay.
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
            ``activations``, which also give what is more than a name.
        pretrain_file: Weights to start from: a saved model of ours, or one that LUMIN saved from
            the tabular blocks.
        freeze_head: Whether the head's parameters stay as they are; so `freeze_body` and
            `freeze_tail`.
        freeze_body: See `freeze_head`.
        freeze_tail: See `freeze_head`.
        seed: Seed of initialisation and subsampling; ``None`` draws a fresh one for every model.

    Attributes:
        is_prepared: Whether the head was asked what it needs to know of data, see `prepared`.

    Raises:
        ConfigError: If an option is unknown, given twice or out of range.
        UnknownComponent: If a name is not registered.

    Example:
        >>> from lumin_core import ModelBuilder
        >>> builder = ModelBuilder("classification", n_out=1, cont_feats=["pt", "eta"], seed=1)
        >>> [type(block).__name__ for block in builder.get_model().model]
        ['CatEmbHead', 'FullyConnected', 'ClassRegMulti']
    """

    @explained
    def __init__(
        self,
        objective: str,
        n_out: int,
        cont_feats: Sequence[str] | None = None,
        model_args: Mapping[str, Mapping[str, object]] | None = None,
        opt_args: Mapping[str, object] | None = None,
        cat_embedder: CatEmbedder | None = None,
        cont_subsample_rate: float | None = None,
        guaranteed_feats: Sequence[str] | None = None,
        loss: Spec | Callable[..., Tensor] = "auto",
        head: Spec = "tabular/cat_emb_head",
        body: Spec = "tabular/fully_connected",
        tail: Spec = "tabular/class_reg_multi",
        lookup_init: Spec | LookupInit = "core/normal",
        lookup_act: Callable[[str], nn.Module] | None = None,
        pretrain_file: str | Path | None = None,
        freeze_head: bool = False,
        freeze_body: bool = False,
        freeze_tail: bool = False,
        seed: int | None = None,
    ) -> None:
        own = {key: copied(value) for key, value in locals().items() if key != "self"}
        check_flags(freeze_head=freeze_head, freeze_body=freeze_body, freeze_tail=freeze_tail)
        check_tables(model_args=model_args, opt_args=opt_args)
        if cat_embedder is not None:
            expect(cat_embedder, CatEmbedder, "cat_embedder")
        own |= {key: registry.noting(own[key]) for key in SPECIFICATIONS}
        self._arguments = own
        self._is_asked = False
        self.is_prepared = False
        self.objective = objective_of(objective)
        self.n_out = positive(n_out, "n_out")
        self.cont_feats = as_list(cont_feats)
        self.cat_embedder = cat_embedder
        self.opt_args: dict[str, object] = own["opt_args"] or {}
        self.cont_subsample_rate = cont_subsample_rate
        self.guaranteed_feats = as_list(guaranteed_feats)
        own |= {"cont_feats": self.cont_feats, "guaranteed_feats": self.guaranteed_feats}  # a generator is read once
        self.loss = own["loss"]
        self.seed = seed
        self.lookup_init = lookups.initialiser(lookup_init)
        self.lookup_act = lookups.act_by_bare_name(lookups.lookup_act if lookup_act is None else lookup_act)
        self.pretrain_file = None if pretrain_file is None else Path(pretrain_file).expanduser().resolve()
        self.freeze = {"head": freeze_head, "body": freeze_body, "tail": freeze_tail}
        options = {str(key).lower(): value for key, value in (own["model_args"] or {}).items()}
        check_keys(options, PARTS, "model_args")
        self.specs = {part: join(own[part], options.get(part) or {}, part, f"model_args[{part!r}]") for part in PARTS}
        self._check()

    @classmethod
    @explained
    def from_fy(cls, fy: FoldYielder, objective: str, n_out: int | None = None, **options: Any) -> ModelBuilder:
        """Make a builder for a fold file: its features, category maps and number of targets.

        Args:
            fy: The training data.
            objective: As in the constructor.
            n_out: As in the constructor; by default the number of targets, for multiclass the
                highest class plus 1.
            **options: The other arguments of the constructor. A head for a matrix is told its
                objects and their features (``vecs, feats_per_vec, row_wise``), as far as its
                options do not; so is the ``matrix_head`` of another. The tail of a regression is
                told mean and spread of the targets (``y_mean, y_std``), unless its options say
                ``y_range``, ``y_mean``, ``y_std`` or ``bias_init``: outputs and losses keep the
                unit of the targets. A head that needs to know more of the data is told it, see
                `prepared`.

        Returns:
            The builder.
        """
        expect(fy, FoldYielder, "fy")
        if n_out is None:
            n_out = features.count_outputs(fy, objective_of(objective))
        if fy.cat_feats and "cat_embedder" not in options and fy.get_use_cat_feats():
            options["cat_embedder"] = CatEmbedder.from_fy(fy)
        options.setdefault("cont_feats", features.model_features(fy))
        builder = cls(objective, n_out, **options)
        tail = with_target_scale(
            builder.specs["tail"], fy, builder.objective, n_out, builder.loss, builder.pretrain_file
        )
        told = {"head": features.with_objects(builder.specs["head"], fy), "tail": tail}
        told = {part: spec for part, spec in told.items() if spec is not builder.specs[part]}
        return (builder.with_blocks(**told) if told else builder).prepared(fy)

    @classmethod
    def from_model_builder(cls, model_builder: ModelBuilder, **changes: Any) -> ModelBuilder:
        """Copy a builder, with some arguments changed.

        Args:
            model_builder: The builder to copy, all of its arguments.
            **changes: Arguments of the constructor.

        Example:
            >>> from lumin_core import ModelBuilder
            >>> builder = ModelBuilder("regression", 1, ["pt"], opt_args={"lr": 0.1})
            >>> ModelBuilder.from_model_builder(builder, loss="l1_loss").opt_args
            {'lr': 0.1}
        """
        expect(model_builder, ModelBuilder, "model_builder")
        check_keys(changes, inspect.signature(ModelBuilder).parameters, "ModelBuilder")
        builder = cls(**{**model_builder.arguments, **changes})
        builder.is_prepared = model_builder.is_prepared and changes.keys().isdisjoint(("head", "model_args"))
        return builder

    def with_blocks(self, **specs: object) -> ModelBuilder:
        """Copy the builder with other blocks; a spec holds all options of its block.

        Args:
            **specs: Specs by ``head``, ``body`` and ``tail``.

        Example:
            >>> from lumin_core import ModelBuilder
            >>> builder = ModelBuilder("regression", 1, ["pt"], model_args={"body": {"depth": 1}})
            >>> builder.with_blocks(body="ident_body").specs["body"]
            'ident_body'
        """
        left = {key: value for key, value in (self.arguments["model_args"] or {}).items() if key.lower() not in specs}
        builder = type(self).from_model_builder(self, **specs, model_args=left)
        builder.is_prepared = self.is_prepared and "head" not in specs
        return builder

    @explained
    def prepared(self, fy: FoldYielder, folds: Sequence[int] | None = None) -> ModelBuilder:
        """Ask the head what only data can tell it, once: bins of features, for example.

        `from_fy`, `train_models` and the first fit of a model do so.

        Args:
            fy: The training data.
            folds: Numbers of the folds that may be looked at; by default all.

        Returns:
            A builder whose head has the answer among its options; this one where the head needs
            nothing, or was asked before.

        Raises:
            ConfigError: If there is no fold to look at, or the answer is not options of the head.

        Example:
            >>> import numpy as np, tempfile
            >>> from lumin_core import FoldFileWriter, FoldYielder, Head, ModelBuilder
            >>> class Centred(Head):
            ...     def __init__(self, cont_feats, centre=None):
            ...         super().__init__(cont_feats)
            ...         self.feat_map = {feat: [i] for i, feat in enumerate(cont_feats)}
            ...         self.centre = torch.tensor([centre[feat] for feat in cont_feats])
            ...     @classmethod
            ...     def prepare(cls, fy, columns):
            ...         means = fy.get_fold(0)["inputs"].mean(0).tolist()
            ...         return {"centre": dict(zip(columns, means, strict=True))}
            ...     def forward(self, x):
            ...         return x - self.centre
            ...     def get_out_size(self):
            ...         return len(self.cont_feats)
            >>> path = tempfile.mkdtemp() + "/train.hdf5"
            >>> with FoldFileWriter(path, cont_feats=["pt"], targ_feats="y") as file:
            ...     file.append(0, inputs=np.array([[20.0], [40.0]]), targets=np.array([0, 1]))
            >>> builder = ModelBuilder("classification", 1, ["pt"], head=Centred)
            >>> builder.prepared(FoldYielder(path)).specs["head"].keywords
            {'centre': {'pt': 30.0}}
        """
        if self.is_prepared or not needs_data(self.specs["head"]):
            return self
        expect(fy, FoldYielder, "fy")
        if folds is not None and not (folds := sorted(folds)):
            raise ConfigError("the head asks data what it needs to know: folds must name one at least, got none")
        head = prepared_head(
            cast("Spec", self.specs["head"]), fy, self.cont_feats, folds, pretrain_file=self.pretrain_file
        )
        builder = self.with_blocks(head=head)
        builder.is_prepared = True
        return builder

    @classmethod
    def from_config(cls, config: Mapping[str, object] | str | Path) -> ModelBuilder:
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
        return cls(**read_config(config, inspect.signature(ModelBuilder).parameters))

    def to_config(self) -> dict[str, Any]:
        """Return the arguments as plain values, which JSON and TOML hold.

        Names are qualified, those inside of options, too; defaults of ``None`` are left out.

        Raises:
            UnnamedComponent: If a component has no registered name.
        """
        if not self._is_asked and has_bare_names([*self.specs.values(), self.loss]):
            with seeds.torch_forked():  # building tells what the names inside of options are names of
                self._build_blocks()
                build_loss(self.loss, self.objective)
        own = {"objective": self.objective, "n_out": self.n_out, "cont_feats": self.cont_feats, **self.specs}
        return plain_config({**self.arguments, **own})

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of the constructor, copied, with the learning rate that `set_lr` set."""
        return {key: copied(value) for key, value in {**self._arguments, "opt_args": self.opt_args}.items()}

    def set_lr(self, lr: float) -> None:
        """Set the learning rate of the models to be built.

        Args:
            lr: Learning rate, positive.
        """
        self.opt_args = with_rate(self.opt_args, lr)

    def get_head(self, cont_feats: Sequence[str] | None = None) -> Head:
        """Build a head for continuous features, by default all of the builder's."""
        feats = list(self.cont_feats if cont_feats is None else cont_feats)
        head: Head = self._build("head", cont_feats=feats, cat_embedder=self.cat_embedder)
        return head

    def get_body(self, n_in: int, feat_map: Mapping[str, Sequence[int]]) -> Body:
        """Build a body for a head's width and map, from feature to columns of its output."""
        body: Body = self._build("body", n_in=n_in, feat_map=feat_map)
        return body

    def get_tail(self, n_in: int, members: int = 1) -> Tail:
        """Build a tail for a body's width, that of all its members together."""
        check_takes_members(self.specs["tail"], members)
        given = {"members": members} if members > 1 else {}
        tail: Tail = self._build("tail", n_in=n_in, n_out=self.n_out, objective=self.objective, **given)
        check_members(tail, members)
        return tail

    def build_model(self, cont_feats: Sequence[str] | None = None) -> nn.Sequential:
        """Build head, body and tail from torch's global generator, and load `pretrain_file`.

        Args:
            cont_feats: The continuous features that the head is given; by default all of
                the builder's.

        Returns:
            ``nn.Sequential(head, body, tail)``.
        """
        model = self._build_blocks(cont_feats)
        if self.pretrain_file is not None:
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
        model, loss, mask, seed, components = self.get_parts(device, input_mask)
        return BuiltModel(model, build_optimiser(self.opt_args, model), loss, mask, seed, components)

    def get_parts(self, device: str | torch.device = "cpu", input_mask: Sequence[int] | None = None) -> BuiltParts:
        """Build a model with its loss, for whoever may not train it: arguments as for `get_model`.

        The optimiser is looked for, but not made, which takes seconds for the first one.

        Returns:
            ``(model, loss, input_mask, seed, components)``.
        """
        seed = seeds.check(self.seed)
        mask = self._draw_mask(seed) if input_mask is None else np.asarray(input_mask, dtype=np.int64)
        feats = self.cont_feats if mask is None else [self.cont_feats[i] for i in mask if i < len(self.cont_feats)]
        with registry.recording() as used, seeds.torch_seeded(seeds.seed_of(seed, "initialisation")):
            model = self.build_model(feats).to(device)
            loss = build_loss(self.loss, self.objective)
            checked_optimiser(self.opt_args, model)
        if isinstance(loss, nn.Module):
            loss.to(device)
        return BuiltParts(model, loss, mask, seed, list(used))

    def _build_blocks(self, cont_feats: Sequence[str] | None = None) -> nn.Sequential:
        head = self.get_head(cont_feats)
        features.check_map(head)
        body = self.get_body(features.out_size(head), head.feat_map)
        tail = self.get_tail(features.out_size(body), members_of(body))
        self._is_asked = True
        return nn.Sequential(head, body, tail)

    def _build(self, part: str, **given: object) -> Any:
        given |= {"lookup_init": self.lookup_init, "lookup_act": self.lookup_act, "freeze": self.freeze[part]}
        block = registry.build(part, copied(self.specs[part]), **given)
        if self.freeze[part]:
            block.freeze_layers()
        return block

    def _draw_mask(self, seed: int) -> np.ndarray | None:
        n_cat = 0 if self.cat_embedder is None else self.cat_embedder.n_cat_in
        return features.draw_columns(
            self.cont_subsample_rate, self.guaranteed_feats, self.cont_feats, n_cat=n_cat, seed=seed
        )

    def _check(self) -> None:
        """Refuse what can be known to be wrong before anything is built."""
        for part in PARTS:
            registry.resolve(part, self.specs[part])
        registry.resolve("optimiser", optimiser_spec(self.opt_args))
        decay_groups(self.opt_args)
        seeds.check(self.seed)
        features.check(self.cont_feats, self.cat_embedder, self.cont_subsample_rate, self.guaranteed_feats)
