"""Tables of case.toml as strict pydantic models: reading them, and what to say of mistakes.

`parse` validates and reports; it never raises for a user's mistake.
"""

import copy
import types
import typing

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from ekm3d.case.toml_text import MISSING
from ekm3d.suggest import suggest


class Table(BaseModel):
    """A TOML table: unknown keys are mistakes, nothing is converted on the sly."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @field_validator("*", mode="wrap")
    @classmethod
    def _unread(cls, value, read):
        return value if value is MISSING else read(value)


def Q(kind):
    """A float field in the SI unit of `kind`; takes text with a unit or a bare SI number."""
    return typing.Annotated[float, BeforeValidator(kind.read),
                            Field(examples=[f'"{kind.example}"'])]


def parse(model, data, problems, path=()):
    """The data as a `model`, with UNREAD for every value that is missing or wrong.

    Adds what is wrong to `problems`, placed under `path`.
    """
    data = copy.deepcopy(data)
    while True:
        try:
            return model.model_validate(data)
        except ValidationError as e:
            for error in e.errors(include_url=False):
                if error["input"] is not MISSING:
                    problems.add((*path, *error["loc"]), _message(model, error))
                if not error["loc"]:
                    return MISSING
                _blank(data, error)


def _blank(data, error):
    """Replace the wrong value by UNREAD, or what holds it if that has been done already."""
    place = error["loc"]
    if error["input"] is MISSING:
        place = place[:-1]
    for key in place[:-1]:
        data = data[key]
        if data is MISSING:
            return
    if error["type"] == "extra_forbidden":
        data.pop(place[-1], None)
    else:
        data[place[-1]] = MISSING


def _message(model, error):
    """What is wrong and what would be right, in words of the case file."""
    kind, key, got = error["type"], error["loc"][-1] if error["loc"] else "", error["input"]
    if kind == "extra_forbidden":
        return "unknown key" + suggest(key, _model_at(model, error["loc"][:-1]).model_fields)
    if kind == "missing":
        field = _model_at(model, error["loc"][:-1]).model_fields[key]
        if field.examples:
            return f"is missing; write e.g. {key} = {field.examples[0]}"
        return f"is missing; the case needs a table [{'.'.join(map(str, error['loc']))}]"
    if kind == "value_error":
        return error["msg"].removeprefix("Value error, ")
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return f"should be a table, not {got!r}"
    if kind == "bool_type":
        return f"should be true or false, not {got!r}"
    if kind == "list_type":
        return f"should be a list in brackets, not {got!r}"
    if kind == "string_type":
        return f"should be text in quotes, not {got!r}"
    return error["msg"].replace("Input should", "should") + f", not {got!r}"


def _model_at(model, path):
    """The model that describes the table at `path`."""
    for key in path:
        if isinstance(key, str):
            model = _table_of(model.model_fields[key].annotation)
    return model


def _table_of(annotation):
    """The Table in an annotation such as list[Layer] or Strips | None."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias) \
            and issubclass(annotation, Table):
        return annotation
    found = [_table_of(a) for a in typing.get_args(annotation)]
    return next((f for f in found if f), None)
