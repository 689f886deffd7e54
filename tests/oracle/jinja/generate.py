"""Writes tests/data/chat/jinja2.json: what Jinja2, set up as transformers sets it up, makes of the templates in cases.py and families.py.

Needs Python 3.11 and Jinja2 3.1.6 (pip install jinja2==3.1.6). The result is in the repository; run this only to add cases.
"""
import copy
import datetime
import json
import pathlib

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

import cases
import families

NOW = datetime.datetime(2024, 7, 9, 5, 4, 3)
TARGET = pathlib.Path(__file__).resolve().parents[2] / "data" / "chat" / "jinja2.json"


class Generation(Extension):
    """The block that transformers adds; it renders its body as a call block."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("_render"), [], [], body).set_lineno(line)

    def _render(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def strftime_now(format):
    return NOW.strftime(format)


ENVIRONMENT = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
ENVIRONMENT.filters["tojson"] = tojson
ENVIRONMENT.globals["raise_exception"] = raise_exception
ENVIRONMENT.globals["strftime_now"] = strftime_now


def render(template, variables):
    """The text, or the error as a pair of kind and message."""
    try:
        return {"expected": ENVIRONMENT.from_string(template).render(**copy.deepcopy(variables))}
    except (jinja2.TemplateSyntaxError, SyntaxError):
        return {"error": "TemplateSyntaxError"}
    except Exception as e:
        return {"error": f"{type(e).__name__}: {e}"}


def main():
    lines = []
    texts = ["{{ " + line + " }}" for line in cases.EXPRESSIONS.strip("\n").split("\n")] + cases.TEMPLATES
    for text in dict.fromkeys(texts):
        result = render(text, cases.VALUES)
        if " at 0x" in json.dumps(result):
            raise SystemExit(f"the result holds an address: {text!r}")
        lines.append({"template": text, **result})
    conversations = []
    for name, text in families.TEMPLATES.items():
        for variables in families.CONVERSATIONS:
            conversations.append({"name": name, "variables": variables, **render(text, variables)})
    document = {
        "reference": f"jinja2 {jinja2.__version__}, set up as transformers does, at {NOW}",
        "variables": cases.VALUES,
        "cases": lines,
        "families": families.TEMPLATES,
        "conversations": conversations,
    }
    text = json.dumps(document, ensure_ascii=False, indent=1)
    TARGET.write_text(text + "\n", encoding="utf-8")
    print(len(lines), "cases,", len(conversations), "conversations,", sum("error" in c for c in lines + conversations), "errors")


if __name__ == "__main__":
    main()
