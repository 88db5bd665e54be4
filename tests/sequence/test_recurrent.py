"""recurrent_head against the networks' equations, object by object, and torch's on each sequence alone."""

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


def next_state(kind, weights, x, state):
    """One step of a network: ``(h, c)`` from an object and ``(h, c)``, gate by gate."""
    (w_x, w_h, b_x, b_h), (h, c) = weights, state
    from_x, from_h = (w_x @ x + b_x).chunk(kind[1]), (w_h @ h + b_h).chunk(kind[1])
    if kind[0] in ("tanh", "relu"):
        value = from_x[0] + from_h[0]
        return (torch.tanh(value) if kind[0] == "tanh" else value.clamp_min(0)), c
    if kind[0] == "gru":
        reset, update = (torch.sigmoid(from_x[i] + from_h[i]) for i in (0, 1))
        return (1 - update) * torch.tanh(from_x[2] + reset * from_h[2]) + update * h, c
    inwards, forget, outwards = (torch.sigmoid(from_x[i] + from_h[i]) for i in (0, 1, 3))
    c = forget * c + inwards * torch.tanh(from_x[2] + from_h[2])
    return outwards * torch.tanh(c), c


def read(head, objects):
    """The states of the uppermost layer at every object, and the last ones of each direction."""
    rnn = head.rnn
    kind = {"RNN": (getattr(rnn, "nonlinearity", ""), 1), "GRU": ("gru", 3), "LSTM": ("lstm", 4)}[type(rnn).__name__]
    last = []
    for layer in range(rnn.num_layers):
        directions, last = [], []
        for suffix in ("", "_reverse")[: 2 if rnn.bidirectional else 1]:
            names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            weights = [getattr(rnn, f"{name}_l{layer}{suffix}") for name in names]
            state, states = (torch.zeros(4).double(), torch.zeros(4).double()), [None] * len(objects)
            for i in reversed(range(len(objects))) if suffix else range(len(objects)):
                state = next_state(kind, weights, objects[i], state)
                states[i] = state[0]
            directions.append(states)
            last.append(state[0])
        objects = [torch.cat(states) for states in zip(*directions, strict=True)]
    return objects, torch.cat(last)


def by_hand(head, x, mask):
    """What the head gives, from loops over events and objects."""
    rows = []
    for e in range(len(x)):
        states, last = read(head, [x[e, i] for i in range(x.shape[1]) if mask[e, i]])
        if head.stateful:
            left = iter(states)
            rows.append(torch.cat([next(left) if there else torch.zeros(head.n_state).double() for there in mask[e]]))
        else:
            rows.append(last)
    return torch.stack(rows)


def perturb_biases(head):
    for name, param in head.named_parameters():
        if "bias" in name:
            param.data.uniform_(-1, 1)
    return head


@pytest.mark.parametrize("stateful", [False, True])
@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("rnn", "act"), [("rnn", "tanh"), ("rnn", "relu"), ("gru", "tanh"), ("lstm", "tanh")])
def test_states_are_those_of_the_equations(rnn, act, bidirectional, depth, stateful, sequences, agree):
    x, mask = sequences()
    head = perturb_biases(make(rnn=rnn, act=act, bidirectional=bidirectional, depth=depth, stateful=stateful))
    agree(head, lambda x: by_hand(head, x, mask), x, head.parameters())


@pytest.mark.parametrize("stateful", [False, True])
@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("rnn", ["rnn", "gru", "lstm"])
def test_states_are_those_of_torch_on_each_sequence_alone(rnn, bidirectional, depth, stateful, sequences, agree):
    x, mask = sequences()
    head = perturb_biases(make(rnn=rnn, bidirectional=bidirectional, depth=depth, stateful=stateful))
    assert head(x).shape == (5, head.get_out_size()) == (5, 4 * (1 + bidirectional) * (7 if stateful else 1))
    agree(head, lambda x: alone(head, x, mask)[stateful], x, head.parameters())


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


@pytest.mark.parametrize("stateful", [False, True])
def test_few_objects_give_finite_values_and_gradients(stateful, sequences):
    for n_present in ((7, 5, 3, 1, 0), (1, 0, 0, 0, 0), (0,) * 5):
        x, mask = sequences(n_present=n_present)
        head = make(rnn="lstm", depth=2, do=0.3, bidirectional=True, stateful=stateful)
        x.requires_grad_()
        out = head(x)
        out.sum().backward()
        assert (out[~mask.any(1)] == 0).all()
        assert out.isfinite().all()
        assert x.grad.nan_to_num(0).isfinite().all()
        assert all(p.grad.isfinite().all() for p in head.parameters())
        assert torch.allclose(head.eval()(x[:1]), head(x)[:1])


@pytest.mark.parametrize("stateful", [False, True])
@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_fault_features_are_mapped_to_the_columns_that_they_reach(bidirectional, depth, stateful, sequences, depends):
    """And to no other: a state in front of an object has not seen it."""
    x, _ = sequences(n_events=12, n_present=(7, 6, 5, 4, 3, 2, 2, 1, 1, 1, 1, 0))
    head = make(rnn="gru", bidirectional=bidirectional, depth=depth, stateful=stateful)
    assert head.feat_map == depends(head, x)


def test_missing_elements_are_not_mapped():
    head = RecurrentHead(["v0_x", "v1_y"], vecs(2), ["x", "y"], width=2, stateful=True)
    assert head.feat_map == {"v0_x": [0, 1, 2, 3], "v1_y": [2, 3]}


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


class OwnGRU(nn.GRU):
    """As a user would derive it."""


@pytest.mark.parametrize("rnn", ["GRU", nn.GRU, "gru", OwnGRU])
def test_networks_are_given_by_name_or_class(rnn):
    assert isinstance(make(rnn=rnn).rnn, nn.GRU)


def test_relu_is_for_plain_networks():
    assert make(act="relu").rnn.nonlinearity == "relu"
    assert make(act=nn.ReLU).rnn.nonlinearity == make(act={"name": "core/relu"}).rnn.nonlinearity == "relu"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rnn": "gruu"}, "did you mean 'gru'"),
        ({"rnn": nn.Linear}, "rnn must be one of rnn, gru, lstm"),
        ({"act": "swish"}, "'tanh' or 'relu'"),
        ({"act": {"name": "relu", "inplace": True}}, "without options"),
        ({"rnn": "gru", "act": "relu"}, "GRU has activations of its own"),
        ({"rnn": None}, "or a class of torch's, got None"),
        ({"depth": 0}, "positive whole numbers are needed, got depth=0"),
        ({"depth": "2"}, "depth='2'"),
        ({"do": 0.2}, "with depth=1 it must be 0; got do=0.2"),
        ({"do": 1.5, "depth": 2}, r"\[0, 1\)"),
    ],
)
def test_options_are_checked(options, words):
    with pytest.raises(ConfigError, match=words):
        make(**options)


@pytest.mark.parametrize("row_wise", [True, False])
def test_fault_a_stateful_head_can_be_built_beside_flat_features(row_wise, trained_and_saved):
    matrix = {"name": "recurrent_head", "vecs": vecs(5), "feats_per_vec": ["x", "y"], "rnn": "gru", "stateful": True}
    spec = {"name": "multi_head", "matrix_head": {**matrix, "width": 6, "row_wise": row_wise}}
    model = trained_and_saved(spec, flat=["a"], row_wise=row_wise)
    assert isinstance(model.head, MultiHead)
    assert model.head.get_out_size() == 31
    assert model.head.feat_map["a"] == [0]
    assert model.head.feat_map["v0_x"] == list(range(1, 31))
    assert model.head.feat_map["v4_y"] == list(range(25, 31))


def test_fault_the_map_of_multi_head_is_right(sequences):
    """Features arrive flat, in any order; a flat one is mapped to its own column, others behind it."""
    feats = [f"{vec}_{feat}" for vec in vecs(3) for feat in FEATS]
    mixed = [*feats[5:], "a", *feats[:5], "b"]
    head = MultiHead(mixed, partial(RecurrentHead, vecs=vecs(3), feats_per_vec=FEATS, width=2, stateful=True))
    x = torch.randn(4, len(mixed), dtype=torch.float64)
    gradient = torch.autograd.functional.jacobian(lambda x: head.double()(x).sum(0), x).abs().sum(1)
    assert set(head.feat_map) == set(mixed)
    for i, feat in enumerate(mixed):
        assert sorted(head.feat_map[feat]) == gradient[:, i].nonzero().flatten().tolist()
    matrix = x[:, [mixed.index(feat) for feat in feats]].view(4, 3, 3)
    assert torch.equal(head((x[:, [mixed.index("a"), mixed.index("b")]], matrix)), head(x))


def test_all_is_fed_by_the_matrix_head(trained_and_saved):
    """multi_head without flat features."""
    matrix = {"name": "recurrent_head", "vecs": vecs(5), "feats_per_vec": ["x", "y"], "rnn": "gru", "width": 6}
    model = trained_and_saved({"name": "multi_head", "matrix_head": matrix})
    assert model.head.get_out_size() == 6


@pytest.mark.parametrize("stateful", [False, True])
def test_models_train_in_mixed_precision(stateful, trained_and_saved):
    head = {"name": "recurrent_head", "rnn": "gru", "width": 8, "depth": 2, "bidirectional": True}
    trained_and_saved({**head, "stateful": stateful}, precision="bf16")


@pytest.mark.parametrize("rnn", ["rnn", "gru", "lstm"])
def test_models_are_built_by_name_trained_saved_and_loaded(rnn, trained_and_saved):
    trained_and_saved({"name": "recurrent_head", "rnn": rnn, "width": 8, "depth": 2, "do": 0.1, "bidirectional": True})


def test_flat_inputs_columns_and_freezing(sequences):
    x, mask = sequences()
    head = make(rnn="gru")
    feats = [f"{vec}_{feat}" for vec in vecs(7) for feat in FEATS]
    assert list(head.state_dict()) == [f"rnn.{name}_l0" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    flat = RecurrentHead(feats, vecs(7), FEATS, rnn="gru", width=4, freeze=True).double()
    flat.load_state_dict(head.state_dict())
    assert torch.equal(flat(x.nan_to_num(0).flatten(1)), head(x))
    assert flat.get_param_count() == 0
    columns = make(rnn="gru", row_wise=False)
    assert torch.equal(columns(x.transpose(1, 2)), head(x))
    assert set(flat.feat_map) == set(feats)
    assert partial(RecurrentHead, [])(vecs(2), FEATS).get_out_size() == 50
    assert mask.any()
