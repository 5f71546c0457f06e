"""Exact numbers and clean keys: the field types every model of this room is built from."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Context, Decimal, InvalidOperation
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from ..errors import InvalidInput

__all__ = [
    "Exact",
    "Frozen",
    "Instant",
    "Key",
    "Price",
    "Quantity",
    "Symbol",
    "canonical",
    "decimal",
    "invalid_input",
    "mint_client_order_id",
    "spell_client_order_id",
]

# NUMERIC(38,18): what the databases keep without loss.
MAX_DECIMALS = 18
MAX_WHOLE_DIGITS = 20

_RFC_3339_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]")
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


def decimal(value: object) -> Decimal:
    """Return ``value`` as an exact decimal.

    Args:
        value: a Decimal, an int, or text such as ``"189.50"``.

    Raises:
        ValueError: for a float (0.1 is not a tenth), NaN, an infinity, or more than 20 whole digits or 18 decimals.
    """
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
        if isinstance(value, float):
            raise PydanticCustomError(
                "float_refused",
                'a float is not exact (0.1 is not a tenth): send a string such as "189.50"',
            )
        raise PydanticCustomError("decimal_type", "must be a decimal number written as a string, or an integer")
    if isinstance(value, str) and len(value) > 64:
        raise PydanticCustomError("decimal_size", "has too many digits")
    try:
        number = Decimal(value.strip() if isinstance(value, str) else value)
    except InvalidOperation:
        raise PydanticCustomError("decimal_parsing", "is not a decimal number") from None
    if isinstance(value, str) and ("_" in value or not value.isascii()):
        # Python reads 1_0 as ten and takes the digits of every script; a sender who writes so means something else.
        raise PydanticCustomError("decimal_parsing", "is not a decimal number")
    if not number.is_finite():
        raise PydanticCustomError("decimal_finite", "must be a finite number")
    if not number:
        return Decimal(0)  # -0, 0E+999999 and 0.000 are one number
    # adjusted() and the exponent come from the digits' positions: a hostile 1e999999 is never expanded.
    if number.adjusted() >= MAX_WHOLE_DIGITS or number.adjusted() < -MAX_DECIMALS:
        raise PydanticCustomError("decimal_size", "is out of range (at most 20 whole digits and 18 decimals)")
    if _exponent(number) < -MAX_DECIMALS:
        # Only zeros may be cut off, so the precision is the number's own: the default context rounds to 28 digits.
        number = number.normalize(Context(prec=len(number.as_tuple().digits)))
        if _exponent(number) < -MAX_DECIMALS:
            raise PydanticCustomError("decimal_size", "has more than 18 decimals")
    return number


def _exponent(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


def canonical(number: Decimal) -> str:
    """Return the one plain spelling of a decimal: no exponent, no trailing zeros; equal numbers spell alike."""
    if not number:
        return "0"
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _clean(text: str) -> str:
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs", "Cn", "Zl", "Zp"):
            raise PydanticCustomError("control_character", "must not contain control characters or lone surrogates")
    return text


def _key(text: str) -> str:
    _clean(text)
    if text != text.strip():
        raise PydanticCustomError("blank_ends", "must not begin or end with a blank")
    return text


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise PydanticCustomError("naive_time", "must carry its offset from UTC, such as 2026-11-20T14:30:00Z")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("time_range", "is out of range") from None


def _time_input(value: object) -> object:
    if isinstance(value, datetime) or (isinstance(value, str) and _RFC_3339_DATE.match(value)):
        return value  # not a bare number as text, which pydantic would take for seconds or milliseconds, by its size
    raise PydanticCustomError("time_type", "must be an RFC 3339 time, such as 2026-11-20T14:30:00Z")


Exact = Annotated[Decimal, BeforeValidator(decimal)]
Price = Annotated[Decimal, BeforeValidator(decimal), Field(gt=0)]
Quantity = Annotated[Decimal, BeforeValidator(decimal), Field(gt=0)]
Key = Annotated[str, Field(min_length=1, max_length=128, strict=True), AfterValidator(_key)]
Symbol = Annotated[str, Field(min_length=1, max_length=50, strict=True, pattern=r"^[!-~]+( [!-~]+)*$")]
Instant = Annotated[datetime, BeforeValidator(_time_input), AfterValidator(_aware)]


class Frozen(BaseModel):
    """A value of the vocabulary: frozen, strict about its fields, and every failure is an :class:`InvalidInput`."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, ser_json_inf_nan="null")

    def __init__(self, /, **data: Any) -> None:
        """Validate ``data``; ``self`` is positional only, for a stranger's JSON may have a field of that name.

        Raises:
            InvalidInput: naming each field that is wrong; never its value.
        """
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise invalid_input(error) from None

    @classmethod
    def of(cls, **data: Any) -> Self:
        """Make one from loosely typed values: what the validators accept (text for decimals), checkers do not."""
        return cls(**data)

    def __str__(self) -> str:
        """Print as in a list: what the class' own ``repr`` says."""
        return repr(self)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values: decimals and ids as strings, instants in RFC 3339."""
        plain: dict[str, Any] = _plain(self.model_dump(mode="python"))
        return plain


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return canonical(value)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, str) else value


def _path(location: Iterable[int | str]) -> str:
    return ".".join(str(part) for part in location)


def invalid_input(error: ValidationError) -> InvalidInput:
    """Turn pydantic's report into an :class:`InvalidInput` that names fields and reasons, and holds no value."""
    details = []
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        message = item["msg"].removeprefix("Value error, ")
        details.append({"field": _path(item["loc"]), "code": item["type"], "message": message})
    shown = "; ".join(f"{d['field']}: {d['message']}" if d["field"] else str(d["message"]) for d in details[:5])
    return InvalidInput(shown, details=details)


def spell_client_order_id(number: int) -> str:
    """Return the last 32 digits of ``number`` to the base of 36, as ``[0-9a-z]``, the lowest first."""
    characters = []
    for _ in range(32):
        number, digit = divmod(number, 36)
        characters.append(_ALPHABET[digit])
    return "".join(characters)


def mint_client_order_id() -> str:
    """Return a new random client order id: 32 characters of ``[0-9a-z]``, 160 bits."""
    return spell_client_order_id(secrets.randbits(160))
