"""Makes `configuration.md` of the settings themselves: `make docs` writes it, a test compares it."""

import ast
import inspect
from collections.abc import Iterator
from typing import Any, cast

import msgspec

from concierge_proto import settings
from concierge_proto.settings import model

HEAD = """\
# Configuration

One TOML file, `concierge.toml`. A key that is not on this page is refused, with its path; so is a value of
another type. `concierge config check` says whether a file is understood, `concierge init` writes a first one.

- **Durations** are written `500ms`, `30s`, `5m`, `1h30m`, `7d`; **sizes** `512k`, `128m`, `2g`.
- **Secrets** never stand in the file: a key that ends in `_file` names a file that holds one, one a line.
- **The environment** overrides the file: `CONCIERGE_NATS__URL=nats://bus:4222` is `url` in `[nats]`, and
  `CONCIERGE_SERVICES__WEB__MAX=9` is `max` in `[services.web]`. Two underscores go one table down.
- The **courier** reads none of this. It lives in the application's container and takes flags and environment:
  see `concierge-courier run --help`.

This page is made of `proto/src/concierge_proto/settings/model.py` by `make docs`; don't edit it by hand.
"""


def page() -> str:
    """Return the page."""
    tree = ast.parse(inspect.getsource(model))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    shown = [node for node in classes if node.name not in {"_Section", "Settings"}]
    return HEAD + "".join(_section(node) for node in sorted(shown, key=_place))


def _place(node: ast.ClassDef) -> tuple[int, str]:
    """Sections stand as their roots do in `Settings`, a table before those inside it."""
    path = _title(node)[0].strip("`[]")
    return model.Settings.__struct_fields__.index(path.partition(".")[0]), path


def _title(node: ast.ClassDef) -> tuple[str, str]:
    title, _, about = " ".join((ast.get_docstring(node) or "").split()).partition(":")
    return title.rstrip("."), about


def _section(node: ast.ClassDef) -> str:
    title, about = _title(node)
    rows = "".join(_row(field, _docs(node)) for field in _fields(node) if not _is_table(field.type))
    said = about.strip()
    return (
        f"\n## {title}\n\n{said[:1].upper()}{said[1:]}{chr(10) * 2 if said else ''}"
        f"| key | type | default | meaning |\n|---|---|---|---|\n{rows}"
    )


def _fields(node: ast.ClassDef) -> Iterator[msgspec.inspect.Field]:
    shape = cast("msgspec.inspect.StructType", msgspec.inspect.type_info(getattr(model, node.name)))
    yield from shape.fields


def _docs(node: ast.ClassDef) -> dict[str, str]:
    """Field to the text that follows its declaration."""
    found = {}
    for declared, after in zip(node.body, node.body[1:], strict=False):
        match declared, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = " ".join(text.split())
    return found


def _row(field: msgspec.inspect.Field, docs: dict[str, str]) -> str:
    meaning = docs.get(field.name, "").replace("|", "\\|")
    return f"| `{field.encode_name}` | {_type(field.type)} | {_default(field)} | {meaning} |\n"


def _is_table(kind: msgspec.inspect.Type) -> bool:
    """Whether it has a section of its own."""
    match kind:
        case msgspec.inspect.StructType():
            return True
        case msgspec.inspect.VarTupleType(item_type=inner) | msgspec.inspect.DictType(value_type=inner):
            return _is_table(inner)
        case msgspec.inspect.UnionType(types=types):
            return any(_is_table(arm) for arm in types)
    return False


def _type(kind: msgspec.inspect.Type) -> str:
    match kind:
        case msgspec.inspect.LiteralType(values=values):
            return " or ".join(f"`{value}`" for value in values)
        case msgspec.inspect.VarTupleType(item_type=inner) | msgspec.inspect.DictType(value_type=inner):
            return f"{'table' if isinstance(kind, msgspec.inspect.DictType) else 'list'} of {_type(inner)}"
        case msgspec.inspect.UnionType(types=types):
            return " or ".join(_type(arm) for arm in types if not isinstance(arm, msgspec.inspect.NoneType))
        case msgspec.inspect.CustomType(cls=cls):
            return cls.__name__.lower()
        case msgspec.inspect.IntType(ge=least):
            return "integer" if least is None else f"integer ≥ {least}"
    return {"StrType": "text", "BoolType": "true or false", "FloatType": "number"}[type(kind).__name__]


def _default(field: msgspec.inspect.Field) -> str:
    if field.required:
        return "**required**"
    made = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    return "" if made in ("", (), {}, None) else f"`{_value(made)}`"


def _value(made: Any) -> str:
    if isinstance(made, settings.Duration):
        return _units(made, (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)))
    if isinstance(made, settings.Size):
        return _units(made, (("g", 1024**3), ("m", 1024**2), ("k", 1024), ("", 1)))
    if isinstance(made, tuple):
        return "[" + ", ".join(_value(item) for item in made) + "]"
    return msgspec.json.encode(made).decode()


def _units(amount: float, units: tuple[tuple[str, int], ...]) -> str:
    unit, size = next(
        (unit, size) for unit, size in units if (amount >= size and amount % size == 0) or size == 1
    )
    return f"{amount / size:g}{unit}"
