import torch

from lumin_core import Model
from lumin_plugin_callbacks import EpochSaver


def test_every_epoch_is_kept(fit, tmp_path):
    seen = {}

    class Look:
        def on_epoch_end(self, fit_params):
            seen[fit_params.epoch] = fit_params.model.get_weights()

    for val_idx in (2, None):
        fit([EpochSaver(), Look()], n_epochs=2, val_idx=val_idx)
        files = sorted(path.name for path in (tmp_path / "cbs").iterdir())
        assert files == ["epoch_1.safetensors", "epoch_2.safetensors"]
        for epoch, weights in seen.items():
            saved = Model.from_save(tmp_path / "cbs" / f"epoch_{epoch}").get_weights()
            assert all(torch.equal(value, weights[key]) for key, value in saved.items())
