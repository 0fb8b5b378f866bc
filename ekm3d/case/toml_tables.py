"""Validation of TOML tables by strict pydantic models, with messages in the user's words.

`parse` adds mistakes of the user to the problems; it never raises for them.
"""

import copy
import types
import typing
from typing import Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from ekm3d.case.problems import MISSING, KeyPath, MissingValue, Problems
from ekm3d.case.units import QuantityKind
from ekm3d.quoting import quoted
from ekm3d.suggest import suggest

ROUNDS = 100        # in which the wrong values of a table are found, some behind others
KEY = "[key]"       # of pydantic, in the place of an error in a key


class Table(BaseModel):
    """TOML table: unknown keys are mistakes, and no value is converted implicitly."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)

    @field_validator("*", mode="wrap")
    @classmethod
    def _pass_missing(cls, value, read):
        """Return MISSING as it is; validate any other value."""
        return value if value is MISSING else read(value)


def quantity(kind: QuantityKind) -> tuple[Any, ...]:
    """Return the annotations of a float field in SI: Annotated[float, *quantity(kind)].

    The field takes text with a unit or a bare SI number.
    """
    return BeforeValidator(kind.read), Field(examples=[f'"{kind.example}"'])


def parse(model: type[Table], data: Any, problems: Problems, path: KeyPath = ()) -> Any:
    """Return the data as a `model`, with MISSING for every value that is absent or wrong.

    The mistakes are added to `problems`, placed under `path`.
    """
    data = copy.deepcopy(data)
    for _ in range(ROUNDS):
        try:
            return model.model_validate(data)
        except ValidationError as e:
            for error in e.errors(include_url=False):
                if error["input"] is not MISSING:
                    place = [part for part in error["loc"] if part != KEY]
                    problems.add((*path, *place), _message(model, error))
                if not error["loc"]:
                    return MISSING
                _blank(data, error)
    return MISSING


def parse_whole(model: type[Table], data: Any, problems: Problems, path: KeyPath) -> Any:
    """Return the data as `parse` does; MissingValue where any of its values is wrong."""
    table = parse(model, data, problems, path)
    if table is MISSING or any(value is MISSING for _, value in table):
        raise MissingValue
    return table


def _blank(data, error):
    """Replace the wrong value by MISSING, or its table if that has been done already."""
    place = error["loc"]
    wrong_key = place[-1] == KEY                # of a table with keys of a certain kind
    if error["input"] is MISSING or wrong_key:
        place = place[:-1]
    for key in place[:-1]:
        data = data.get(key, MISSING) if isinstance(data, dict) else data[key]
        if data is MISSING:
            return
    if wrong_key:
        data.pop(place[-1], None)
        return
    if isinstance(data, dict) and place[-1] not in data and error["type"] != "missing":
        return                                  # removed with its key
    if error["type"] == "extra_forbidden":
        data.pop(place[-1], None)
    else:
        data[place[-1]] = MISSING


def _message(model, error):
    """Return the message for an error of pydantic: the mistake and its remedy."""
    kind, key, got = error["type"], error["loc"][-1] if error["loc"] else "", error["input"]
    if kind == "extra_forbidden":
        known = _model_at(model, error["loc"][:-1]).model_fields
        return "unknown key" + (_elsewhere(model, error) or suggest(key, known))
    if kind == "missing":
        field = _model_at(model, error["loc"][:-1]).model_fields[key]
        if field.examples:
            return f"is missing; write e.g. {key} = {field.examples[0]}"
        return f"is missing; the case needs a table [{'.'.join(map(str, error['loc']))}]"
    if kind == "value_error":
        return error["msg"].removeprefix("Value error, ")
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return f"should be a table, not {quoted(got)}"
    if kind == "bool_type":
        return f"should be true or false, not {quoted(got)}"
    if kind == "list_type":
        return f"should be a list in brackets, not {quoted(got)}"
    if kind == "string_type":
        return f"should be text in quotes, not {quoted(got)}"
    return error["msg"].replace("Input should", "should") + f", not {quoted(got)}"


def _elsewhere(model, error):
    """Return "; did you mean 'schedule.stage.1'?" for a key at the top that belongs into a section.

    "" where none, or more than one, has a key of that name.
    """
    (key, *rest), got = error["loc"], error["input"]
    if rest:
        return ""
    sections = [(name, _table_of(field.annotation)) for name, field in model.model_fields.items()
                if typing.get_origin(field.annotation) is not dict]
    found = [f"{name}.{key}" for name, table in sections if table and key in table.model_fields
             and not _is_list(model.model_fields[name].annotation)]
    if len(found) != 1:
        return ""
    number = next(iter(got), "") if isinstance(got, dict) else ""
    return f"; did you mean {quoted(found[0] + f'.{number}' * str(number).isdigit())}?"


def _is_list(annotation):
    """Return True for an annotation of a list."""
    return typing.get_origin(annotation) is list or any(
        map(_is_list, typing.get_args(annotation)))


def _model_at(model, path):
    """Return the model of the table at `path`."""
    named = False                   # the next key is a name: of a dictionary of tables
    for key in path:
        if isinstance(key, str) and not named:
            annotation = model.model_fields[key].annotation
            model, named = _table_of(annotation), typing.get_origin(annotation) is dict
        else:
            named = False
    return model


def _table_of(annotation):
    """Return the Table in an annotation such as list[Layer] or Strips | None."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias) \
            and issubclass(annotation, Table):
        return annotation
    found = [_table_of(a) for a in typing.get_args(annotation)]
    return next((f for f in found if f), None)
