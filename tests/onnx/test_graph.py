"""What torch says of its own workings is kept back, and the cause of a failure is found."""

import logging
import sys
import warnings

from lumin_plugin_onnx.graph import _quiet, _reason


def test_torchs_own_words_are_kept_back_and_all_is_as_before(capsys, recwarn):
    logger = logging.getLogger("torch")
    level = logger.level
    with _quiet():
        sys.stdout.write("printed")
        sys.stderr.write("written")
        warnings.warn("warned", stacklevel=1)
        assert logger.level == logging.ERROR
    assert capsys.readouterr() == ("", "")
    assert not recwarn.list
    assert logger.level == level


def test_the_reason_is_the_deepest_cause_without_colours_and_short():
    error = ValueError("outer")
    error.__cause__ = RuntimeError("\x1b[31mred\x1b[0m " + "word " * 200)
    assert _reason(error).startswith("red word word")
    assert len(_reason(error)) <= 300
    assert _reason(KeyError()) == "KeyError"
