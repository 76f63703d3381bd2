"""Reads what arrives by its model: straight where each value comes as it should.

Models say what a shape is; this reads the same faster. For each set of names with which objects of
a shape come, a function is written once, from the model's own fields: straight code costs a quarter
of a loop over them, and of the model. Where a value is odd, so that it may become another or be
refused, the model reads all of the object: only it knows how, and what to say. Both give the same,
which a property and the fuzzer hold.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from types import MappingProxyType, NoneType, UnionType
from typing import (
    Annotated,
    Any,
    ClassVar,
    Final,
    Literal,
    NamedTuple,
    TypeAlias,
    Union,
    get_args,
    get_origin,
)

from annotated_types import MaxLen, MinLen
from msgspec import defstruct
from pydantic import AfterValidator, AliasChoices, FailFast, PlainValidator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from models.mparticle.values import IF_READABLE, SCALARS, Arriving, Ordinary

Said: TypeAlias = dict[str, Any]
"""A shape's fields that say something, and what; shapes inside it are such in their turn."""

EXTRA: Final = "model_extra"
"""The name under which a shape keeps all that has no field, if it takes such."""

NO_SHAPE: Mapping[str, Any] = MappingProxyType({})
"""Stands for a shape that is not there, and says nothing."""

# Objects of one shape come with some dozens of sets of names, none of them long. Whoever makes up
# more is read by the model: a function costs half a millisecond, and stays.
_MOST_FUNCTIONS = 500
_MOST_NAMES = 100
_MOST_LETTERS = 2_000
# The model says it all again where one fault is found.
_UNDERSTOOD = (MinLen, MaxLen, AfterValidator, FailFast)
_NOTHING: tuple[Any, ...] = (None, {}, [], ())
# Names that conditions may use.
_KNOWN: Mapping[str, Any] = MappingProxyType({"SCALARS": SCALARS, "TEXT": frozenset({str})})


class OddError(Exception):
    """An object has an odd value: only the model knows what to make of it."""


class Way(NamedTuple):
    """The way to read a value: as the first condition that holds says, else by a call.

    A call may raise; without one anything is read as it is. `reads_none` says whether None is given
    to the call.
    """

    ordinary: Sequence[Ordinary]
    call: Callable[[Any], Any] | None
    reads_none: bool = True


class Field(NamedTuple):
    """A field, the names under which it may stand, and how it is read; None: by the model only."""

    name: str
    spellings: Sequence[str]
    way: Way | None
    is_required: bool
    is_sparse: bool
    default: Any


class Reader:
    """Reads objects of one shape."""

    # The parameters of functions, in Python.
    _arguments: ClassVar[str] = "written"

    def __init__(self, model: type[Arriving]) -> None:
        self._model = model
        # Names that the functions' Python may use.
        self._known: Mapping[str, Any] = _KNOWN
        self._fields = [_field(name, info) for name, info in model.model_fields.items()]
        self._takes_extra = model.model_config.get("extra") == "allow"
        # By the names of an object, in their order.
        self._functions: dict[tuple[str, ...], Callable[..., Any]] = {}

    def read(self, written: Any) -> Said:
        """Returns what an object says; raises ValidationError."""
        try:
            said: Said = self.straight(written)
        except (OddError, PydanticCustomError):
            return self.by_model(written)
        return said

    def straight(self, written: Any) -> Any:
        """Returns what an object says, as its function does; raises OddError, PydanticCustomError.

        Either means that the model is to read the object, if it is one.
        """
        if type(written) is not dict:
            raise OddError
        return self.function(written)(written)

    def by_model(self, written: Any) -> Said:
        """Returns what an object says, as the model reads it; raises ValidationError."""
        return _said(self._model.__pydantic_validator__.validate_python(written))

    def function(self, written: Mapping[str, Any]) -> Callable[..., Any]:
        """Returns the function that reads objects with the names of this one."""
        names = tuple(written)
        return self._functions.get(names) or self._first(names)

    def _first(self, names: tuple[str, ...]) -> Callable[..., Any]:
        is_long = len(names) > _MOST_NAMES or sum(map(len, names)) > _MOST_LETTERS
        if is_long or len(self._functions) >= _MOST_FUNCTIONS:
            return _refuse
        self._functions[names] = function = self._written(names)
        return function

    def _written(self, names: tuple[str, ...]) -> Callable[..., Any]:
        unread = dict.fromkeys(names)
        absent: Said = {}
        lines: list[str] = []
        calls: dict[str, Any] = {}
        for field in self._fields:
            found = [name for name in field.spellings if name in unread]
            if not field.spellings or (field.is_required and not found):
                return _refuse
            if not found:
                absent[field.name] = field.default
                continue
            if field.way is None or (self._takes_extra and len(found) > 1):
                return _refuse
            del unread[found[0]]
            call = f"call_{len(calls)}"
            calls[call] = field.way.call
            lines += [*_lines(field.way, found[0], call), *self._keep(field)]
        if self._takes_extra:
            lines += self._keep_extra(list(unread))
        body = "\n    ".join([*self._begin(absent), *lines, *self._end(names, absent)])
        calls.update(self._known)
        exec(f"def function({self._arguments}):\n    {body}", calls)  # noqa: S102 - names are quoted by repr
        function: Callable[..., Any] = calls["function"]
        return function

    def _begin(self, absent: Said) -> Iterable[str]:
        """Yields Python that keeps what the absent fields say, of which it gets the defaults."""
        said = {name: default for name, default in absent.items() if default not in _NOTHING}
        yield f"said = {said!r}"

    def _keep(self, field: Field) -> Iterable[str]:
        """Yields Python that keeps a field's `value`."""
        says_something = "value" if field.is_sparse else "value is not None"
        yield f"if {says_something}: said[{field.name!r}] = value"

    def _keep_extra(self, names: Sequence[str]) -> Iterable[str]:
        """Yields Python that keeps what has no field."""
        if names:
            yield f"said[{EXTRA!r}] = {{each: written[each] for each in {names!r}}}"

    def _end(self, names: Sequence[str], absent: Said) -> Iterable[str]:  # noqa: ARG002 - others need them
        """Yields Python that returns what was read of an object with these names."""
        yield "return said"


@cache
def reader(model: type[Arriving]) -> Reader:
    return Reader(model)


class FrameReader(Reader):
    """Reads objects of one shape into frames: structures with an attribute for each field.

    What says nothing is None there, or empty; what has no field is not kept.
    """

    def __init__(self, model: type[Arriving]) -> None:
        super().__init__(model)
        # With a _ behind, because they are also the names of variables.
        self._names = {name: f"{name}_" for name in model.model_fields}
        self._frame = defstruct(
            model.__name__, [(name, Any, None) for name in self._names], gc=False
        )
        self._known = {**self._known, "frame": self._frame}

    def frame(self, written: Any) -> Any:
        """Returns what an object says; raises ValidationError."""
        try:
            return self.straight(written)
        except (OddError, PydanticCustomError):
            said = self.by_model(written)
            said.pop(EXTRA, None)
            return self._frame(**said)

    def _keep_extra(self, names: Sequence[str]) -> Iterable[str]:  # noqa: ARG002 - of no matter
        return ()

    def _begin(self, absent: Said) -> Iterable[str]:
        for name, default in absent.items():
            yield f"{self._names[name]} = {default if default not in _NOTHING else None!r}"

    def _keep(self, field: Field) -> Iterable[str]:
        yield f"{self._names[field.name]} = value"

    def _end(self, names: Sequence[str], absent: Said) -> Iterable[str]:  # noqa: ARG002 - as above
        yield f"return frame({', '.join(self._names.values())})"


def _lines(way: Way, name: str, call: str) -> Iterator[str]:
    """Yields Python that reads one field."""
    yield f"value = written[{name!r}]"
    if way.call is None:
        return
    begin = "if"
    for condition, becomes in way.ordinary:
        yield f"{begin} {condition}: {'pass' if becomes == 'value' else f'value = {becomes}'}"
        begin = "elif"
    yield f"{begin} {'True' if way.reads_none else 'value is not None'}: value = {call}(value)"


def _refuse(*_: Any) -> Any:
    raise OddError


def _said(read: Arriving) -> Said:
    said = {
        field: _inside(value)
        for field, info in type(read).model_fields.items()
        if (value := getattr(read, field)) is not None
        and (value or info.exclude_if is None)
        and (field in read.model_fields_set or value not in _NOTHING)
    }
    if read.model_extra:
        said[EXTRA] = read.model_extra
    return said


def _inside(value: Any) -> Any:
    if isinstance(value, Arriving):
        return _said(value)
    if type(value) is list and value and isinstance(value[0], Arriving):
        return [_said(each) for each in value]
    return value


def _field(name: str, info: FieldInfo) -> Field:
    is_required = info.is_required()
    return Field(
        name,
        _spellings(name, info),
        _way(info.annotation, info.metadata),
        is_required,
        info.exclude_if is not None,
        None if is_required else info.get_default(call_default_factory=True),
    )


def _spellings(field: str, info: FieldInfo) -> Sequence[str]:
    """Returns the names of a field, of which the first counts; none if it may stand deeper."""
    alias = info.validation_alias
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias or field]
    names = [each for each in choices if isinstance(each, str)]
    return names if len(names) == len(choices) else ()


def _way(annotation: Any, metadata: Sequence[Any]) -> Way | None:
    """Returns the way a value of that annotation is read; None: by the model only."""
    metadata = [
        each
        for one in metadata
        for each in (one.metadata if isinstance(one, FieldInfo) else (one,))
        if each is not IF_READABLE
    ]
    plain: list[Any] = [each.func for each in metadata if isinstance(each, PlainValidator)]
    after: list[Any] = [each.func for each in metadata if isinstance(each, AfterValidator)]
    if plain:
        return Way([each for each in metadata if isinstance(each, Ordinary)], plain[0])
    if any(not isinstance(each, _UNDERSTOOD) for each in metadata):
        return None
    way = _way_of_type(annotation, metadata)
    if way is None or not after:
        return way
    return Way((), _then(way.call or _as_it_is, after), way.reads_none)


def _way_of_type(annotation: Any, metadata: list[Any]) -> Way | None:
    origin, inside = get_origin(annotation), get_args(annotation)
    way: Way | None = None
    if annotation is Any:
        way = Way((), None)
    elif origin is Annotated:
        way = _way(inside[0], [*inside[1:], *metadata])
    elif origin in (Union, UnionType) and len(inside) == 2 and NoneType in inside:  # noqa: PLR2004 - it, or None
        way = _way(next(each for each in inside if each is not NoneType), metadata)
        way = way._replace(reads_none=False) if way is not None else None
    elif annotation is str:
        least = [f"len(value) >= {each.min_length}" for each in metadata if type(each) is MinLen]
        most = [f"len(value) <= {each.max_length}" for each in metadata if type(each) is MaxLen]
        way = _checked(" and ".join(["type(value) is str", *least, *most]))
    elif origin is Literal:
        way = _checked(f"type(value) is str and value in {inside!r}")
    elif origin is dict and inside == (str, Any):
        way = _checked("type(value) is dict")
    elif isinstance(annotation, type) and issubclass(annotation, Arriving):
        way = Way((), reader(annotation).straight)
    elif origin is list and inside == (str,):
        way = _checked("type(value) is list and TEXT.issuperset(map(type, value))")
    elif origin is list:
        way = _way_of_list(_way(inside[0], []))
    return way


def _way_of_list(of: Way | None) -> Way | None:
    if of is None:
        return None
    return Way((), _list(of.call)) if of.call else _checked("type(value) is list")


def _checked(condition: str) -> Way:
    """Returns the way that reads values as they are if the condition holds, and no others."""
    check: Callable[[Any], bool] = eval(f"lambda value: {condition}", {**_KNOWN})  # noqa: S307 - ours

    def read(value: Any) -> Any:
        if check(value):
            return value
        raise OddError

    return Way((Ordinary(condition),), read)


def _list(call: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def read(value: Any) -> list[Any]:
        if type(value) is list:
            return [call(each) for each in value]
        raise OddError

    return read


def _then(call: Callable[[Any], Any], after: list[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        value = call(value)
        for each in after:
            value = each(value)
        return value

    return read


def _as_it_is(value: Any) -> Any:
    return value
