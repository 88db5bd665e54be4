import logging
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from lumin_core import Body, FoldFileWriter, FoldYielder, MatrixHead, Model, ModelBuilder
from lumin_core.errors import ConfigError, DataError
from lumin_plugin_callbacks import LsuvInit

DEEP = {"name": "fully_connected", "depth": 4, "width": 12}


class Begin:
    """Looks at the model before the first batch, and at its layers' outputs on it, in the model's own modes."""

    def on_train_begin(self):
        self.weights = None

    def on_batch_begin(self, fit_params):
        if self.weights is None:
            network = fit_params.model.model
            self.weights = fit_params.model.get_weights()
            self.modes = [module.training for module in network.modules()]
            self.grads = [parameter.grad for parameter in network.parameters()]
            self.stds = measure(network, fit_params.x)
            fit_params.model.set_weights(self.weights)  # running means too


def measure(network, x):
    outputs = {}

    def keep(name):
        return lambda module, inputs, output: outputs.setdefault(name, []).append(output.flatten())

    hooks = [
        module.register_forward_hook(keep(name))
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear | nn.Conv1d)
    ]
    with torch.no_grad():
        network(x)
    for hook in hooks:
        hook.remove()
    return {name: float(torch.cat(values).std(correction=0)) for name, values in outputs.items()}


class OwnBody(Body):
    """A body around a network of a test's, which gives 4 columns."""

    def __init__(self, n_in, feat_map, network):
        super().__init__(n_in, feat_map)
        self.net = network(n_in)

    def forward(self, x):
        return self.net(x)

    def get_out_size(self):
        return 4


@pytest.fixture
def make_own(make_model):
    """Make a model with a network of the test's as body."""

    def make(network, **options):
        torch.manual_seed(1)
        return make_model(model_args=None, body=partial(OwnBody, network=network), **options)

    return make


@pytest.fixture
def begin():
    return Begin()


@pytest.mark.parametrize(
    "body", [{}, {"bn": True}, {"res": True}, {"dense": True}, {"act": "selu"}, {"act": "sigmoid"}]
)
@pytest.mark.parametrize("objective", ["classification", "regression"])
def test_all_layers_have_unit_variance(fit, make_model, begin, body, objective):
    fit([LsuvInit(), begin], model=make_model(objective, body={**DEEP, **body}, model_args=None), n_epochs=1)
    assert len(begin.stds) == (6 if "res" in body else 5)
    assert list(begin.stds.values()) == pytest.approx([1] * len(begin.stds), abs=0.1)


@pytest.mark.parametrize(("needed_std", "std_tol"), [(1.0, 0.001), (0.3, 0.01), (4.0, 0.05)])
def test_deviation_and_tolerance_are_as_asked_for(fit, make_model, begin, needed_std, std_tol):
    model = make_model(body=DEEP, model_args=None)
    fit([LsuvInit(needed_std, std_tol), begin], model=model, n_epochs=1)
    assert list(begin.stds.values()) == pytest.approx([needed_std] * 5, abs=std_tol + 1e-6)


def test_without_it_the_variance_is_another(fit, make_model, begin):
    fit(begin, model=make_model(body=DEEP, model_args=None), n_epochs=1)
    assert any(abs(std - 1) > 0.2 for std in begin.stds.values())


def test_weights_are_orthonormal_but_for_a_factor(fit, make_model, begin):
    fit([LsuvInit(), begin], model=make_model(body=DEEP, model_args=None), n_epochs=1)
    weights = [value for key, value in begin.weights.items() if key.endswith("weight")]
    assert [tuple(weight.shape) for weight in weights] == [(12, 2), (12, 12), (12, 12), (12, 12), (1, 12)]
    for weight in weights:
        gram = weight @ weight.T if weight.shape[0] < weight.shape[1] else weight.T @ weight
        torch.testing.assert_close(gram / gram[0, 0], torch.eye(len(gram)), rtol=1e-5, atol=1e-5)
    second, third, fourth = (weight / weight.norm() for weight in weights[1:4])
    assert not torch.allclose(second, third, atol=0.01)
    assert not torch.allclose(third, fourth, atol=0.01)


def test_without_orthonormal_weights_those_that_there_are_are_scaled(fit, make_model, begin):
    model = make_model(body=DEEP, model_args=None)
    before = model.get_weights()
    fit([LsuvInit(do_orthonorm=False), begin], model=model, n_epochs=1)
    for key, value in begin.weights.items():
        factor = 1 if key.endswith("bias") else value.norm() / before[key].norm()
        torch.testing.assert_close(value, before[key] * factor)


def test_biases_stay(fit, make_model, begin):
    model = make_model(model_args={"tail": {"bias_init": 0.7}, "body": {"depth": 1, "width": 3}})
    before = model.get_weights()
    fit([LsuvInit(), begin], model=model, n_epochs=1)
    assert torch.equal(begin.weights["2.dense.bias"], before["2.dense.bias"])
    assert before["2.dense.bias"].item() == pytest.approx(0.7)


def test_a_network_of_two_layers_by_hand(fit, make_own, begin):
    """The weights are those of the paper's algorithm in numpy, given the orthonormal ones."""
    seen = []

    class Batch:
        def on_batch_begin(self, fit_params):
            if not seen:
                seen.append(fit_params.x.double().numpy())

    fit([LsuvInit(std_tol=1e-6), begin, Batch()], model=make_own(lambda n: nn.Linear(n, 4, bias=False)), n_epochs=1)
    first, second = (begin.weights[key].double().numpy() for key in ("1.net.weight", "2.dense.weight"))
    hidden = seen[0] @ (first / np.linalg.norm(first, 2)).T
    hidden /= hidden.std()
    np.testing.assert_allclose(seen[0] @ first.T, hidden, rtol=1e-4, atol=1e-5)
    output = hidden @ (second / np.linalg.norm(second)).T
    np.testing.assert_allclose(hidden @ second.T, output / output.std(), rtol=1e-4, atol=1e-5)


class Backwards(nn.Module):
    """Layers declared in the reverse of the order in which data reach them; one is called twice, one never."""

    def __init__(self, n_in):
        super().__init__()
        self.never, self.third = nn.Linear(3, 3), nn.Linear(4, 4)
        self.twice, self.first = nn.Linear(4, 4), nn.Linear(n_in, 4)

    def forward(self, x):
        x = self.twice(self.first(x).tanh()).tanh()
        return self.third(self.twice(3 * x).tanh())


def test_layers_go_in_the_order_of_the_data_and_all_calls_count(fit, make_own, begin):
    model = make_own(Backwards)
    before = model.get_weights()["1.net.never.weight"]
    fit([LsuvInit(std_tol=0.01), begin], model=model, n_epochs=1)
    assert list(begin.stds) == ["1.net.first", "1.net.twice", "1.net.third", "2.dense"]
    assert list(begin.stds.values()) == pytest.approx([1] * 4, abs=0.0101)
    assert torch.equal(begin.weights["1.net.never.weight"], before)


def test_shared_weights_are_set_for_the_first_layer(fit, make_own, begin):
    def tied(n_in):
        layers = nn.Sequential(nn.Linear(n_in, 4), nn.Linear(4, 4), nn.Linear(4, 4))
        layers[2].weight = layers[1].weight
        return layers

    model = make_own(tied)
    fit([LsuvInit(std_tol=1e-3), begin], model=model, n_epochs=1)
    assert model.model[1].net[1].weight is model.model[1].net[2].weight
    stds = begin.stds
    assert [stds["1.net.0"], stds["1.net.1"], stds["2.dense"]] == pytest.approx([1] * 3, abs=2e-3)


def test_frozen_and_parametrised_weights_stay(fit, make_own, begin):
    def network(n_in):
        parametrised = nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))
        return nn.Sequential(nn.Linear(n_in, 4), parametrised, nn.Linear(4, 4).requires_grad_(False), nn.Linear(4, 4))

    model = make_own(network)
    before = model.get_weights()
    fit([LsuvInit(), begin], model=model, n_epochs=1)
    changed = [key for key, value in begin.weights.items() if not torch.equal(value, before[key])]
    assert changed == ["1.net.0.weight", "1.net.3.weight", "2.dense.weight"]
    assert [begin.stds[key.removesuffix(".weight")] for key in changed] == pytest.approx([1] * 3, abs=0.1)


def test_modes_gradients_and_running_means_are_as_they_were(fit, make_model):
    def run(*cbs):
        model, begin = make_model(body={**DEEP, "bn": True, "do": 0.3}, model_args=None), Begin()
        fit([*cbs, begin], model=model, n_epochs=1)
        return begin

    with_it, without = run(LsuvInit()), run()
    assert with_it.modes == without.modes
    assert all(grad is None for grad in with_it.grads)
    running = [key for key in without.weights if "running" in key or "num_batches" in key]
    assert running
    assert all(torch.equal(with_it.weights[key], without.weights[key]) for key in running)


def test_nobody_elses_random_numbers_move(fit, make_model):
    class Draw:
        def __init__(self):
            self.drawn = []

        def on_batch_begin(self, fit_params):
            self.drawn += [fit_params.x.clone(), torch.rand(2), torch.tensor(fit_params.rng.normal(size=2))]

    draws = []
    outside = torch.get_rng_state()
    for cbs in ([], [LsuvInit()]):
        draw = Draw()
        fit([*cbs, draw], model=make_model(body={**DEEP, "do": 0.3}, model_args=None), n_epochs=2)
        draws.append(draw.drawn)
    assert len(draws[0]) == len(draws[1]) == 36
    assert all(torch.equal(a, b) for a, b in zip(*draws, strict=True))
    assert torch.equal(torch.get_rng_state(), outside)


def test_dropout_acts_as_in_training(fit, make_model):
    """Over many masks the variance is unit, as dropout's share of it is taken into account."""

    class Often:
        def on_train_begin(self):
            self.stds = []

        def on_batch_begin(self, fit_params):
            if not self.stds:
                torch.manual_seed(1)
                self.stds = [list(measure(fit_params.model.model, fit_params.x).values()) for _ in range(200)]

    body, often = {"name": "fully_connected", "depth": 2, "width": 200, "do": 0.5}, Often()
    fit([LsuvInit(std_tol=0.02), often], model=make_model(body=body, model_args=None), n_epochs=1)
    variances = torch.tensor(often.stds).square().mean(0)
    assert variances[:2].tolist() == pytest.approx([1, 1], abs=0.25)  # without, the second is 2


def test_it_is_reproducible_and_follows_the_seed(fit, make_model):
    weights = []
    for seed in (1, 1, 2):
        begin = Begin()
        fit([LsuvInit(), begin], model=make_model(), n_epochs=1, seed=seed)
        weights.append(begin.weights)
    first, same, other = (list(entry.values()) for entry in weights)
    assert all(torch.equal(a, b) for a, b in zip(first, same, strict=True))
    assert not torch.equal(first[0], other[0])


def test_the_input_mask_is_followed(fit, make_model, begin):
    model = make_model(cont_subsample_rate=0.5, model_args=None, body=DEEP)
    fit([LsuvInit(), begin], model=model, n_epochs=1)
    assert begin.weights["1.layers.0.0.weight"].shape == (12, 1)
    assert list(begin.stds.values()) == pytest.approx([1] * 5, abs=0.1)


def test_event_weights_play_no_part(fit, make_model):
    weights = []
    for train_on_weights in (True, False):
        begin = Begin()
        fit([LsuvInit(), begin], model=make_model(), n_epochs=1, train_on_weights=train_on_weights)
        weights.append(list(begin.weights.values()))
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))


class ConvHead(MatrixHead):
    """A convolution over the objects of a matrix, beside the flat inputs."""

    def __init__(self, cont_feats):
        super().__init__([], ["j0", "j1", "j2"], ["px", "py"])
        self.feat_map, self.n_flat = {}, len(cont_feats)
        self.conv = nn.Conv1d(2, 5, 2)
        self.feat_map = self.map_to_all()

    def forward(self, x):
        matrix, _ = self.get_matrix(x)
        return self.conv(matrix.transpose(1, 2)).flatten(1).relu()

    def get_out_size(self):
        return 10


def test_matrices_and_convolutions(tmp_path, begin):
    rng = np.random.default_rng(1)
    options = {
        "matrix_feats": {
            "present_feats": [f"j{i}_{feat}" for i in range(3) for feat in ("px", "py")],
            "vecs": ["j0", "j1", "j2"], "missing": [], "feats_per_vec": ["px", "py"], "row_wise": True, "shape": (3, 2),
        }
    }  # fmt: skip
    with FoldFileWriter(tmp_path / "a.hdf5", cont_feats=["a"], targ_feats="y", **options) as file:
        for i in range(3):
            matrix = rng.normal(3, 5, size=(16, 3, 2))
            matrix[::4, 2] = np.nan
            file.append(i, inputs=rng.normal(size=(16, 1)), targets=rng.integers(0, 2, 16), matrix_inputs=matrix)
    with FoldYielder(tmp_path / "a.hdf5") as fy:
        model = Model(ModelBuilder.from_fy(fy, "classification", head=ConvHead, body=DEEP, seed=1))
        model.fit(1, fy, 8, cbs=[LsuvInit(), begin], visible_bar=False, seed=1)
    assert list(begin.stds.values()) == pytest.approx([1] * 6, abs=0.1)
    kernel = begin.weights["0.conv.weight"].flatten(1)
    gram = kernel.T @ kernel
    torch.testing.assert_close(gram / gram[0, 0], torch.eye(4), rtol=1e-5, atol=1e-5)


class Every:
    def on_train_begin(self):
        self.seen = []

    def on_fold_begin(self, fit_params):
        if fit_params.state == "train":
            self.seen.append(fit_params.model.get_weights()["2.dense.weight"])


def test_it_acts_once_on_a_new_model_and_leaves_a_trained_one_alone(fit, make_model, caplog):
    lsuv, before, after, model = LsuvInit(), Every(), Every(), make_model()
    for first in (False, True):
        fit([before, lsuv, after], model=model, n_epochs=2)
        same = [torch.equal(a, b) for a, b in zip(before.seen, after.seen, strict=True)]
        assert same == [first, True, True, True]
        assert ("leaves the model alone" in caplog.text) is first


def test_a_loaded_model_is_left_alone(fit, make_model, tmp_path):
    loaded, given = Model.from_save(make_model().save(tmp_path / "own")), make_model()
    given.set_weights(given.get_weights())
    for model in (loaded, given):
        before, begin = model.get_weights(), Every()
        fit([LsuvInit(), begin], model=model, n_epochs=1)
        assert torch.equal(begin.seen[0], before["2.dense.weight"])


def test_a_resumed_fit_does_not_begin_again(fit, make_model, tmp_path):
    models = [make_model() for _ in range(3)]
    fit(LsuvInit(), model=models[0], cb_savepath=tmp_path / "whole", resume=True)
    fit(LsuvInit(), model=models[1], cb_savepath=tmp_path / "parts", resume=True, n_epochs=1)
    fit(LsuvInit(), model=models[2], cb_savepath=tmp_path / "parts", resume=True)
    whole, resumed = models[0].get_weights(), models[2].get_weights()
    assert all(torch.equal(value, resumed[key]) for key, value in whole.items())


def dead(n_in):
    layers = nn.Sequential(nn.Linear(n_in, 4), nn.ReLU(), nn.Linear(4, 4))
    nn.init.constant_(layers[0].bias, -100.0)
    return layers


def infinite(n_in):
    layers = nn.Sequential(nn.Linear(n_in, 4), nn.Linear(4, 4))
    nn.init.constant_(layers[0].bias, float("inf"))
    return layers


@pytest.mark.parametrize(
    ("network", "layer", "std"),
    [(dead, "1.net.2", "0.*the largest is 0.5"), (infinite, "1.net.0", "nan.*the largest is inf")],
)
def test_a_layer_whose_outputs_do_not_vary_is_refused_and_the_model_stays(fit, make_own, network, layer, std):
    model = make_own(network)
    if network is dead:
        nn.init.constant_(model.model[1].net[2].bias, 0.5)
    before = model.get_weights()
    with pytest.raises(DataError, match=f"the outputs of {layer} have a standard deviation of {std}") as caught:
        fit(LsuvInit(), model=model)
    assert "look for inputs that do not vary" in str(caught.value)
    assert all(torch.equal(value, before[key]) for key, value in model.get_weights().items())


def test_inputs_that_do_not_vary_are_refused(tmp_path):
    with FoldFileWriter(tmp_path / "a.hdf5", cont_feats=["a"], targ_feats="y") as file:
        for i in range(2):
            file.append(i, inputs=np.full((16, 1), 3.1), targets=np.arange(16) % 2)
    with FoldYielder(tmp_path / "a.hdf5") as fy:
        model = Model(ModelBuilder.from_fy(fy, "classification", body="ident_body", seed=1))
        with pytest.raises(DataError, match=r"outputs of 2\.dense have a standard deviation of \S+ on a batch"):
            model.fit(1, fy, 8, cbs=LsuvInit(), visible_bar=False)


def test_too_few_attempts_are_logged(fit, make_own, begin, caplog):
    """Biases that spread by more than one deviation cannot be scaled away."""

    def biased(n_in):
        layer = nn.Linear(n_in, 4)
        layer.bias.data = torch.tensor([-5.0, 5.0, -5.0, 5.0])
        return layer

    with caplog.at_level(logging.WARNING):
        fit([LsuvInit(max_attempts=3), begin], model=make_own(biased), n_epochs=1)
    assert "after 3 attempts the outputs of 1.net have a standard deviation of 5" in caplog.text
    assert begin.stds["2.dense"] == pytest.approx(1, abs=0.1)


def test_nothing_to_initialise_is_logged(fit, make_model, caplog):
    model = make_model(body="ident_body", model_args=None, freeze_tail=True, freeze_head=True)
    model.head.register_parameter("other", nn.Parameter(torch.zeros(1)))
    with caplog.at_level(logging.WARNING), pytest.raises(RuntimeError, match="does not require grad"):
        fit(LsuvInit(), model=model)
    assert "lsuv_init has nothing to initialise" in caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"needed_std": 0}, "needed_std must be positive, got 0"),
        ({"needed_std": "1"}, "needed_std must be positive"),
        ({"std_tol": -0.1}, "std_tol must be positive"),
        ({"std_tol": float("nan")}, "std_tol must be positive"),
        ({"max_attempts": 0}, "max_attempts must be a positive integer"),
        ({"max_attempts": 1.5}, "max_attempts must be a positive integer"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        LsuvInit(**options)
