"""The formats a string can have, each one pattern of RE2 over the whole value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Format:
    """What a string must match, and the notice code if it does not."""

    code: str
    pattern: str
    #: Bytes; None if there is no limit.
    max_length: int | None = None
    #: Bytes before the first `@`.
    max_local: int | None = None


_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"

#: Dot-atom "@" host name of at least two labels, the last beginning with a letter: RFC 5322 section 3.4.1 and
#: RFC 1123 section 2.1, 64 bytes before the `@` and 254 in all (RFC 5321 section 4.5.3.1). Narrower than the RFC, as
#: every web form is: no quoted local part, no comment, no address literal; no mailbox beyond ASCII (RFC 6531), an
#: international domain as `xn--`.
EMAIL = Format(
    "invalid_email", rf"\A{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])\z", 254, 64
)

#: RFC 3986 section 4.3 with letters beyond ASCII (RFC 3987): a scheme, and what may follow it; after `//` an
#: authority, except for `file`. Does not take the parts apart any further.
URI = Format(
    "invalid_uri",
    r"\A(?:[Ff][Ii][Ll][Ee]:///|[A-Za-z][A-Za-z0-9+.-]*:(?://[^/?#\x00-\x20\x7f\"<>\\^`{|}%]|/[^/\x00-\x20\x7f\"<>\\^`{|}%]|"
    r"[^/\x00-\x20\x7f\"<>\\^`{|}%]|%[0-9A-Fa-f]{2}))"
    r"(?:[^\x00-\x20\x7f\"<>\\^`{|}%]|%[0-9A-Fa-f]{2})*\z",
)

#: RFC 9562 section 4: any version, either case, hyphens in their places.
UUID = Format("invalid_uuid", r"\A[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}\z")

#: RFC 4648 section 4: base64 with its padding, nothing between.
BINARY = Format("invalid_binary", r"\A(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\z")

FORMATS = {"email": EMAIL, "uri": URI, "uuid": UUID, "binary": BINARY}
