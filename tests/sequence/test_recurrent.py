"""recurrent_head against torch's networks on each sequence alone."""

from functools import partial

import pytest
import torch
from torch import nn

from lumin_core.errors import ConfigError
from lumin_plugin_sequence import RecurrentHead
from lumin_plugin_tabular import MultiHead

FEATS = ["x", "y", "z"]


def vecs(n):
    return [f"v{i}" for i in range(n)]


def make(n=7, **options):
    torch.manual_seed(1)
    return RecurrentHead([], vecs(n), FEATS, width=4, **options).double()


def alone(head, x, mask):
    """The states of every sequence without its absent objects: final ones, and all in their places."""
    finals, states = [], torch.zeros(len(x), x.shape[1], head.n_state, dtype=x.dtype)
    for e in range(len(x)):
        present = x[e][mask[e]]
        if not len(present):
            finals.append(torch.zeros(head.n_state, dtype=x.dtype))
            continue
        all_states, last = head.rnn(present[None])
        last = last[0] if isinstance(last, tuple) else last
        finals.append(torch.cat([h[0] for h in last[-2 if head.rnn.bidirectional else -1 :]]))
        states[e, mask[e]] = all_states[0]
    return torch.stack(finals), states.flatten(1)


def gradients(function, head, x):
    head.zero_grad()
    x = x.clone().requires_grad_()
    out = function(x)
    (out * torch.linspace(-1, 1, out.numel(), dtype=x.dtype).view(out.shape)).sum().backward()
    return [out.detach(), x.grad.nan_to_num(0), *(p.grad.clone() for p in head.parameters())]


@pytest.mark.parametrize("stateful", [False, True])
@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("rnn", ["rnn", "gru", "lstm"])
def test_states_are_those_of_each_sequence_alone(rnn, bidirectional, depth, stateful, sequences):
    x, mask = sequences()
    head = make(rnn=rnn, bidirectional=bidirectional, depth=depth, stateful=stateful)
    found = gradients(head, head, x)
    expected = gradients(lambda x: alone(head, x, mask)[stateful], head, x)
    assert found[0].shape == (5, head.get_out_size()) == (5, 4 * (1 + bidirectional) * (7 if stateful else 1))
    assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(found, expected, strict=True))


def test_fault_the_final_backward_state_has_seen_all_objects(sequences):
    x, _ = sequences(n_present=(7,) * 5)
    head = make(rnn="gru", bidirectional=True)
    jacobian = torch.autograd.functional.jacobian(lambda x: head(x)[:, 4:].sum(0), x).abs().sum((0, 3))
    assert (jacobian > 0).all()


@pytest.mark.parametrize("rnn", ["rnn", "gru", "lstm"])
def test_fault_padding_changes_no_result(rnn, sequences):
    x, _ = sequences()
    longer = torch.full((5, 10, 3), torch.nan, dtype=x.dtype)
    longer[:, [0, 2, 3, 4, 6, 7, 9]] = x
    short, long = make(rnn=rnn, bidirectional=True), make(n=10, rnn=rnn, bidirectional=True)
    long.load_state_dict(short.state_dict())
    assert torch.allclose(short(x), long(longer), atol=1e-12)


def test_no_events_are_no_events():
    assert make()(torch.zeros(0, 7, 3, dtype=torch.float64)).shape == (0, 4)
    assert make(stateful=True)(torch.zeros(0, 7, 3, dtype=torch.float64)).shape == (0, 28)


def test_weights_are_orthogonal_and_an_lstm_forgets_little():
    for rnn, n_gates in (("rnn", 1), ("gru", 3), ("lstm", 4)):
        head = make(rnn=rnn, depth=2, bidirectional=True)
        for name, param in head.rnn.named_parameters():
            if name.startswith("weight_hh"):
                gates = param.detach().split(4)
                assert len(gates) == n_gates
                assert all(torch.allclose(gate @ gate.T, torch.eye(4).double(), atol=1e-6) for gate in gates)
        biases = [p for name, p in head.rnn.named_parameters() if "bias" in name]
        assert sum(float(b.detach().sum()) for b in biases) == (16 if rnn == "lstm" else 0)
    forget = make(rnn="lstm").rnn
    assert (forget.bias_ih_l0 + forget.bias_hh_l0)[4:8].tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("rnn", ["GRU", nn.GRU, "gru"])
def test_networks_are_given_by_name_or_class(rnn):
    assert isinstance(make(rnn=rnn).rnn, nn.GRU)


def test_relu_is_for_plain_networks():
    assert make(act="relu").rnn.nonlinearity == "relu"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rnn": "gruu"}, "did you mean 'gru'"),
        ({"rnn": nn.Linear}, "rnn must be one of rnn, gru, lstm"),
        ({"act": "swish"}, "'tanh' or 'relu'"),
        ({"rnn": "gru", "act": "relu"}, "GRU has activations of its own"),
        ({"depth": 0}, "positive depth"),
        ({"do": 0.2}, "depth above 1"),
        ({"do": 1.5, "depth": 2}, r"\[0, 1\)"),
    ],
)
def test_options_are_checked(options, words):
    with pytest.raises(ConfigError, match=words):
        make(**options)


def test_fault_a_stateful_head_can_be_built_beside_flat_features(trained_and_saved):
    matrix = {"name": "recurrent_head", "vecs": vecs(5), "feats_per_vec": ["x", "y"], "rnn": "gru", "stateful": True}
    model = trained_and_saved({"name": "multi_head", "matrix_head": {**matrix, "width": 6}}, flat=["a"])
    assert isinstance(model.head, MultiHead)
    assert model.head.feat_map["a"] == [0]
    assert model.head.feat_map["v4_y"] == list(range(1, 31))


@pytest.mark.parametrize("rnn", ["rnn", "gru", "lstm"])
def test_models_are_built_by_name_trained_saved_and_loaded(rnn, trained_and_saved):
    trained_and_saved({"name": "recurrent_head", "rnn": rnn, "width": 8, "depth": 2, "do": 0.1, "bidirectional": True})


def test_flat_inputs_columns_and_freezing(sequences):
    x, mask = sequences()
    head = make(rnn="gru")
    feats = [f"{vec}_{feat}" for vec in vecs(7) for feat in FEATS]
    flat = RecurrentHead(feats, vecs(7), FEATS, rnn="gru", width=4, freeze=True).double()
    flat.load_state_dict(head.state_dict())
    assert torch.equal(flat(x.nan_to_num(0).flatten(1)), head(x))
    assert flat.get_param_count() == 0
    columns = make(rnn="gru", row_wise=False)
    assert torch.equal(columns(x.transpose(1, 2)), head(x))
    assert set(flat.feat_map) == set(feats)
    assert partial(RecurrentHead, [])(vecs(2), FEATS).get_out_size() == 50
    assert mask.any()
