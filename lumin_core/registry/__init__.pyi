from collections.abc import Callable
from functools import partial
from typing import Any, Literal, overload

from torch import Tensor, nn
from torch.optim import Optimizer

from lumin_core.data.augmentation import Augmentation
from lumin_core.data.transforms import Transform
from lumin_core.model.blocks import Body, Head, Tail
from lumin_core.registry.component import Component as Component
from lumin_core.registry.component import for_authors as for_authors
from lumin_core.registry.config import UnnamedComponent as UnnamedComponent
from lumin_core.registry.config import UnsavableOption as UnsavableOption
from lumin_core.registry.config import name_of as name_of
from lumin_core.registry.config import qualified_name as qualified_name
from lumin_core.registry.config import to_config as to_config
from lumin_core.registry.distributions import SavedPlugin as SavedPlugin
from lumin_core.registry.distributions import saved_plugins as saved_plugins
from lumin_core.registry.hints import not_installed as not_installed
from lumin_core.registry.inspection import check_apart as check_apart
from lumin_core.registry.kind_table import Kind as Kind
from lumin_core.registry.lookup import beside as beside
from lumin_core.registry.lookup import components as components
from lumin_core.registry.lookup import find as find
from lumin_core.registry.lookup import find_kind as find_kind
from lumin_core.registry.lookup import kinds as kinds
from lumin_core.registry.lookup import pinned as pinned
from lumin_core.registry.lookup import written as written
from lumin_core.registry.names import SEAMS as SEAMS
from lumin_core.registry.names import canonical as canonical
from lumin_core.registry.names import is_reserved as is_reserved
from lumin_core.registry.names import normalise as normalise
from lumin_core.registry.names import short as short
from lumin_core.registry.names import snake_case as snake_case
from lumin_core.registry.record import noting as noting
from lumin_core.registry.record import recording as recording
from lumin_core.registry.scan import refresh as refresh
from lumin_core.registry.session import register as register
from lumin_core.registry.session import temporary as temporary
from lumin_core.registry.sources import modules_of as modules_of
from lumin_core.registry.sources import sources_of as sources_of
from lumin_core.registry.validation import check as check
from lumin_core.training.exporter import Exporter
from lumin_core.training.metric import EvalMetric

_Module = Literal["activation", "activations", "norm", "norms"]
_Loss = Callable[..., Tensor]
_Initialiser = Callable[..., Callable[[Tensor], object]]

@overload
def build(kind: Literal["head", "heads"], spec: object, /, **given: object) -> Head: ...
@overload
def build(kind: Literal["body", "bodies"], spec: object, /, **given: object) -> Body: ...
@overload
def build(kind: Literal["tail", "tails"], spec: object, /, **given: object) -> Tail: ...
@overload
def build(kind: Literal["loss", "losses"], spec: object, /, **given: object) -> _Loss: ...
@overload
def build(kind: Literal["augmentation", "augmentations"], spec: object, /, **given: object) -> Augmentation: ...
@overload
def build(kind: Literal["callback", "callbacks"], spec: object, /, **given: object) -> object: ...
@overload
def build(kind: Literal["metric", "metrics"], spec: object, /, **given: object) -> EvalMetric: ...
@overload
def build(kind: Literal["optimiser", "optimisers"], spec: object, /, **given: object) -> Optimizer: ...
@overload
def build(kind: _Module, spec: object, /, **given: object) -> nn.Module: ...
@overload
def build(kind: Literal["initialiser", "initialisers"], spec: object, /, **given: object) -> _Initialiser: ...
@overload
def build(kind: Literal["transform", "transforms"], spec: object, /, **given: object) -> Transform: ...
@overload
def build(kind: Literal["exporter", "exporters"], spec: object, /, **given: object) -> Exporter: ...
@overload
def build(kind: str, spec: object, /, **given: object) -> Any: ...
@overload
def resolve(kind: Literal["head", "heads"], spec: object, /) -> partial[Head]: ...
@overload
def resolve(kind: Literal["body", "bodies"], spec: object, /) -> partial[Body]: ...
@overload
def resolve(kind: Literal["tail", "tails"], spec: object, /) -> partial[Tail]: ...
@overload
def resolve(kind: Literal["loss", "losses"], spec: object, /) -> partial[_Loss]: ...
@overload
def resolve(kind: Literal["augmentation", "augmentations"], spec: object, /) -> partial[Augmentation]: ...
@overload
def resolve(kind: Literal["callback", "callbacks"], spec: object, /) -> partial[object]: ...
@overload
def resolve(kind: Literal["metric", "metrics"], spec: object, /) -> partial[EvalMetric]: ...
@overload
def resolve(kind: Literal["optimiser", "optimisers"], spec: object, /) -> partial[Optimizer]: ...
@overload
def resolve(kind: _Module, spec: object, /) -> partial[nn.Module]: ...
@overload
def resolve(kind: Literal["initialiser", "initialisers"], spec: object, /) -> partial[_Initialiser]: ...
@overload
def resolve(kind: Literal["transform", "transforms"], spec: object, /) -> partial[Transform]: ...
@overload
def resolve(kind: Literal["exporter", "exporters"], spec: object, /) -> partial[Exporter]: ...
@overload
def resolve(kind: str, spec: object, /) -> partial[Any]: ...
