"""Checkpoints that are not what they should be are refused, with what to do."""

import pickle

import pytest
import torch

from lumin_core.errors import ConfigError, SavedModelError
from lumin_plugin_weaver import ParticleNet, WeaverData, WeaverHead, from_weaver, read_checkpoint

PAPER_LIKE = {"name": "particle_net", "k": 4}


class Opens:
    """Would open a file if it were unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.fixture
def state(fixtures):
    return read_checkpoint(fixtures / "paper_like.pt")


def test_a_checkpoint_runs_no_code(tmp_path):
    for number, save in enumerate((torch.save, lambda content, path: path.write_bytes(pickle.dumps(content)))):
        path, touched = tmp_path / f"{number}.pt", tmp_path / f"touched{number}"
        save({"fc.weight": Opens(touched)}, path)
        with pytest.raises(SavedModelError, match="cannot be read as weights alone"):
            read_checkpoint(path)
        assert not touched.exists()


@pytest.mark.parametrize("content", [[torch.ones(1)], {"epoch": 3}])
def test_what_is_not_tensors_by_name_is_refused(content, tmp_path):
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(SavedModelError, match="holds no state_dict: expected tensors by name"):
        read_checkpoint(tmp_path / "other.pt")


def test_a_file_that_is_none_or_is_not_there_is_refused(tmp_path):
    (tmp_path / "text.pt").write_text("weights")
    for name in ("text.pt", "none.pt"):
        with pytest.raises(SavedModelError, match="cannot be read as weights alone"):
            read_checkpoint(tmp_path / name)


def test_a_bare_network_and_one_for_fine_tuning_are_read_too(state):
    expected = ParticleNet.convert(state)
    bare = {name.removeprefix("mod."): tensor for name, tensor in state.items()}
    tuning = {name.replace("mod.fc.1.", "fc_out."): tensor for name, tensor in state.items()}
    for other in (bare, tuning):
        found = ParticleNet.convert(other)
        assert found.options == expected.options
        assert found.state.keys() == expected.state.keys()
        assert torch.equal(found.last[0], expected.last[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: {"blocks.0.weight": torch.ones(1)}, "not a ParticleNet of weaver's: there is no edge_convs"),
        (lambda state: state | {"mod.cls_token": torch.ones(1)}, r"mod\.cls_token is not known"),
        (lambda state: {k: v for k, v in state.items() if "fc.1" not in k}, "it has no last dense layer"),
    ],
)
def test_other_networks_are_refused(change, message, state):
    with pytest.raises(SavedModelError, match=message):
        ParticleNet.convert(change(state))


def test_the_number_of_neighbours_must_be_said(fixtures, data, write):
    with pytest.raises(ConfigError, match=r"no checkpoint tells k of particle_net, .* weaver's network file"):
        from_weaver(fixtures / "paper_like.pt", data, write(), {"name": "particle_net"})


def test_a_name_alone_and_particles_as_columns_are_refused(fixtures, data, write):
    with pytest.raises(ConfigError, match="network must be a dict"):
        from_weaver(fixtures / "paper_like.pt", data, write(), "particle_net")
    with pytest.raises(ConfigError, match="a matrix with a particle a row: matrix_row_wise=True"):
        from_weaver(fixtures / "paper_like.pt", data, write(name="columns", matrix_row_wise=False), PAPER_LIKE)


def test_data_that_were_not_scaled_so_are_refused(fixtures, data, write):
    for number, chain in enumerate(({}, {"matrix": []})):
        fy = write(name=f"plain{number}", preprocessing=chain)
        with pytest.raises(ConfigError, match="does not record the scaling of the checkpoint"):
            from_weaver(fixtures / "paper_like.pt", data, fy, PAPER_LIKE)


def test_variables_of_another_configuration_are_refused(fixtures, write):
    data = WeaverData.read(fixtures / "jets.yaml", roles=["points"])
    with pytest.raises(ConfigError, match="does not record the scaling of the checkpoint"):
        from_weaver(fixtures / "paper_like.pt", data, write(), PAPER_LIKE)


def test_labels_of_another_network_are_refused(fixtures, data, write):
    import attrs

    with pytest.raises(ConfigError, match="has 2 labels, a, b, and the checkpoint 3 classes"):
        from_weaver(fixtures / "paper_like.pt", attrs.evolve(data, labels=["a", "b"]), write(), PAPER_LIKE)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "positive whole numbers are needed, got k or a width=0"),
        ({"k": [3, 3]}, "k must be one number or one for each of 1 convolutions"),
        ({"widths": []}, "widths must be a list of widths for each convolution"),
        ({"widths": [8]}, "widths must be a list of widths for each convolution"),
        ({"fusion": -1}, "positive whole numbers are needed"),
    ],
)
def test_options_of_the_network_are_checked(options, message):
    with pytest.raises(ConfigError, match=message):
        ParticleNet({"points": 2, "features": 3}, **{"k": 2, "widths": [[8]], "dense": [4], **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inputs": {"features": ["a", "b"]}}, "ParticleNet reads points too, and is given features"),
        ({"inputs": {"points": ["a", "z"], "features": ["a"]}}, r"inputs\['points'\] names z, and particles have a, b"),
        ({"length": 0}, "length=0"),
    ],
)
def test_options_of_the_head_are_checked(options, message):
    with pytest.raises(ConfigError, match=message):
        WeaverHead([], ["p0", "p1", "p2"], ["a", "b"], **{**WeaverHead.example_options, **options})
