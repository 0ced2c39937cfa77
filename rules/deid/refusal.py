"""Which datasets the Basic Profile cannot clean, because what identifies is likely to be in the picture.

The profile is about attributes alone. Where a person's name is usually part of the pixels, of a document or
of a report's content, it would leave it there; such an object must not go out for de-identified. What
remains is likelihood: a scanned film says nothing of the name on it.
"""

from pydicom.dataset import Dataset

from rules.deid.values import texts

_STORAGE = "1.2.840.10008.5.1.4.1.1."

_KINDS: tuple[tuple[str, str], ...] = (
    ("3", "an ultrasound image"),
    ("6", "an ultrasound image"),
    ("7", "a secondary capture"),
    ("77.1", "a photograph, video or slide"),
    ("88", "a report"),
    ("104", "a document"),
)
"""SOP Class UIDs behind `_STORAGE` of which a component, or all, is this (PS3.4 B.5), and what they are."""

_MODALITIES = {
    "DOC": "a document",
    "ES": "a photograph, video or slide",
    "GM": "a photograph, video or slide",
    "IVUS": "an ultrasound image",
    "KO": "a report",
    "OT": "of no named modality",
    "SR": "a report",
    "US": "an ultrasound image",
    "XC": "a photograph, video or slide",
}


def refusal(dataset: Dataset) -> str:
    """Return why `dataset` cannot be de-identified by the Basic Profile; empty: it can.

    The words complete "it is not de-identified: …" and have no patient data.
    """
    if _text(dataset, "BurnedInAnnotation") == "YES":
        return "it says that there is text in its pixels (0028,0301)"
    kind = _kind(dataset)
    if kind:
        return f"it is {kind}, which the basic profile cannot clean: it does not look at pixels or content"
    if "ContentSequence" in dataset:
        return "it has structured content (0040,A730), which the basic profile cannot clean"
    if "EncapsulatedDocument" in dataset:
        return "it has a document within (0042,0011), which the basic profile cannot clean"
    return ""


def _kind(dataset: Dataset) -> str:
    sop_class = _text(dataset, "SOPClassUID")
    if not sop_class.startswith(_STORAGE):
        return "of a kind that is not known here"
    own = sop_class.removeprefix(_STORAGE)
    for prefix, words in _KINDS:
        if own == prefix or own.startswith(f"{prefix}."):
            return words
    if _text(dataset, "ConversionType") or "SCREEN" in _text(dataset, "ImageType"):
        return "a secondary capture"
    return _MODALITIES.get(_text(dataset, "Modality"), "")


def _text(dataset: Dataset, keyword: str) -> str:
    """Return a value as text in capitals, several joined by a backslash."""
    given = dataset.get_item(keyword) if keyword in dataset else None
    return "\\".join(texts(given.value if given is not None else None)).upper()
