"""Formulas of LaTeX with the signs that plain text has: Greek letters, sums, fractions in a row."""

from __future__ import annotations

import re
import unicodedata

_SIGNS = {
    "cdot": "·", "times": "×", "sum": "Σ", "prod": "Π", "in": "∈", "sqrt": "√", "le": "≤", "leq": "≤", "ge": "≥",
    "geq": "≥", "neq": "≠", "ne": "≠", "not": "not ", "approx": "≈", "infty": "∞", "pm": "±", "leftarrow": "←",
    "rightarrow": "→", "to": "→", "lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉", "quad": " ", "qquad": " ",
    "ldots": "...", "dots": "...", "cdots": "...", "mid": "|", "partial": "∂", "nabla": "∇", "ell": "l", "top": "T",
    "varepsilon": "ε", "varphi": "φ", "lVert": "‖", "rVert": "‖", "Vert": "‖", "lvert": "|", "rvert": "|", "bf": "",
    "left": "", "right": "", "big": "", "Big": "", "vec": "", "hat": "\u0302", "widehat": "\u0302", "tilde": "\u0303",
    "bar": "\u0304",
}  # fmt: skip
_GROUP = r"\{((?:[^{}]|\{[^{}]*\})*)\}"
_OPEN, _CLOSE = "\ue000", "\ue001"  # stand for braces that are to be seen


def formula(text: str) -> str:
    r"""Write a formula of LaTeX as plain text.

    Args:
        text: The formula, without ``$``.

    Example:
        >>> from lumin_core.cli.formula import formula
        >>> formula(r"\frac{n}{K \sum_{i \in c} w_i} \hat y_\text{main}, \Delta\phi \in [0, \pi)")
        'n / (K Σ_(i ∈ c) w_i) ŷ_main, Δφ ∈ [0, π)'
    """
    text = (
        text.replace(r"\{", _OPEN).replace(r"\}", _CLOSE).replace(r"\_", "_").replace(r"\not=", "≠").replace("`", "'")
    )
    text = re.sub(r"\\(?:begin|end)\{\w+\}|\\rule\{[^{}]*\}\{[^{}]*\}|\\hspace\{[^{}]*\}", "", text)
    text = re.sub(r"\\(?:text|textit|textbf|math[a-z]+|operatorname)\s*" + _GROUP, r"\1", text)
    for _ in range(3):  # fractions of fractions
        text = re.sub(r"\\frac\s*" + _GROUP + r"\s*" + _GROUP, lambda f: f"{_one(f[1])} / {_one(f[2])}", text)
    text = re.sub(r"\\\\(\[[^]]*\])?|\\[,:;! ]|&", " ", text)
    text = re.sub(r"\\([A-Za-z]+)( ?)", lambda found: _sign(found[1]) + found[2], text)
    text = re.sub(r"([_^])" + _GROUP, lambda found: found[1] + _one(found[2]), text)
    text = re.sub("([\u0302\u0303\u0304])[ {]*(\\w)", r"\2\1", text)  # accents stand behind their letter
    text = re.sub(r"[{}]", "", text).replace(_OPEN, "{").replace(_CLOSE, "}")
    return unicodedata.normalize("NFC", re.sub(r"(?<=\S) {2,}", " ", text).rstrip())


def _one(text: str) -> str:
    """Put what is not one word in parentheses."""
    return text if re.fullmatch(r"\\?\w*", text) else f"({text})"


def _sign(name: str) -> str:
    if name in _SIGNS:
        return _SIGNS[name]
    size = "CAPITAL" if name[0].isupper() else "SMALL"
    spelled = name.upper().replace("LAMBDA", "LAMDA")  # as Unicode spells it
    try:
        return unicodedata.lookup(f"GREEK {size} LETTER {spelled}")
    except KeyError:
        return name  # a function: log, max
