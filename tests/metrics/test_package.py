from __future__ import annotations

import subprocess
import sys

import pytest

import lumin_plugin_metrics


def test_every_public_name_loads():
    for name in lumin_plugin_metrics.__all__:
        assert getattr(lumin_plugin_metrics, name).__doc__
        assert name in dir(lumin_plugin_metrics)
    with pytest.raises(AttributeError, match="nonsense"):
        lumin_plugin_metrics.nonsense  # noqa: B018


def test_import_is_lazy_and_needs_no_sklearn():
    code = (
        "import sys, lumin_plugin_metrics\n"
        "assert 'numpy' not in sys.modules\n"
        "lumin_plugin_metrics.roc_auc_score\n"
        "assert 'sklearn' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
