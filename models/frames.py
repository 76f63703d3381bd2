"""Reads records of one model into structs, in a fifth of the time that the model takes.

The model says what a record is. Its frame is made from it: a struct with the same fields, and with
the same answers to what can be asked of a record. What comes in another way than our own writers
write it, and what may be no such record, the model reads: only it knows what else it takes, and
what to say of the rest. So both read the same, which a property holds.
"""

from collections.abc import Callable, Iterator
from functools import cache
from types import FunctionType
from typing import Any, Literal, TypeVar, cast, get_args, get_origin

import msgspec
from pydantic.fields import FieldInfo

from models.record import Shape

S = TypeVar("S", bound=Shape)
T = TypeVar("T")


def frame(model: type[S]) -> type[S]:
    """Returns a model's frame, whose instances are frozen, and are not the model's.

    Raises TypeError of a field with a rule of its own, which a struct would not keep.
    """
    return cast("type[S]", _frame(model))


@cache
def _frame(model: type[Shape]) -> type[msgspec.Struct]:
    return msgspec.defstruct(
        model.__name__,
        [(name, _inside(info, name), _default(info)) for name, info in model.model_fields.items()],
        namespace=dict(_answers(model)),
        # What a newer router writes beside that may be no JSON, which only the model looks at.
        forbid_unknown_fields=True,
        kw_only=True,
        frozen=True,
        # None is part of a circle: it holds text, numbers and other frames.
        gc=False,
    )


def reader(model: type[S], otherwise: Callable[[bytes], T]) -> Callable[[bytes], S | T]:
    """Returns what reads a model's records as frames, and all others by the call `otherwise`."""
    decode = msgspec.json.Decoder(frame(model)).decode

    def read(written: bytes) -> S | T:
        try:
            return decode(written)
        except (msgspec.MsgspecError, ValueError):
            return otherwise(written)

    return read


def _inside(info: FieldInfo, name: str) -> Any:
    if info.metadata or info.alias or info.validation_alias:
        raise TypeError(f"{name} has a rule of its own, and a struct would not keep it")
    return _framed(info.annotation)


def _framed(annotation: Any) -> Any:
    """Puts frames in the place of models."""
    if isinstance(annotation, type) and issubclass(annotation, Shape):
        return _frame(annotation)
    if get_origin(annotation) is tuple:
        return tuple.__class_getitem__(tuple(map(_framed, get_args(annotation))))
    return annotation


def _default(info: FieldInfo) -> Any:
    # What does not say of which kind it is, the model of its topic refuses.
    if info.is_required() or _is_discriminator(info):
        return msgspec.NODEFAULT
    if info.default_factory is not None:
        return msgspec.field(default_factory=cast("Callable[[], Any]", info.default_factory))
    return msgspec.field(default=info.default)


def _is_discriminator(info: FieldInfo) -> bool:
    """Returns whether a field tells one model from others: it can say one thing only."""
    return get_origin(info.annotation) is Literal and len(get_args(info.annotation)) == 1


def _answers(model: type[Shape]) -> Iterator[tuple[str, Any]]:
    """Yields what a model's instances answer without being told: methods and class attributes."""
    for each in reversed(model.__mro__):
        if issubclass(each, Shape) and each is not Shape:
            for name, value in vars(each).items():
                if name in model.__class_vars__ or (
                    isinstance(value, property | FunctionType) and not name.startswith("_")
                ):
                    yield name, value
