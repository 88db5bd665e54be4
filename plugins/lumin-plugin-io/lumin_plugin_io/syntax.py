"""The characters of an expression, looked at before it is parsed.

What other languages write (``&&``, ``||``, ``!``, ``=``) is refused with what Python writes; so is
what would nest so deeply, or read so ambiguously, that it must not come to a parser.
"""

from __future__ import annotations

import keyword
import re
from itertools import pairwise
from typing import TYPE_CHECKING

from lumin_core.errors import ConfigError
from lumin_plugin_io.pointing import pointed

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 10_000
"""Characters that an expression may have."""

DEEPEST = 50
"""Levels of brackets, signs, powers and calls within each other."""

ALLOWED = "there are operators, comparisons, 'and', 'or', 'not', 'in', indices, functions, branches, numbers and text"

_WORDS = {"and", "or", "not", "in", "is", "True", "False", "None"}
_TOKEN = re.compile(
    r"""(?P<foreign>&&|\|\||:=|::|===|!==|=(?!=)|!(?!=))
      | (?P<text>'[^'\n\\]*' | "[^"\n\\]*")
      | (?P<number>0[xX][\da-fA-F_]+ | (?:\d[\d_]*\.?[\d_]* | \.\d[\d_]*)(?:[eE][+-]?\d+)?)
      | (?P<word>[^\W\d]\w*)
      | (?P<operator>\*\*|//|<<|>>|<=|>=|==|!=|[-+*/%<>&|^~()\[\]{},.])
      | (?P<space>\s+)""",
    re.VERBOSE,
)
_MEANT = {
    "&&": "did you mean 'and'?",
    "||": "did you mean 'or'?",
    "!": "did you mean 'not'?",
    "=": "did you mean '=='?",
    "===": "did you mean '=='?",
    "!==": "did you mean '!='?",
    "if": "write where(condition, x, y)",
    "else": "write where(condition, x, y)",
    "?": "write where(condition, x, y)",
    ":": "an index is one number, x[0], or a condition, x[x > 30]",
    "::": 'write functions by their names alone, abs(x); a branch of that name is col("a::b")',
    "$": "write len(x), sum(x), min(x), max(x)",
    '"': "text has to end with the quote that it begins with",
    "'": "text has to end with the quote that it begins with",
    "\\": "text is written without backslashes",
    "#": "an expression has no comments",
}


def check_characters(text: str, what: str) -> None:
    """Refuse an expression that is empty, too long, too deep, or has what no expression has.

    Args:
        text: The expression, in one line.
        what: What it is, for the message.

    Raises:
        ConfigError: Pointing at the place.

    Example:
        >>> from lumin_plugin_io.syntax import check_characters
        >>> check_characters("nJet > 2 && met > 30", "selection")
        Traceback (most recent call last):
        lumin_core.errors.ConfigError: selection: '&&' is not allowed; did you mean 'and'?
            nJet > 2 && met > 30
                     ^^
    """
    if not text:
        raise ConfigError(f"{what}: an expression is needed, got an empty text")
    if len(text) > LONGEST:
        raise ConfigError(f"{what}: an expression has at most {LONGEST:,} characters, got {len(text):,}")
    tokens = [token for token in _tokens(text, what) if token.lastgroup != "space"]
    for token, following in pairwise(tokens):
        if wrong := _clash(token, following):
            raise ConfigError(pointed(f"{what}: {wrong}", text, token.start(), following.end()))
    _check_depth(tokens, text, what)


def too_deep(what: str) -> ConfigError:
    """Return the error for an expression that is nested too deeply.

    Example:
        >>> from lumin_plugin_io.syntax import too_deep
        >>> str(too_deep("selection")).partition(",")[0]
        'selection: an expression is nested at most 50 deep'
    """
    return ConfigError(
        f"{what}: an expression is nested at most {DEEPEST} deep, got more; "
        "give parts of it names of their own, as columns of the file"
    )


def _tokens(text: str, what: str) -> Iterator[re.Match[str]]:
    place = 0
    while place < len(text):
        token = _TOKEN.match(text, place)
        found = token.group() if token else text[place]
        is_keyword = keyword.iskeyword(found) and found not in _WORDS
        if token is None or token.lastgroup == "foreign" or is_keyword:
            meant = _MEANT.get(found, ALLOWED) + (f"; a branch of that name is col({found!r})" if is_keyword else "")
            message = f"{what}: {found!r} is not allowed; {meant}"
            raise ConfigError(pointed(message, text, place, place + len(found)))
        yield token
        place = token.end()


def _clash(token: re.Match[str], following: re.Match[str]) -> str | None:
    """Say what is wrong with two neighbours that Python would read as one thing."""
    kinds = token.lastgroup, following.lastgroup
    touch = token.end() == following.start()
    if kinds == ("text", "text"):
        return "a comma is missing between texts"
    if kinds == ("word", "text") and touch and token.group() not in _WORDS:
        return f"{token.group()!r} before a text is not allowed; text is written in plain quotes"
    if token.lastgroup == "number" and following.lastgroup in ("word", "number") and touch:
        return "a number is followed by something else; an operator or a space is missing"
    return None


def _check_depth(tokens: list[re.Match[str]], text: str, what: str) -> None:
    """Count brackets, and the signs, powers and ``not`` that Python reads from right to left."""
    levels, depth, is_after_value = [0], 0, False
    for token in tokens:
        found = token.group()
        if found in ("(", "[", "{"):
            depth += 1
            levels.append(depth)
        elif found in (")", "]", "}"):
            depth = max(0, levels.pop() - 1) if len(levels) > 1 else 0
        elif found == "**" or found == "not" or (found in ("-", "+", "~") and not is_after_value):
            depth += 1
        elif token.lastgroup == "operator" or found in _WORDS - {"True", "False", "None"}:
            depth = levels[-1]
        if depth > DEEPEST:
            raise ConfigError(pointed(str(too_deep(what)), text, token.start(), token.end()))
        is_after_value = _is_value(token)


def _is_value(token: re.Match[str]) -> bool:
    """Tell whether a token ends a value, so that a sign after it stands between two."""
    if token.lastgroup == "operator":
        return token.group() in (")", "]", "}")
    return token.group() not in ("and", "or", "not", "in", "is")
