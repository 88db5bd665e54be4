"""A look into a module while it works: what goes in, what comes out, and their gradients."""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self, TypeGuard

import torch
from torch import Tensor, nn
from torch.autograd.graph import register_multi_grad_hook

from lumin_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from torch.utils.hooks import RemovableHandle

    HookFn = Callable[["ModuleHook", nn.Module, object, object], object]


class ModuleHook(ABC):
    """Is called with a module at each of its passes, until it is removed.

    That is at the end of a ``with`` block, when nobody refers to the hook any longer, or by
    `remove`. The module does not keep it alive, and copies of the module do not call it.

    Args:
        module: The module, such as ``model.body`` or a layer of it.
        hook_fn: Called as ``hook_fn(hook, module, input, output)``, in place of the method of that
            name; what it returns is passed over, so that the pass stays as it is.

    Attributes:
        module: The module.
        input: What was kept of the last pass, ``None`` before the first.
        output: As `input`.

    Raises:
        ConfigError: If it is not a module of torch.
    """

    def __init__(self, module: nn.Module, hook_fn: HookFn | None = None) -> None:
        if not isinstance(module, nn.Module):
            raise ConfigError(
                f"a hook is set on a torch module, such as model.body or model.model[1], got {type(module).__name__}"
            )
        self.module = module
        self.input: object = None
        self.output: object = None
        self._hook_fn = hook_fn
        self._removal = weakref.finalize(self, _remove, self._register(module))

    @abstractmethod
    def _register(self, module: nn.Module) -> Sequence[RemovableHandle]:
        """Set what is called by the module."""

    def hook_fn(self, module: nn.Module, input: object, output: object) -> None:
        """Keep input and output, detached: they hold no graph of the computation."""
        self.input = _detached(input)
        self.output = _detached(output)

    def remove(self) -> None:
        """Take the hook away; what it kept stays. To do it again changes nothing."""
        self._removal()

    def __enter__(self) -> Self:
        """Return the hook, which is set since it was made."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the hook away, whatever happened."""
        self.remove()

    def _call(self, module: nn.Module, input: object, output: object) -> None:
        if self._hook_fn is None:
            self.hook_fn(module, input, output)
        else:
            self._hook_fn(self, module, input, output)


class ForwardHook(ModuleHook):
    """Keeps inputs and outputs of a module, or calls a function with them, at each forward pass.

    The input is a tuple of all arguments, the output what the module returns. `Model.predict` fills
    up small batches: there may be more rows than events, behind them.

    Args:
        module: As for `ModuleHook`.
        hook_fn: As for `ModuleHook`.

    Example:
        >>> import torch
        >>> from lumin_core import ForwardHook, Model, ModelBuilder
        >>> model = Model(ModelBuilder("regression", n_out=1, cont_feats=["pt", "eta"], seed=1))
        >>> with ForwardHook(model.body) as hook:
        ...     _ = model.model(torch.ones(3, 2))
        >>> hook.input[0].shape, hook.output.shape
        (torch.Size([3, 2]), torch.Size([3, 100]))
    """

    def _register(self, module: nn.Module) -> Sequence[RemovableHandle]:
        return [module.register_forward_hook(_weakly(self, ForwardHook._call))]


class BackwardHook(ModuleHook):
    """Keeps the gradients by inputs and outputs of a module, or calls a function with them.

    Both are tuples; an input that needs no gradient, as the data do not, has ``None``. It is called
    when all of a backward pass's gradients are there. Other than LUMIN's, its gradients are those
    of the whole module, not of its last operation.

    Args:
        module: As for `ModuleHook`.
        hook_fn: As for `ModuleHook`.

    Example:
        >>> import torch
        >>> from lumin_core import BackwardHook
        >>> layer = torch.nn.Linear(2, 1, bias=False)
        >>> with BackwardHook(layer) as hook:
        ...     (3 * layer(torch.ones(1, 2))).sum().backward()
        >>> hook.input, hook.output
        ((None,), (tensor([[3.]]),))
    """

    def _register(self, module: nn.Module) -> Sequence[RemovableHandle]:
        before, after = _weakly(self, BackwardHook._before), _weakly(self, BackwardHook._after)
        return [module.register_forward_pre_hook(before), module.register_forward_hook(after)]

    def _before(self, module: nn.Module, input: tuple[object, ...]) -> tuple[object, ...]:
        """Hand on views, whose gradients come by this module, whoever else uses the tensors."""
        return tuple(value.view_as(value) if _has_gradient(value) else value for value in input)

    def _after(self, module: nn.Module, input: tuple[object, ...], output: object) -> None:
        sent = output if isinstance(output, tuple) else (output,)
        values = [*input, *sent]
        watched = {i: value for i, value in enumerate(values) if _has_gradient(value)}
        if not any(i >= len(input) for i in watched):
            return

        report = _weakly(self, ModuleHook._call)  # a graph that lives on keeps no hook

        def called(grads: Sequence[Tensor | None]) -> None:
            found = dict(zip(watched, grads, strict=True))
            of_all = tuple(found.get(i) for i in range(len(values)))
            report(module, of_all[: len(input)], of_all[len(input) :])

        register_multi_grad_hook(list(watched.values()), called)


def _weakly(hook: ModuleHook, method: Callable[..., object]) -> Callable[..., object]:
    """Call a method of a hook as long as that lives, and for its own module, not for copies."""
    reference = weakref.ref(hook)

    def call(module: nn.Module, *values: object) -> object:
        found = reference()
        return method(found, module, *values) if found is not None and found.module is module else None

    return call


def _remove(handles: Sequence[RemovableHandle]) -> None:
    for handle in handles:
        handle.remove()


def _has_gradient(value: object) -> TypeGuard[Tensor]:
    return isinstance(value, Tensor) and value.requires_grad and torch.is_grad_enabled()


def _detached(value: object) -> object:
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, dict):
        return {key: _detached(entry) for key, entry in value.items()}
    return type(value)(map(_detached, value)) if isinstance(value, list | tuple) else value
