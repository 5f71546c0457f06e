"""What sanitizing costs beside nh3 and others, what hostile text costs, and whether ordinary text comes back equal.

Run: ``python benchmarks/sanitize.py [--strings N] [--quick]``. Peers (bleach, justhtml, lxml-html-clean, turbohtml)
are measured where they are installed; all get the same allow-list. Ratios are to ``nh3.Cleaner`` in the same
interleaved rounds, of this process's own time.
"""

from __future__ import annotations

import argparse
import importlib
import json
import random
import re
import statistics
import time
from collections.abc import Callable, Iterator

import nh3

from tradecore.sanitize import html, markdown, payload, plain
from tradecore.sanitize.html import ATTRIBUTES, SCHEMES, TAGS

ROUNDS = 9
LIMIT_MS, DOUBLING, PLAIN, MIXED, LEAVES = 60.0, 2.6, 0.6, 1.7, 0.3

Clean = Callable[[str], object]

HOSTILE: dict[str, Callable[[int], str]] = {
    "nested divs": lambda size: "<div>" * (size // 5),
    "formatting opened anew": lambda size: "".join(f"<b a={n}>" for n in range(size // 20)) + "<p>" * (size // 6),
    "attributes of one tag": lambda size: "<a" + "".join(f" a{n}" for n in range(size // 7)) + ">",
    "tags in tags": lambda size: "<" * (size // 4) + "<b>" + "b>" * (size // 3),
    "never closed": lambda size: "<a href=" * (size // 8),
    "comments": lambda size: "<!--" * (size // 4),
    "character references": lambda size: "<p>" + "&amp;&lt;b&gt;" * (size // 14),
    "closing tags": lambda size: "<i><div>" * (size // 16) + "</i>" * (size // 8),
    "tables in tables": lambda size: "<table><td>" * (size // 11),
    "links": lambda size: "[a](" * (size // 8) + "]:" * (size // 4),
    "backslashes": lambda size: "\\" * size,
    "fences": lambda size: "~~~~x\n~~~\n" * (size // 10),
}


def text(size: int) -> str:
    return ("Filled 10 AAPL at 189.50 after the opening range broke out and held. " * (size // 60))[:size]


def mixed(size: int) -> str:
    piece = (
        '<p>Filled <b>10 AAPL</b> at 189.50 &amp; <a href="https://desk.example/o/17?x=1">held</a>, stop < 187.</p>\n'
        "<ul><li>risk 0.5 %</li><li onclick=alert(1)>target 2R</li></ul> entry after the opening range broke out\n"
    )
    return piece * (size // len(piece) + 1)


def alert() -> dict[str, object]:
    words = {f"field_{n}": f"value {n} of an alert" for n in range(18)}
    return {**words, "ticker": "AAPL", "comment": "Opening range broke out & held above 189.50"}


def timed(cleans: dict[str, Clean], given: str, calls: int) -> dict[str, float]:
    """Return the median microseconds of each, all of them in every round."""
    times: dict[str, list[float]] = {name: [] for name in cleans}
    for _ in range(ROUNDS):
        for name, clean in cleans.items():
            start = time.process_time()
            for _ in range(calls):
                clean(given)
            times[name].append((time.process_time() - start) / calls * 1e6)
    return {name: statistics.median(measured) for name, measured in times.items()}


def kept(value: float, limit: float) -> str:
    return f"{'kept' if value <= limit else 'MISSED'} ({limit:g})"


def peers() -> Iterator[tuple[str, Clean]]:
    attributes = {tag: set(names) for tag, names in ATTRIBUTES.items()}
    strict = {tag: sorted(names) for tag, names in ATTRIBUTES.items()}
    makers: dict[str, Callable[[], Clean]] = {
        "bleach": lambda: (
            importlib.import_module("bleach").Cleaner(tags=TAGS, attributes=strict, protocols=SCHEMES, strip=True).clean
        ),
        "lxml": lambda: (
            importlib.import_module("lxml_html_clean")
            .Cleaner(allow_tags=TAGS, remove_unknown_tags=False, safe_attrs=set().union(*attributes.values()))
            .clean_html
        ),
        "turbohtml": lambda: _turbohtml(attributes),
        "justhtml": lambda: _justhtml(strict),
    }
    for name, make in makers.items():
        try:
            yield name, make()
        except (ImportError, AttributeError, TypeError) as error:
            print(f"  ({name} is left out: {error})")


def _turbohtml(attributes: dict[str, set[str]]) -> Clean:
    room = importlib.import_module("turbohtml.clean")
    policy = room.Policy(tags=frozenset(TAGS), attributes={tag: frozenset(names) for tag, names in attributes.items()})
    sanitizer = room.Sanitizer(policy)
    return lambda given: sanitizer.sanitize(given)


def _justhtml(attributes: dict[str, list[str]]) -> Clean:
    room = importlib.import_module("justhtml")
    policy = room.SanitizationPolicy(allowed_tags=TAGS, allowed_attributes=attributes)
    return lambda given: room.JustHTML(given, fragment=True, policy=policy).to_html()


def throughput() -> None:
    strip = nh3.Cleaner(tags=set())
    allow = nh3.Cleaner(
        tags=set(TAGS),
        attributes={"*": set(), **{tag: set(names) for tag, names in ATTRIBUTES.items()}},
        url_schemes=set(SCHEMES),
    )
    others = dict(peers())
    print("\nThroughput: nh3 in microseconds, the others relative to it")
    for size, calls in ((1_000, 300), (100_000, 3)):
        for kind, given in (("plain", text(size)), ("mixed", mixed(size))):
            found = timed({"nh3": strip.clean, "plain": plain}, given, calls)
            ratio = found["plain"] / found["nh3"]
            limit = PLAIN if kind == "plain" else MIXED
            verdict = kept(ratio, limit) if size == 1_000 else ""
            print(
                f"  strip all  {kind} {size // 1000:4} KB   nh3 {found['nh3']:8.1f}   plain() {ratio:5.2f}  {verdict}"
            )
            found = timed({"nh3": allow.clean, "html()": html, "markdown()": markdown, **others}, given, calls)
            told = "   ".join(f"{name} {found[name] / found['nh3']:5.2f}" for name in found if name != "nh3")
            print(f"  allow-list {kind} {size // 1000:4} KB   nh3 {found['nh3']:8.1f}   {told}")


def leaves() -> None:
    strip, given = nh3.Cleaner(tags=set()), alert()
    cleans: dict[str, Clean] = {
        "nh3": lambda _: [strip.clean(str(leaf)) for leaf in given.values()],
        "payload": lambda _: payload(given),
        "raw": lambda body: payload(body),
        "json": lambda body: json.loads(body),
    }
    found = timed(cleans, json.dumps(given), 300)
    ratio = found["payload"] / found["nh3"]
    print(f"\nAn alert of 20 fields, {len(json.dumps(given))} bytes (microseconds)")
    print(
        f"  nh3 a leaf {found['nh3']:.1f}   payload(value) {found['payload']:.1f}   payload(bytes) {found['raw']:.1f}"
    )
    print(f"  json.loads {found['json']:.1f}   payload(value) to nh3 {ratio:.2f}  {kept(ratio, LEAVES)}")


def seconds(clean: Clean, given: str) -> float:
    start = time.process_time()
    clean(given)
    return time.process_time() - start


def grown(clean: Clean, make: Callable[[int], str]) -> tuple[float, float]:
    """Return the milliseconds for 100 KB, and how many times that 200 KB take: medians of rounds that do both."""
    small, large = make(100_000), make(200_000)
    rounds = [(seconds(clean, small), seconds(clean, large)) for _ in range(2 * ROUNDS)]
    return statistics.median(one for one, _ in rounds) * 1e3, statistics.median(two / one for one, two in rounds)


def hostile() -> None:
    print("\nHostile text: milliseconds for 100 KB, and how many times that 200 KB take; nh3 for comparison")
    worst, steepest = 0.0, 0.0
    strip = nh3.Cleaner(tags=set())
    for family, make in HOSTILE.items():
        shown = []
        for name, clean in (("plain", plain), ("html", html), ("markdown", markdown)):
            spent, times = grown(clean, make)
            worst, steepest = max(worst, spent), max(steepest, times)
            shown.append(f"{name} {spent:6.2f} x{times:4.2f}")
        alone = seconds(strip.clean, make(100_000)) * 1e3
        print(f"  {family:24} {'   '.join(shown)}   nh3 {alone:8.1f}")
    print(f"  worst {worst:.1f} ms  {kept(worst, LIMIT_MS)}   steepest x{steepest:.2f}  {kept(steepest, DOUBLING)}")


def identity(count: int) -> None:
    """Ordinary text in many scripts, with every sign that markup is made of, comes back equal."""
    rng = random.Random(20_260_105)
    signs = "<>&;'\"#=/!?-`[](){}\\|~^%$@*_+:., \n\t"
    letters = "abcXYZ019" + "".join(map(chr, range(0xC0, 0x250))) + "אבגمرحبا買いたい한국어🚀📈‌‍"
    markup, changed, tried = re.compile(r"<[A-Za-z/!?]"), 0, 0
    while tried < count:
        given = "".join(rng.choice(signs if rng.random() < 0.4 else letters) for _ in range(rng.randrange(1, 60)))
        if markup.search(given):
            continue
        tried += 1
        changed += plain(given) != given
    altered = sum(nh3.clean_text(given) != given for given in ("AT&T", "price < 5", "a/b"))
    print(f"\nIdentity: {tried:,} strings without markup, {changed} changed  {kept(changed, 0)}; nh3 {altered} of 3")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strings", type=int, default=100_000)
    parser.add_argument("--quick", action="store_true", help="one round and 1,000 strings: only to see that it runs")
    arguments = parser.parse_args()
    ROUNDS = 1 if arguments.quick else ROUNDS
    print(f"nh3 {nh3.__version__}")
    throughput()
    leaves()
    hostile()
    identity(1_000 if arguments.quick else arguments.strings)
