from tests.support.caller import call, echo
from tests.support.node import Running


def test_an_echo_is_answered_with_success_as_often_as_it_is_asked(running_node: Running) -> None:
    with call(running_node.port) as channel:
        assert [echo(channel, number) for number in (1, 2, 65535)] == [0, 0, 0]
