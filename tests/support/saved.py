"""Models that were trained and saved, and their files' headers, to be changed."""

import json
import struct

import pytest
from safetensors.torch import load_file, save_file

from lumin_core import Model


@pytest.fixture
def trained(fy, make_builder):
    def run(**options):
        model = Model(make_builder(fy, **options))
        model.fit(1, fy, 8, seed=1)
        return model

    return run


@pytest.fixture
def saved(trained, tmp_path):
    return trained().save(tmp_path / "model")


def read_header(path):
    """Give our JSON out of a safetensors file, without its check sum, which 0.1 did not write."""
    header = json.loads(raw_header(path)["__metadata__"]["lumin"])
    header.pop("crc32", None)
    return header


def raw_header(path):
    content = path.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + size])


def rewrite(path, target, change):
    """Write a copy whose JSON header was changed."""
    header = read_header(path)
    changed = change(header)
    save_file(load_file(path), target, metadata={"lumin": json.dumps(header if changed is None else changed)})
    return target
