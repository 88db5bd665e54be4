"""What a component does at import, which some tests make it do, reaches no other test."""

import pytest
import torch


@pytest.fixture(autouse=True)
def defaults():
    dtype, n_threads = torch.get_default_dtype(), torch.get_num_threads()
    yield
    torch.set_default_dtype(dtype)
    torch.set_num_threads(n_threads)
