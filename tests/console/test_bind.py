import pytest

from console.bind import require_loopback
from node.core.errors import UserError


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_this_machine_alone(host: str):
    require_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "10.0.0.1", "fe80::1", "::ffff:192.0.2.7"])
def test_what_others_reach_is_refused(host: str):
    with pytest.raises(
        UserError, match=r"^console\.host: .* can be reached by other machines, and .*127\.0\.0\.1"
    ):
        require_loopback(host)


def test_what_is_no_address_is_told():
    with pytest.raises(UserError, match=r"^console\.host: no\.such\.host\.invalid: "):
        require_loopback("no.such.host.invalid")
