import copy
from functools import partial

import pytest

from lumin_core import registry
from lumin_core.errors import BrokenPlugin, ConfigError, UnknownComponent
from lumin_core.registry import build, register, resolve, to_config

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


class Options:
    def __init__(self, n_in, width=3, *, act="relu"):
        self.n_in, self.width, self.act = n_in, width, act


class Anything:
    def __init__(self, first=1, **others):
        self.first, self.others = first, others


class ByPosition:
    def __init__(self, first, /, second=2): ...


class Quiet:
    def on_train_begin(self): ...


def half_squared(y_pred, y, scale=0.5):
    return scale * (y_pred - y) ** 2


@pytest.fixture(autouse=True)
def session():
    with registry.temporary():
        register("initialiser", obj=Options)
        register("initialiser", obj=Anything)
        register("initialiser", obj=ByPosition)
        register("loss", obj=half_squared)
        yield


@pytest.mark.parametrize(
    "spec",
    [
        {"name": "options", "width": 4},
        {"name": "session/Options", "width": 4},
        partial(Options, width=4),
        partial(partial(Options, width=5), width=4),
    ],
)
def test_build_takes_every_form(spec):
    built = build("initialiser", spec, n_in=2)
    assert (type(built), built.n_in, built.width, built.act) == (Options, 2, 4, "relu")


@pytest.mark.parametrize("spec", ["options", Options, {"name": "options"}, partial(Options)])
def test_build_passes_of_the_given_what_the_signature_names(spec):
    built = build("initialisers", spec, n_in=2, act="tanh", feat_map={}, kind="x", spec="y")
    assert (built.n_in, built.width, built.act) == (2, 3, "tanh")


def test_build_takes_a_function_where_a_kind_has_no_base():
    assert build("initialiser", partial(dict, a=1), a_given=2) == {"a": 1}

    def make(width=1):
        return width

    assert build("initialiser", make, width=2) == 2


def test_build_makes_a_new_object_each_time():
    spec = {"name": "options", "width": 4}
    assert build("initialiser", spec, n_in=1) is not build("initialiser", spec, n_in=1)


def test_build_changes_no_specification():
    spec = {"name": "anything", "nested": {"name": "relu", "list": [1, {"a": 2}]}}
    before = copy.deepcopy(spec)
    build("initialiser", spec)
    resolve("initialiser", spec)
    to_config("initialiser", spec)
    assert spec == before


def test_options_of_the_user_go_into_keyword_arguments_but_given_ones_do_not():
    built = build("initialiser", {"name": "anything", "depth": 2}, width=3, first=7)
    assert (built.first, built.others) == (7, {"depth": 2})


@pytest.mark.parametrize("form", ["name", "partial"])
def test_unknown_options_are_refused_with_suggestion(form):
    spec = {"name": "options", "widht": 4} if form == "name" else partial(Options, widht=4)
    for attempt in (lambda: build("initialiser", spec, n_in=1), lambda: resolve("initialiser", spec)):
        with pytest.raises(ConfigError, match=r"no option 'widht'; did you mean 'width'\? .*n_in, width, act"):
            attempt()


def test_an_option_given_twice_is_refused_naming_both_places():
    with pytest.raises(
        ConfigError, match=r"'n_in' of the initialiser .*comes twice: 5 in its options, and 2 from what builds"
    ):
        build("initialiser", {"name": "options", "n_in": 5}, n_in=2)


def test_options_by_position_are_refused():
    with pytest.raises(ConfigError, match="keywords only"):
        build("initialiser", partial(Options, 3))
    with pytest.raises(ConfigError, match="takes first by position only"):
        build("initialiser", "by_position")


@pytest.mark.parametrize("spec", [{"width": 4}, {}, {"name": 3}, {"name": Options}, {"name": "options", 3: 4}])
def test_a_dict_needs_a_name(spec):
    with pytest.raises(ConfigError, match="an initialiser as a dict has its name under 'name'"):
        build("initialiser", spec)


@pytest.mark.parametrize("spec", [None, 3, ["relu"], ("relu",), {"relu"}, b"relu", torch.nn.ReLU()])
def test_other_specifications_are_refused_with_what_is_allowed(spec):
    with pytest.raises(
        ConfigError, match=r"an activation is given as a name, a dict with 'name'.*, or a function; got"
    ):
        build("activation", spec)


@pytest.mark.parametrize("spec", [3, None, [Quiet()], len, lambda: None])
def test_other_specifications_of_callbacks_are_refused(spec):
    with pytest.raises(ConfigError, match="or an instance; got"):
        build("callback", spec)


def test_the_class_must_be_of_the_kind():
    for spec in (Options, partial(Options), torch.nn.Linear):
        with pytest.raises(ConfigError, match=r"an optimiser must be a subclass of torch\.optim\.Optimizer"):
            build("optimiser", spec)


def test_a_plugins_object_must_be_of_the_kind(install):
    install(
        "bad",
        {"optimisers": {"fake": "bad_one:Fake"}, "initialisers": {"number": "bad_one:x"}},
        modules={"bad_one": "class Fake: ...\nx = 3"},
    )
    with pytest.raises(BrokenPlugin, match=r"bad_one:Fake, the optimiser 'bad/fake', is not a subclass of torch.optim"):
        build("optimiser", "fake")
    with pytest.raises(BrokenPlugin, match="is not a class or a function: 3"):
        build("initialiser", "number")


def test_instances_are_returned_as_they_are():
    quiet, loss = Quiet(), torch.nn.MSELoss()
    assert build("callback", quiet) is quiet
    assert build("loss", loss, reduction="none") is loss
    assert build("loss", half_squared) is half_squared
    with pytest.raises(ConfigError, match="a metric is given as"):
        build("metric", quiet)


def test_a_named_loss_function_is_the_loss_itself():
    assert build("loss", "half_squared") is half_squared
    assert build("loss", {"name": "half_squared", "scale": 2})(3, 1) == 8
    assert build("loss", resolve("loss", {"name": "half_squared", "scale": 2}))(3, 1) == 8
    assert resolve("loss", "half_squared")() is half_squared
    with pytest.raises(ConfigError, match="no option 'scael'; did you mean 'scale'"):
        build("loss", {"name": "half_squared", "scael": 2})


def test_resolve_gives_a_partial_that_builds():
    made = resolve("initialiser", {"name": "options", "width": 7})
    assert (made.func, made.args, made.keywords) == (Options, (), {"width": 7})
    assert build("initialiser", made, n_in=1).width == 7
    with pytest.raises(UnknownComponent):
        resolve("initialiser", "no_such_initialiser")


@pytest.mark.parametrize(
    ("kind", "spec"), [("callback", Quiet()), ("loss", torch.nn.MSELoss()), ("loss", half_squared)]
)
def test_resolve_refuses_instances(kind, spec):
    with pytest.raises(ConfigError, match="an instance would be shared between models"):
        resolve(kind, spec)


def test_errors_of_constructors_pass_through():
    @register("initialiser", "fails")
    def make():
        raise ZeroDivisionError("from inside")

    with pytest.raises(ZeroDivisionError, match="from inside"):
        build("initialiser", "fails")
