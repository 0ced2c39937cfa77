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
        for keyword, name, claimed in (
            ("SOPInstanceUID", "SOP Instance UID", claim.sop_instance_uid),
            ("SOPClassUID", "SOP Class UID", claim.sop_class_uid),
        ):
            if claimed and header.get(keyword) and header.get(keyword) != claimed:
                return Refusal.MISMATCH, f"the {name} is another than was announced"
    return None
