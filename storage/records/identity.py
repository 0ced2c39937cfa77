"""Whose study it is: two patients are told apart as far as headers allow.

The patient ID decides; one that is empty beside one that is not is another patient. The issuer counts
only when both sides name one: many modalities send none for IDs whose issuer the PACS knows. When neither
side has an ID, the name decides, compared as queries compare it; a component group that only one side
has (PS3.5 6.2.1.1) is no difference.
"""

from dataclasses import dataclass

from storage.records.text import name_groups, name_key


@dataclass(frozen=True, slots=True)
class Identity:
    """What identifies a patient, ready to be compared. Make it by `identity`."""

    patient_id: str
    issuer: str
    name: tuple[str, str, str]

    def agrees(self, other: "Identity") -> bool:
        """Tell whether both can be the same patient."""
        if self.patient_id or other.patient_id:
            same = self.patient_id == other.patient_id
            return same and (not self.issuer or not other.issuer or self.issuer == other.issuer)
        both = [(mine, its) for mine, its in zip(self.name, other.name, strict=True) if mine and its]
        return all(mine == its for mine, its in both) if both else not any(self.name + other.name)


def identity(patient_id: str, issuer: str, name: str) -> Identity:
    """Return the identity in the values of PatientID, IssuerOfPatientID and PatientName."""
    alphabetic, ideographic, phonetic = (name_key(group) for group in name_groups(name))
    return Identity(patient_id.strip(" "), issuer.strip(" "), (alphabetic, ideographic, phonetic))
