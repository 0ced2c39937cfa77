"""Text as it is compared: one form for what is kept and for what is asked.

A person name matches without regard to case, accents kept, whatever the character set it came in
(PS3.4 C.2.2.2.1): both sides pass through `name_key`. Half-width katakana of ISO_IR 13 and full-width
of ISO_IR 192 meet in NFKC.
"""

import unicodedata


def fold(text: str) -> str:
    """Return `text` in the form in which names are compared (NFKC, case folded, NFC)."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", text).casefold())


def name_groups(name: str) -> tuple[str, str, str]:
    """Split a PN value into alphabetic, ideographic and phonetic groups (PS3.5 6.2.1.1).

    Only the first of several values is looked at; missing groups are empty.
    """
    groups = name.split("\\", 1)[0].split("=")
    alphabetic, ideographic, phonetic = [*groups, "", "", ""][:3]
    return alphabetic, ideographic, phonetic


def name_key(group: str) -> str:
    """Return one component group as it is matched: folded, without empty trailing components."""
    return fold(group).rstrip(" ^")


def time_key(value: str) -> str:
    """Return a TM value as ``HHMMSS.FFFFFF`` so that text order is time order; "" when it is no time.

    Takes the older form with colons too (PS3.5 6.2, TM). ``10`` is ten o'clock: ``100000.000000``.
    """
    digits = value.strip().replace(":", "")
    whole, _, fraction = digits.partition(".")
    if not whole.isdigit() or not whole.isascii() or len(whole) not in (2, 4, 6):
        return ""
    if fraction and not (fraction.isdigit() and fraction.isascii()):
        return ""
    return f"{whole:0<6}.{fraction[:6]:0<6}"


def date_key(value: str) -> str:
    """Return a DA value as ``YYYYMMDD``, taking the older form with dots; "" when it is no date."""
    digits = value.strip().replace(".", "")
    return digits if len(digits) == 8 and digits.isdigit() and digits.isascii() else ""
