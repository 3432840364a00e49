"""Writes c3d/c3d.h and ops.inc from c3d/api.h, so that C has the structs of C++ and nothing is written twice.

``python csrc/c/make_header.py`` writes both; with ``--check`` it says whether they are what it would write.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
API = ROOT / "include/c3d/api.h"
TEMPLATE = ROOT / "c/c3d.h.in"
HEADER = ROOT / "include/c3d/c3d.h"
GLUE = ROOT / "c/ops.inc"
WIDTH = 127
ENUM = re.compile(r"^enum class (\w+)(?: : int32_t)? \{([^}]*)\};$", re.MULTILINE)
CONSTANT = re.compile(r"^constexpr int(?:32_t)? k(\w+) = ([^;]+);(.*)$", re.MULTILINE)
STRUCT = re.compile(r"((?:^//[^\n]*\n)*)^struct (Camera|\w+Args) \{\n(.*?)^\};$", re.MULTILINE | re.DOTALL)
OP = re.compile(r"^C3D_API Status (\w+)\(const (\w+)& args, const Context& context\);$", re.MULTILINE)
DEFAULT = re.compile(r" = (\{[^}]*\}|[\w:]+)")


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def enums_of(api: str) -> dict[str, list[str]]:
    return {name: [part.split("=")[0].strip() for part in body.split(",")] for name, body in ENUM.findall(api)}


def spelled(enum: str, value: str) -> str:
    """Bare status codes: C3D_OK; others with their kind: C3D_FEAT_TYPE_FLOAT32."""
    kind = "" if enum == "StatusCode" else f"{snake(enum)}_"
    return f"C3D_{kind}{snake(value[1:])}".upper()


def in_c(text: str) -> str:
    """What comments of C++ name, as C has it."""
    text = re.sub(r"\bnullptr\b", "NULL", text)
    text = re.sub(r"\bc3d::cpu::", "c3d_", text)
    text = re.sub(r"\bkSurface\b", "C3D_COMPOSITOR_SURFACE", text)
    text = re.sub(r"\bkNearest\b", "C3D_SAMPLING_NEAREST", text)
    return re.sub(r"\bkMax(\w+)", lambda found: f"C3D_MAX_{snake(found[1]).upper()}", text)


def comment_lines(text: str) -> list[str]:
    return [in_c(line) for line in text.splitlines()]


def field(line: str, enums: dict[str, list[str]]) -> str:
    """A line of a struct without its defaults, which all are zero, but for a camera's pose."""
    code, mark, comment = line.partition("//")
    for default in DEFAULT.findall(code):
        zero = (
            default in ("nullptr", "0") or default.startswith("{") or default.split("::")[-1] in {v[0] for v in enums.values()}
        )
        if not zero:
            raise SystemExit(f"api.h: {code.strip()!r} has the default {default}, which no C struct of zeros has")
    code = DEFAULT.sub("", code).rstrip()
    for enum in enums:
        code = re.sub(rf"\b{enum}\b", "int32_t", code)
        if re.search(rf"\b{enum}\b", line):
            choices = ", ".join(spelled(enum, value) for value in enums[enum])
            mark, comment = "//", f" {choices}{';' if comment else ''}{comment}"
    code = in_c(re.sub(r"\b(Camera|\w+Args)\b", lambda found: f"c3d_{snake(found[1])}", code))
    return f"{code}  //{in_c(comment)}" if mark and code else f"{code}{'  //' + in_c(comment) if mark else ''}"


def names_of(body: str) -> list[str]:
    names: list[str] = []
    for line in body.splitlines():
        code = DEFAULT.sub("", line.partition("//")[0]).strip().rstrip(";")
        if code:
            names += [re.findall(r"\w+", re.sub(r"\[\w+\]", "", part))[-1] for part in code.split(",")]
    return names


def struct(comment: str, name: str, body: str, enums: dict[str, list[str]]) -> str:
    lines = comment_lines(comment)
    told = snake(name)
    lines.append(f"typedef struct c3d_{told} {{")
    lines += [field(line, enums) for line in body.splitlines()]
    lines.append(f"}} c3d_{told};")
    return "\n".join(lines)


def made() -> dict[Path, str]:
    api = API.read_text()
    enums = enums_of(api)
    structs = STRUCT.findall(api)
    ops = list(dict.fromkeys(OP.findall(api)))
    missing = {name for _, name in ops} - {name for _, name, _ in structs}
    if not ops or missing:
        raise SystemExit(f"api.h: expected a struct for every op, found none of {sorted(missing)}")
    values = ["// A call's answer, and its choices."]
    for enum, names in enums.items():
        values.append(f"enum {{ {', '.join(f'{spelled(enum, value)} = {n}' for n, value in enumerate(names))} }};")
    for name, value, comment in CONSTANT.findall(api):
        values.append(f"#define C3D_{snake(name).upper()} ({value}){'  ' + comment.strip() if comment.strip() else ''}")
    parts = {
        "VALUES": "\n".join(values),
        "STRUCTS": "\n\n".join(struct(*found, enums) for found in structs),
        "OPS": "\n".join(
            f"C3D_API c3d_status c3d_{op}(c3d_context* context, const c3d_{snake(args)}* args);" for op, args in ops
        ),
    }
    header = re.sub(r"@(\w+)@", lambda found: parts[found[1]], TEMPLATE.read_text())
    glue = ["// Made by make_header.py: that the structs of C are those of C++, and what calls the ops."]
    for _, name, body in structs:
        glue.append(f"C3D_SAME_SIZE({name}, c3d_{snake(name)})")
        glue += [f"C3D_SAME_PLACE({name}, c3d_{snake(name)}, {of})" for of in names_of(body)]
    glue += [f"C3D_CALL({op}, {args}, c3d_{snake(args)})" for op, args in ops]
    return {HEADER: header, GLUE: "\n".join(glue) + "\n"}


def main() -> None:
    for path, text in made().items():
        if sys.argv[1:] == ["--check"]:
            if not path.exists() or path.read_text() != text:
                raise SystemExit(f"{path.relative_to(ROOT.parent)} is not what api.h says: run python csrc/c/make_header.py")
        else:
            path.write_text(text)


if __name__ == "__main__":
    main()
