"""Markdown as its source: raw HTML is shown as text, and links lead to web and mail addresses only.

The second layer. Renderers read one source in many ways, so what a renderer made goes through :func:`html` as well.
"""

from __future__ import annotations

import re

from .characters import characters

__all__ = ["markdown"]

_ADDRESS = r"(?:https?://|mailto:)[^\s<>\"'`\\\]]+"
_ALLOWED = re.compile(_ADDRESS, re.IGNORECASE)
# A destination may stand on the next line, in a quotation behind its ">".
_GAP = r"[ \t]*+(?:\n[ \t>]*+)?"
_ANGLED = r"<(?:\\.|[^<>\n\\\]])*+>"
# The destination of a link behind "](", of a definition behind "]:". It ends before the next bracket, behind which
# another one may begin: renderers that give up on the first try the second.
_WORD = r"(?:[^\s()\]]|\((?:[^\s()\]]|\([^\s()\]]*+\))*+\))"
_LINK = re.compile(rf"\]\(({_GAP})({_ANGLED}{_WORD}*+|{_WORD}++)")
_DEFINITION = re.compile(rf"\]:({_GAP})({_ANGLED}[^\s\]]*+|[^\s\]]++)")
# What makes a definition more than a word behind a colon: "[INFO]: filled" is a sentence.
_LEADS_AWAY = re.compile(r"[a-z][a-z0-9+.-]*:|[/\\]|.*(?:\\|&\#\w|&(?!lt;)\w+;)", re.IGNORECASE)
# Markup that is no autolink; and a backslash before it, which would make the entity's "&" a character of its own.
_RAW = rf"<(?=[A-Za-z/!?])(?!{_ADDRESS}>)"
_HTML = re.compile(_RAW, re.IGNORECASE)
_ESCAPED = re.compile(rf"(?<!\\)((?:\\\\)*+)\\(?={_RAW})", re.IGNORECASE)
# What some renderer may take for the beginning of code, and what all of them do.
_FENCE_LIKE = re.compile(r"[ \t>*+\-0-9.)]*(?:`{3}|~{3})")
_FENCE = re.compile(r"(`{3,}|~{3,})[ \t]*[\w#.+-]*[ \t]*\n?\Z")


def markdown(source: str) -> str:
    """Return Markdown that renders without raw HTML and without dangerous links; calling it twice changes nothing more.

    ``<b>`` is shown as it is written. Links, images, reference definitions and autolinks lead to absolute ``http``,
    ``https`` and ``mailto`` addresses, any other target becomes ``#``. Code between fences that begin in the first
    column is left as it is; a fence that is never closed is no fence.

    Args:
        source: of any size; the time grows no faster than it.

    Raises:
        InvalidInput: it is no text.
    """
    text = characters(source)
    if "<" not in text and "](" not in text and "]:" not in text:
        return text
    return "".join(part if is_code else _safe(part) for is_code, part in _parts(text))


def _parts(text: str) -> list[tuple[bool, str]]:
    """Cut the source into fenced code (its fences not included) and the rest.

    One fence that renderers may read in different ways, and they disagree about where the next one opens and closes:
    from there on no code is taken for code.
    """
    lines = text.splitlines(keepends=True)
    parts: list[tuple[bool, str]] = []
    rest: list[str] = []
    place, agreed = 0, True
    while place < len(lines):
        line = lines[place]
        rest.append(line)
        place += 1
        if agreed and _FENCE_LIKE.match(line):
            fence = _FENCE.match(line)
            end = None if fence is None else _closing(lines, place, fence[1])
            if end is None:
                agreed = False
            else:
                parts += [(False, "".join(rest)), (True, "".join(lines[place:end]))]
                rest, place = [lines[end]], end + 1
    return [*parts, (False, "".join(rest))]


def _closing(lines: list[str], place: int, fence: str) -> int | None:
    closing = re.compile(rf" {{0,3}}{fence[0]}{{{len(fence)},}}[ \t]*\n?\Z")
    return next((number for number in range(place, len(lines)) if closing.match(lines[number])), None)


def _safe(part: str) -> str:
    if "](" in part:
        part = _LINK.sub(_link, part)
    if "]:" in part:
        part = _DEFINITION.sub(_definition, part)
    if "\\<" in part:
        part = _ESCAPED.sub(r"\1", part)
    return _HTML.sub("&lt;", part) if "<" in part else part


def _link(found: re.Match[str]) -> str:
    return f"]({found[1]}{_target(found[2])}"


def _definition(found: re.Match[str]) -> str:
    address = found[2]
    if _LEADS_AWAY.match(address.strip("< ")):
        return f"]:{found[1]}{_target(address)}"
    if address.startswith("<") and not address.endswith(">"):
        address = f"&lt;{address[1:]}"  # what follows could make it a destination all the same
    return f"]:{found[1]}{address}"


def _target(written: str) -> str:
    bare = written[1:-1] if written.startswith("<") and written.endswith(">") else written
    return written if _ALLOWED.fullmatch(bare) else "#"
