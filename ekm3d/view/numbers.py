"""Numbers for readers: three or four significant digits, and words for what is not known."""

import math

import numpy as np

UNKNOWN = "not known"


def known(value: float | None) -> bool:
    """Return whether there is a number; NaN and infinity are none."""
    return value is not None and math.isfinite(value)


def show(value: float | None, unit: str = "", digits: int = 3) -> str:
    """Return a number with its unit as text; "not known" where there is none.

    1234.5 -> "1,230" of three digits; powers of ten below 0.001 and from ten million on.
    """
    if value is None or not math.isfinite(value):
        return UNKNOWN
    tail = f"\u00a0{unit}" if unit else ""          # a line does not end before a unit
    if value == 0.0:
        return f"0{tail}"
    size = math.floor(math.log10(abs(value)))
    if not -4 < size < 7:
        mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
        return f"{mantissa}\u00a0×\u00a010{superscript(int(power))}{tail}"
    rounded = round(value, digits - 1 - size)
    places = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
    return f"{rounded:,.{places}f}{tail}".replace("-", "−")


def superscript(power: int) -> str:
    """Return an exponent in small raised digits."""
    return str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def percent(share: float | None, digits: int = 3) -> str:
    """Return a share as a percentage."""
    return show(100.0 * share, "%", digits) if known(share) and share is not None else UNKNOWN


def error(value: float | None) -> str:
    """Return the size of an error in short, such as 4.7e-16."""
    return f"{value:.1e}" if value is not None and math.isfinite(value) else UNKNOWN


def round_limits(low: float, high: float) -> tuple[float, float]:
    """Return limits of a colour bar or an axis: rounded outwards to steps that read well."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return 0.0, 1.0
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-300):
        pad = 0.05 * abs(low) or 1.0
        return low - pad, high + pad
    width = nice_step((high - low) / 10.0)
    return math.floor(low / width + 1e-9) * width, math.ceil(high / width - 1e-9) * width


def nice_step(width: float) -> float:
    """Return the least of 1, 2, 5 times a power of ten that is not below `width`."""
    power = 10.0 ** math.floor(math.log10(width))
    return next(m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= width * (1 - 1e-9))


def levels(values: np.ndarray, count: int) -> list[float]:
    """Return some `count` round numbers within an array, without its rarest 0.2 % a side.

    [] where it has one value, or none that is a number.
    """
    finite = values[np.isfinite(values)]
    if not finite.size or not np.ptp(finite) > 0:
        return []
    low, high = np.percentile(finite, (0.2, 99.8))
    return ticks(float(low), float(high), count) if high > low else []


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return some `count` round numbers from low to high."""
    step = nice_step((high - low) / count)
    first = math.ceil(low / step - 1e-9)
    return [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]


def round_parts(low: float, high: float) -> int:
    """Return how many equal parts of a range have ends that read well: 4 to 9 of them, else 5."""
    for reads_well in (nice_step, lambda width: float(f"{width:.1g}")):
        for parts in (5, 6, 4, 7, 8, 9):
            width = (high - low) / parts
            if width > 0 and math.isclose(width, reads_well(width), rel_tol=1e-6):
                return parts
    return 5


def short(value: float, width: float) -> str:
    """Return the number of a tick on an axis of a width: without zeros at its end."""
    if abs(value) < 1e-9 * width:
        return "0"
    text = show(value, digits=4)
    return text.rstrip("0").rstrip(".") if "." in text and "×" not in text else text
