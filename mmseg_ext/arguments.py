"""Arguments checked against the annotations of what they are passed to, when it is called.

The annotations of a signature are the rules: ``num_points: PositiveInt``. :func:`checked` holds calls to them; the
registries of the package apply it to each of its components. This module needs nothing but the standard library.
"""

import difflib
import functools
import inspect
import math
import reprlib
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union

from mmseg_ext.errors import UserError

T = TypeVar("T", bound=Callable)


class ArgumentError(UserError, TypeError):
    """An argument is unknown, missing, or not what its annotation says."""


@dataclass(frozen=True)
class Rule:
    """Narrows a type: ``Annotated[int, Rule("an even int", lambda value: value % 2 == 0)]``.

    Attributes:
        words: What is expected, with its article.
        holds: Tests a value of the type.
    """

    words: str
    holds: Callable[[Any], bool]


PositiveInt = Annotated[int, Rule("a positive int", lambda value: value >= 1)]
NonNegativeInt = Annotated[int, Rule("a non-negative int", lambda value: value >= 0)]
PositiveFloat = Annotated[float, Rule("a positive number", lambda value: value > 0)]
NonNegativeFloat = Annotated[float, Rule("a non-negative number", lambda value: value >= 0)]
Fraction = Annotated[float, Rule("a number in [0, 1]", lambda value: 0 <= value <= 1)]
OpenFraction = Annotated[float, Rule("a number between 0 and 1, exclusive", lambda value: 0 < value < 1)]
FractionBelowOne = Annotated[float, Rule("a number in [0, 1)", lambda value: 0 <= value < 1)]
LabelValue = Annotated[int, Rule("an int in 0..255", lambda value: 0 <= value <= 255)]
StrPath = Annotated[str | Path, Rule("a path", lambda value: True)]
FilePath = Annotated[str | Path, Rule("the path of a file", lambda value: value != "")]
LossName = Annotated[str, Rule("a string that begins with 'loss_'", lambda value: value.startswith("loss_"))]
ComponentConfig = Annotated[dict, Rule("a config, a dict with a `type`", lambda value: bool(value.get("type")))]

_LISTS = (list, tuple, Sequence, Collection, Iterable)
_WORDS = {
    bool: "True or False",
    int: "an int",
    float: "a finite number",
    str: "a string",
    type(None): "None",
}
_shortened = reprlib.Repr()
_shortened.maxstring = _shortened.maxother = 60


def checked(
    target: T, name: str | None = None, corrections: Mapping[str, Mapping[str, Any]] = types.MappingProxyType({})
) -> T:
    """Check the arguments of every call of a function, or of every construction of a class and its subclasses.

    For a class the keywords are followed through ``**kwargs`` to the base classes. What a class passes to them by
    itself is no argument: its attribute ``fixed_arguments`` names that, or an entry of `corrections`. A class whose
    keywords go elsewhere, to another library, says so by ``takes_other_keywords = True``.

    Args:
        target: A function, or a class, whose ``__init__`` is replaced.
        name: What the arguments are passed to, for messages; by default the name of the function or class.
        corrections: Annotations that replace those of base classes: ``{'mmcv.Resize': {'scale': …}}``.

    Returns:
        The checked function, or the class itself.

    Example:
        >>> @checked
        ... def repeat(text: str, count: PositiveInt = 1) -> str:
        ...     return text * count
        >>> repeat("a", 0)
        Traceback (most recent call last):
        mmseg_ext.arguments.ArgumentError: repeat: expected `count` to be a positive int, got 0 (int)
        >>> repeat("a", cout=3)
        Traceback (most recent call last):
        mmseg_ext.arguments.ArgumentError: repeat: unexpected argument `cout`. Did you mean `count`?
    """
    signatures: dict[Any, inspect.Signature] = {}  # made at the first call: that takes longer than the check itself
    if not isinstance(target, type):

        @functools.wraps(target)
        def checked_function(*args: Any, **kwargs: Any) -> Any:
            if target not in signatures:
                signatures[target] = inspect.Signature(_annotated(target, {}))
            _check_call(name or target.__name__, signatures[target], args, kwargs)
            return target(*args, **kwargs)

        return typing.cast(T, checked_function)

    cls: Any = target
    own_init = vars(cls).get("__init__")

    @functools.wraps(cls.__init__)
    def checked_init(self: Any, *args: Any, **kwargs: Any) -> None:
        kind = type(self)
        if kind not in signatures:
            signatures[kind] = constructor_signature(kind.__mro__[kind.__mro__.index(cls) :], corrections)
        _check_call(name or kind.__name__, signatures[kind], args, kwargs)
        if own_init is None:
            super(cls, self).__init__(*args, **kwargs)
        else:
            own_init(self, *args, **kwargs)

    cls.__init__ = checked_init
    return target


def refuse_unknown(name: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse names that do not exist, with the nearest one that does.

    Args:
        name: What the arguments are passed to, for the message.
        given: Names of arguments.
        known: Names that exist.

    Raises:
        ArgumentError: A name is unknown.
    """
    known = list(known)
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"Did you mean `{near[0]}`?" if near else f"It takes {', '.join(known) or 'none'}."
            raise ArgumentError(f"{name}: unexpected argument `{key}`. {hint}")


def fits(value: Any, annotation: Any) -> bool:
    """Whether a value is what an annotation says, by the habits of configs.

    A list passes for a tuple and an array for a list, a NumPy scalar for a number, an int for a float. A truth value is
    no number, and a float is finite. What cannot be judged passes.

    Example:
        >>> fits([3, 4], tuple[int, int]), fits(True, int), fits(float("nan"), float)
        (True, False, False)
    """
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return fits(value, args[0]) and all(rule.holds(value) for rule in args[1:] if isinstance(rule, Rule))
    if origin in (Union, types.UnionType):
        return any(fits(value, choice) for choice in args)
    if origin is Literal:
        return any(fits(value, type(choice)) and value == choice for choice in args)
    if annotation is Any:
        return True
    kind: Any = type(None) if annotation is None else origin or annotation
    # NumPy's truth values have this name, too; importing NumPy for them would make this module slow to import.
    is_bool = type(value).__name__.rstrip("_") == "bool"
    if kind is bool:
        return is_bool
    if kind is int:
        return isinstance(value, Integral) and not is_bool
    if kind is float:
        return isinstance(value, Real) and not is_bool and value == value and value not in (math.inf, -math.inf)
    if kind in _LISTS:
        if kind is Iterable and not isinstance(value, Collection):  # its items would be used up
            return isinstance(value, Iterable)
        is_ordered = kind in (Collection, Iterable) or not isinstance(value, Set)
        return is_ordered and _list_fits(value, args, of_fixed_length=kind is tuple and Ellipsis not in args)
    if not isinstance(kind, type):
        return True
    if issubclass(kind, Mapping):
        pairs = value.items() if isinstance(value, Mapping) and args else ()
        return isinstance(value, Mapping) and all(fits(key, args[0]) and fits(item, args[1]) for key, item in pairs)
    try:
        return isinstance(value, kind)
    except TypeError:  # a protocol that cannot be tested
        return True


def _list_fits(value: Any, args: tuple, of_fixed_length: bool) -> bool:
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Collection):
        return False
    items = value.tolist() if hasattr(value, "tolist") else list(value)  # of an array: Python's numbers
    if not isinstance(items, list):  # an array without dimensions
        return False
    if of_fixed_length and args:
        return len(items) == len(args) and all(map(fits, items, args))
    return not args or all(fits(item, args[0]) for item in items)


def describe(annotation: Any) -> str:
    """Put an annotation into words, with its article.

    Example:
        >>> describe(PositiveInt | tuple[int, int] | None)
        'a positive int, a list (an int, an int) or None'
    """
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return next((rule.words for rule in reversed(args) if isinstance(rule, Rule)), describe(args[0]))
    if origin in (Union, types.UnionType):
        *others, last = dict.fromkeys(map(describe, args))
        return f"{', '.join(others)} or {last}" if others else last
    if origin is Literal:
        return f"one of {', '.join(map(repr, args))}" if len(args) > 2 else " or ".join(map(repr, args))
    kind = type(None) if annotation is None else origin or annotation
    if kind in _WORDS:
        return _WORDS[kind]
    if kind in _LISTS:
        if kind is tuple and args and Ellipsis not in args:
            return f"a list ({', '.join(map(describe, args))})"
        return f"a list (each item {describe(args[0])})" if args else "a list"
    if isinstance(kind, type) and issubclass(kind, Mapping):
        return f"a dict (each value {describe(args[1])})" if args and args[1] is not Any else "a dict"
    return getattr(kind, "__name__", str(kind))


def _check_call(name: str, signature: inspect.Signature, args: tuple, kwargs: Mapping[str, Any]) -> None:
    """Check the arguments of one call."""
    parameters = signature.parameters
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        refuse_unknown(name, kwargs, parameters)
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise ArgumentError(f"{name}: {error}") from None
    for key, value in bound.arguments.items():
        parameter = parameters[key]
        if value is parameter.default or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if not fits(value, parameter.annotation):
            got = " ".join(_shortened.repr(value).split())
            expected = describe(parameter.annotation)
            raise ArgumentError(f"{name}: expected `{key}` to be {expected}, got {got} ({type(value).__name__})")


def _annotated(function: Callable, corrections: Mapping[str, Any]) -> list[inspect.Parameter]:
    """List the parameters of a function with their annotations as types; one without is Any."""
    try:
        annotations = {**typing.get_type_hints(function, include_extras=True), **corrections}
    except (NameError, TypeError):  # names that exist for type checkers alone
        annotations = dict(corrections)
    parameters = inspect.signature(function).parameters.values()
    annotated = [parameter.replace(annotation=annotations.get(parameter.name, Any)) for parameter in parameters]
    # Where None is the default and is refused nevertheless, the argument is required.
    is_required = [p.name in corrections and p.default is None and not fits(None, p.annotation) for p in annotated]
    return [p.replace(default=p.empty) if r else p for p, r in zip(annotated, is_required, strict=True)]


def constructor_signature(bases: Iterable[type], corrections: Mapping[str, Mapping[str, Any]]) -> inspect.Signature:
    """Join the signatures of the constructors that pass their keywords on, in the order of the bases."""
    kinds = inspect.Parameter
    found: dict[str, inspect.Parameter] = {}
    fixed: set[str] = set()
    passes_on = {kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD}
    variable: list[inspect.Parameter] = []
    for base in bases:
        init: Any = vars(base).get("__init__")
        if init is None:
            continue
        if base is object:
            break
        name = f"{init.__module__.partition('.')[0]}.{init.__qualname__.removesuffix('.__init__')}"
        corrected = corrections.get(name, {})
        parameters = _annotated(init, corrected)[1:]
        for parameter in parameters:
            if parameter.kind in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD) or parameter.name in {*found, *fixed}:
                continue
            if kinds.VAR_POSITIONAL not in passes_on:
                parameter = parameter.replace(kind=kinds.KEYWORD_ONLY)
            found[parameter.name] = parameter
        fixed |= {*vars(base).get("fixed_arguments", ()), *corrected.get("fixed_arguments", ())}
        variable = [p for p in parameters if p.kind in passes_on]
        if vars(base).get("takes_other_keywords"):
            break
        passes_on &= {p.kind for p in variable}
        if kinds.VAR_KEYWORD not in passes_on:
            variable = [p for p in variable if p.kind is kinds.VAR_POSITIONAL]
            break
    joined = sorted([*found.values(), *variable], key=lambda parameter: parameter.kind)
    return inspect.Signature(joined)
