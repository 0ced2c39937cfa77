"""Whether a dataset that has come whole is taken."""

from node.intake.header import Header
from node.intake.identity import Identity, find_fault
from node.intake.outcome import Claim, Refusal


def judge(header: Header, problem: str, claim: Claim, identity: Identity) -> tuple[Refusal, str] | None:
    """Say whether a dataset must be refused, and why.

    Parameters
    ----------
    problem
        What the reader found wrong with its structure; empty for nothing.
    identity
        What it would be kept under.
    """
    problem = problem or find_fault(identity)
    if problem:
        return Refusal.CANNOT_UNDERSTAND, problem
    if claim.binding:
        if _differs(header.get("SOPInstanceUID"), claim.sop_instance_uid):
            return Refusal.MISMATCH, "the SOP Instance UID is another than was announced"
        if _differs(header.get("SOPClassUID"), claim.sop_class_uid):
            return Refusal.MISMATCH, "the SOP Class UID is another than was announced"
    return None


def _differs(said: str, claimed: str) -> bool:
    return said != claimed and said != "" and claimed != ""
