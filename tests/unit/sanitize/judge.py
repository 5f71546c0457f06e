"""A second opinion on what is left: Python's own HTML parser, another one than the sanitizer stands on."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from tradecore.sanitize.html import ATTRIBUTES, TAGS

_ADDRESS = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)


class _Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.other: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))

    def handle_endtag(self, tag: str) -> None:
        self.tags.append((tag, []))

    def handle_comment(self, data: str) -> None:
        self.other.append(data)

    handle_decl = handle_pi = unknown_decl = handle_comment  # what is neither tag nor text


def _seen(text: str) -> _Seen:
    parser = _Seen()
    parser.feed(text)
    parser.close()
    return parser


def faults_of_text(text: str) -> list[str]:
    """Return whatever in ``text`` a parser would not take for text."""
    seen = _seen(text)
    begun = re.findall(r"<[A-Za-z/!?]", text)
    return [tag for tag, _ in seen.tags] + seen.other + begun


def faults_of_html(text: str) -> list[str]:
    """Return every tag, attribute and address that the allow-list does not have."""
    seen = _seen(text)
    found = list(seen.other)
    for tag, attributes in seen.tags:
        if tag not in TAGS:
            found.append(tag)
        for name, value in attributes:
            if name not in ATTRIBUTES.get(tag, set()) | ({"rel"} if tag == "a" else set()):
                found.append(f"{tag} {name}")
            if name == "href" and not _ADDRESS.match(value or ""):
                found.append(f"{tag} {name}={value}")
    return found
