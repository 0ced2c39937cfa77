from node.intake.outcome import Claim, Outcome


def test_a_claim_binds_unless_it_says_otherwise():
    assert Claim("1.2", "1.3", "1.4").binding


def test_what_was_taken_has_no_reason():
    assert (Outcome("1.2", None).refusal, Outcome("1.2", None).reason) == (None, "")
