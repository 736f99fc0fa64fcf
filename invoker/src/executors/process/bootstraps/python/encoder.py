"""Second part: a result as JSON, with all that Lambda's encoder takes.

| value | JSON |
| --- | --- |
| str, int, float, bool, None, list, tuple, dict, and what is derived from them | as one expects; enums by their value |
| `Decimal` | a number with all its digits |
| bytes | text, where they are UTF-8; the whole result goes out as it is |
| a named tuple, or what has `_asdict` | an object |
| NaN and the infinities | `NaN`, `Infinity`, `-Infinity` |
| keys that are int, float, bool or None | text |
| everything else, and what holds itself | refused |
"""

text_of = json.encoder.encode_basestring_ascii


def encoded(value):
    """The bytes to send, and their type."""
    if isinstance(value, bytes):
        return value, "application/unknown"
    parts = []
    encode(value, parts.append, set())
    return "".join(parts).encode(), "application/json"


def encode(value, out, within):
    """One frame for each level: as much nesting as Python itself takes."""
    text = scalar_text(value)
    if text is not None:
        out(text)
        return
    if id(value) in within:
        raise ValueError("Circular reference detected")
    within.add(id(value))
    fields = fields_of(value)
    if fields is not None:
        before = "{"
        for key, item in fields.items():
            out(before + text_of(key_text(key)) + ": ")
            encode(item, out, within)
            before = ", "
        out("{}" if before == "{" else "}")
    elif isinstance(value, (list, tuple)):
        before = "["
        for item in value:
            out(before)
            encode(item, out, within)
            before = ", "
        out("[]" if before == "[" else "]")
    else:
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
    within.discard(id(value))


def scalar_text(value):
    if isinstance(value, str):
        return text_of(value)
    if isinstance(value, bytes):
        return text_of(str(value, "utf-8"))
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return float_text(value)
    if isinstance(value, Decimal):
        return "NaN" if value.is_nan() else str(value)
    return None


def fields_of(value):
    """The fields of what becomes an object."""
    as_dict = getattr(value, "_asdict", None)
    if callable(as_dict):
        try:
            fields = as_dict()
        except TypeError:
            # A class, not one of its tuples.
            fields = value
        else:
            if not isinstance(fields, dict):
                raise TypeError(f"_asdict() must return a dict, not {type(fields).__name__}")
        value = fields
    return value if isinstance(value, dict) else None


def key_text(key):
    if isinstance(key, str):
        return key
    if isinstance(key, bytes):
        return str(key, "utf-8")
    if isinstance(key, float):
        return float_text(key)
    if key is True or key is False:
        return "true" if key else "false"
    if key is None:
        return "null"
    if isinstance(key, int):
        return int.__repr__(key)
    raise TypeError(f"keys must be str, int, float, bool or None, not {type(key).__name__}")


def float_text(value):
    if isfinite(value):
        return float.__repr__(value)
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
