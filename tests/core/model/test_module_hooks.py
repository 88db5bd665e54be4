"""Hooks on modules look, change nothing, and are gone when they should be."""

import copy
import gc
import weakref

import pytest
import torch
from torch import nn

from lumin_core import BackwardHook, ForwardHook, Model, ModelBuilder
from lumin_core.errors import ConfigError


@pytest.fixture
def layers():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))


X = torch.tensor([[1.0, 2.0], [3.0, -1.0]])


def is_hooked(module):
    return bool(module._forward_hooks or module._forward_pre_hooks or module._backward_hooks)


def test_forward_hook_keeps_what_goes_in_and_comes_out_without_its_graph(layers):
    hook = ForwardHook(layers[1])
    assert (hook.input, hook.output) == (None, None)
    layers(X)
    torch.testing.assert_close(hook.input, (layers[0](X).detach(),), rtol=0, atol=0)
    torch.testing.assert_close(hook.output, torch.tanh(hook.input[0]), rtol=0, atol=0)
    assert not hook.input[0].requires_grad
    assert hook.output.grad_fn is None


def test_backward_hook_keeps_the_gradients_of_the_whole_module(layers):
    block = nn.Sequential(*layers[:2])
    whole, expected = nn.Sequential(nn.Identity(), block, layers[2]), X.clone().requires_grad_()
    hidden = torch.tanh(layers[0](expected))
    hidden.retain_grad()
    (layers[2](hidden) ** 2).sum().backward()
    x = X.clone().requires_grad_()
    with BackwardHook(block) as hook:
        (whole(x) ** 2).sum().backward()
    torch.testing.assert_close(hook.input, (expected.grad,))
    torch.testing.assert_close(hook.output, (hidden.grad,))
    torch.testing.assert_close(x.grad, expected.grad)


def test_gradient_of_an_input_is_that_through_the_module_alone(layers):
    x = X.clone().requires_grad_()
    with BackwardHook(layers[0]) as hook:
        (layers[0](x).sum() + 100 * x.sum()).backward()
    torch.testing.assert_close(hook.input[0], layers[0].weight.detach().sum(0).expand(2, 2))


def test_data_have_no_gradient_and_nothing_is_kept_where_none_is_asked_for(layers):
    with BackwardHook(layers[0]) as hook:  # warnings are errors here
        with torch.no_grad():
            layers(X)
        assert hook.output is None
        layers(X).sum().backward()
    assert hook.input == (None,)
    torch.testing.assert_close(hook.output[0].shape, torch.Size([2, 3]))


@pytest.mark.parametrize("cls", [ForwardHook, BackwardHook])
def test_function_of_ones_own_is_called_with_the_hook_and_changes_nothing(cls, layers):
    def note(hook, module, input, output):
        hook.seen = [*getattr(hook, "seen", []), (module, len(input))]
        return torch.zeros(2, 1)

    plain = layers(X)
    hook = cls(layers[2], note)
    for _ in range(2):
        found = layers(X)
        found.sum().backward()
    assert torch.equal(found, plain)
    assert hook.seen == [(layers[2], 1)] * 2
    assert (hook.input, hook.output) == (None, None)


@pytest.mark.parametrize("cls", [ForwardHook, BackwardHook])
def test_fault_an_exception_leaves_no_hook_behind(cls, layers):
    with pytest.raises(RuntimeError), cls(layers[0]):
        layers(torch.ones(2, 9))
    assert not is_hooked(layers[0])


@pytest.mark.parametrize("cls", [ForwardHook, BackwardHook])
def test_fault_a_hook_ends_with_who_made_it(cls, layers):
    hook = cls(layers[0], lambda hook, *_: hook)
    layers(X).sum().backward()
    gone = weakref.ref(hook)
    gc.disable()
    try:
        del hook
        assert gone() is None
    finally:
        gc.enable()
    assert not is_hooked(layers[0])


def test_what_was_kept_stays_when_the_hook_is_removed_and_removing_twice_is_no_matter(layers):
    hook = ForwardHook(layers[0])
    layers(X)
    kept = hook.output
    hook.remove()
    hook.remove()
    layers(2 * X)
    assert hook.output is kept
    assert not is_hooked(layers[0])


@pytest.mark.parametrize("cls", [ForwardHook, BackwardHook])
def test_copies_of_a_module_do_not_call_the_hook(cls, layers):
    with cls(layers[0]) as hook:
        copy.deepcopy(layers)(X).sum().backward()
    assert hook.output is None


def test_parts_of_a_model_are_hooked_in_a_fit_and_only_modules_are(fy, make_builder):
    model = Model(make_builder(fy))
    with ForwardHook(model.body) as forward, BackwardHook(model.tail) as backward:
        model.fit(1, fy, bs=8, seed=1, visible_bar=False)
    assert forward.output.shape == (8, model.body.get_out_size())
    assert backward.output[0].shape == (8, 1)
    assert backward.input[0].shape == (8, model.body.get_out_size())
    with pytest.raises(ConfigError, match=r"set on a torch module, such as model.body or model.model\[1\], got Model"):
        ForwardHook(Model(ModelBuilder("regression", 1, ["pt"])))
