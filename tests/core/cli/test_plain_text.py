"""Docstrings as plain text, and formulas in it."""

import re
from textwrap import dedent

import pytest

from lumin_core.cli.formula import formula
from lumin_core.cli.plain_text import plain_text, without_markup


@pytest.mark.parametrize(
    ("markup", "plain"),
    [
        ("``lr`` and `Results`", "lr and Results"),
        (":class:`~torch.optim.Adam`, :attr:`weight`", "torch.optim.Adam, weight"),
        (":ref:`accelerators <target>` and :math:`\\sigma^2`", "accelerators and σ^2"),
        ("`Adam <https://a.b/c>`_ or [Adam](https://a.b/c)", "Adam (https://a.b/c) or Adam (https://a.b/c)"),
        ("**bold** and *soft*, but *args, **kwargs, 2 * 3 * 4", "bold and soft, but *args, **kwargs, 2 * 3 * 4"),
        ("see [1]_, int(width * d * rate)", "see [1], int(width * d * rate)"),
    ],
)
def test_markup_goes_and_what_it_was_about_stays(markup, plain):
    assert without_markup(markup) == plain


@pytest.mark.parametrize(
    ("latex", "plain"),
    [
        (r"l = (\hat y - y)^2 / |y|", "l = (ŷ - y)^2 / |y|"),
        (r"\frac{\sum_{k \in \text{one}} p_k}{2}", "(Σ_(k ∈ one) p_k) / 2"),
        (r"\lfloor in/sz \rfloor \leq \lambda \cdot \log x", "⌊ in/sz ⌋ ≤ λ · log x"),
        (r"\{1, \dots, n\}, \frac{1}{\sqrt{n}}", "{1, ..., n}, 1 / (√n)"),
        (r"\widehat{m_t} \not= 0", "m̂_t ≠ 0"),
    ],
)
def test_formulas_have_the_signs_of_plain_text(latex, plain):
    assert formula(latex) == plain


def test_a_docstring_is_wrapped_section_by_section_and_its_code_stays():
    docstring = dedent(r"""
        Weighs events by ``w``, as `Paper`_ does,
        and keeps them:

        .. math:: w \, \frac{n}{K}

        Args:
            first: Which events are weighed, in the order of the file, unless they are not.
                Never all.
            second: The ``other`` ones.

        .. note:: Weights may be
            negative.

        - one
        - two, which is
          longer

        Example:
            >>> x = "``stays``"  # :attr:`as it is`, and is not wrapped, however wide it may be
            >>> x
            '``stays``'

        .. _Paper: https://arxiv.org/abs/1412.6980
        """).strip()
    assert (
        plain_text(docstring, 50)
        == dedent("""
        Weighs events by w, as Paper
        (https://arxiv.org/abs/1412.6980) does, and keeps
        them:

            w n / K

        Args:
            first: Which events are weighed, in the order
                of the file, unless they are not. Never
                all.
            second: The other ones.

        Note: Weights may be negative.

        - one
        - two, which is longer

        Example:
            >>> x = "``stays``"  # :attr:`as it is`, and is not wrapped, however wide it may be
            >>> x
            '``stays``'
        """).strip()
    )


def test_a_literal_block_stays_as_it_is():
    assert plain_text("A tree::\n\n    a\n    `- b\n\nThe end.", 80) == "A tree:\n\n    a\n    `- b\n\nThe end."


def test_nothing_is_said_twice_or_lost():
    words = [f"word{i}" for i in range(60)]
    assert re.findall(r"word\d+", plain_text(" ".join(words), 40)) == words
