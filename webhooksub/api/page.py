"""The description for people: one page without script, font or image of another place."""

import json
from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; --line: #8885; --soft: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
h3 code { font-size: 1rem; }
section { margin: 1.5rem 0; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem;
  border-bottom: 1px solid var(--line); }
pre { background: var(--soft); padding: .8rem; overflow-x: auto; }
code, pre { font: 14px/1.45 ui-monospace, monospace; }
.method { display: inline-block; min-width: 4.5rem; font-weight: 700; }
td:first-child { white-space: nowrap; }
nav td:first-child, td + td code { white-space: normal; overflow-wrap: anywhere; }
"""
#: Nothing is loaded, framed or run.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def render(document: dict[str, Any]) -> bytes:
    """HTML of an OpenAPI document that :func:`describe` made."""
    info, problems = document["info"], document["components"]["responses"]
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(info['title'])}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(info['title'])} <small>{escape(info['version'])}</small></h1>",
        _prose(info["description"]),
        '<p>For programs: <a href="openapi.json">openapi.json</a>, OpenAPI 3.1.</p>',
        _contents(document),
        "<main>",
        "<h2>Operations</h2>",
        *(_operation(*found, problems) for found in _operations(document)),
        "<h2>What subscribers are sent</h2>",
        *(_sent(name, item["post"]) for name, item in document["webhooks"].items()),
        "<h2>Bodies</h2>",
        *(_schema(name, found) for name, found in document["components"]["schemas"].items()),
        "</main></body></html>",
    ]
    return "\n".join(parts).encode()


def _operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]


def _contents(document: dict[str, Any]) -> str:
    rows = [
        f'<tr><td><a href="#{escape(operation["operationId"])}"><code>{escape(method)} '
        f"{escape(path)}</code></a></td><td>{escape(operation['summary'])}</td></tr>"
        for method, path, operation in _operations(document)
    ]
    return f"<nav><table>{''.join(rows)}</table></nav>"


def _operation(method: str, path: str, operation: dict[str, Any], problems: dict[str, Any]) -> str:
    parts = [
        f'<section id="{escape(operation["operationId"])}"><h3><code><span class="method">'
        f"{escape(method)}</span> {escape(path)}</code></h3><p>{escape(operation['summary'])}</p>",
        _parameters(operation.get("parameters", [])),
    ]
    if "requestBody" in operation:
        [content, *_] = operation["requestBody"]["content"].values()
        needed = "" if operation["requestBody"]["required"] else ", may be absent"
        parts.append(f"<p>Body{needed}: {_name(content['schema'])}</p>{_json(content['example'])}")
    for status, response in operation["responses"].items():
        name = response.get("$ref", "").rpartition("/")[2]
        parts.append(_response(status, problems[name] if name else response))
    return "".join(parts) + "</section>"


def _parameters(parameters: list[dict[str, Any]]) -> str:
    if not parameters:
        return ""
    rows = [
        f"<tr><td><code>{escape(p['name'])}</code></td><td>{escape(p['in'])}"
        f"{', required' if p['required'] else ''}</td><td>{_rule(p['schema'])}"
        f"{'<br>' + _prose(p['description'], 'span') if 'description' in p else ''}</td></tr>"
        for p in parameters
    ]
    return f"<table>{''.join(rows)}</table>"


def _response(status: str, response: dict[str, Any]) -> str:
    line = f"<code>{escape(status)}</code> {escape(response['description'])}"
    if not status.startswith("2"):
        return f"<div>{line}</div>"
    if "content" not in response:
        return f"<p>{line}</p>"
    [content] = response["content"].values()
    return f"<p>{line}: {_name(content['schema'])}</p>{_json(content['example'])}"


def _sent(name: str, post: dict[str, Any]) -> str:
    [content] = post["requestBody"]["content"].values()
    shown = content["examples"]
    listed = "".join(f"<li><code>{escape(heard)}</code></li>" for heard in shown)
    first = next(iter(shown.values()))["value"]
    return (
        f"<section><h3><code>{escape(name)}</code></h3><p>Hears:</p><ul>{listed}</ul>"
        f"{_parameters(post['parameters'])}{_json(first)}</section>"
    )


def _schema(name: str, schema: dict[str, Any]) -> str:
    kinds = schema.get("oneOf", [schema])
    body = "<p>or</p>".join(_properties(kind) for kind in kinds)
    return f'<section id="schema-{escape(name)}"><h3>{escape(name)}</h3>{body}</section>'


def _properties(schema: dict[str, Any]) -> str:
    required = schema.get("required", ())
    rows = [
        f"<tr><td><code>{escape(name)}</code></td><td>"
        f"{'required' if name in required else ''}</td><td>{_rule(found)}</td></tr>"
        for name, found in schema["properties"].items()
    ]
    return f"<p>{escape(schema['description'])}</p><table>{''.join(rows)}</table>"


def _rule(schema: dict[str, Any]) -> str:
    """A schema in a line."""
    if "$ref" in schema:
        return _name(schema)
    kind = schema.get("type", "any")
    words = [kind if isinstance(kind, str) else " or ".join(kind)]
    if "items" in schema:
        words.append("of")
    told = escape(" ".join(words))
    if "items" in schema:
        told += " " + _rule(schema["items"])
    if "enum" in schema:
        told += ": " + ", ".join(f"<code>{escape(str(v))}</code>" for v in schema["enum"])
    for name in ("format", "minimum", "maximum", "minLength", "maxLength", "default"):
        if name in schema:
            told += f"; {name} <code>{escape(str(schema[name]))}</code>"
    for flag in ("readOnly", "writeOnly"):
        told += f"; {flag}" if schema.get(flag) else ""
    if "description" in schema:
        told += "<br>" + _prose(schema["description"], "span")
    return told


def _name(schema: dict[str, Any]) -> str:
    name = escape(schema["$ref"].rpartition("/")[2])
    return f'<a href="#schema-{name}">{name}</a>'


def _json(value: Any) -> str:
    return f"<pre>{escape(json.dumps(value, indent=2, ensure_ascii=False))}</pre>"


def _prose(text: str, tag: str = "p") -> str:
    """Paragraphs, with what stands between backticks as code."""
    found = []
    for paragraph in text.split("\n\n"):
        pieces = [
            f"<code>{escape(piece)}</code>" if n % 2 else escape(piece)
            for n, piece in enumerate(paragraph.split("`"))
        ]
        found.append(f"<{tag}>{''.join(pieces)}</{tag}>")
    return "".join(found)
