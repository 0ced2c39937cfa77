from scp.session import Session
from tests.support.caller import call, echo, request
from tests.support.node import Running


def _session(running: Running) -> Session:
    (session,) = running.server._sessions
    return session


def test_a_session_knows_who_calls_and_what_for(running_node: Running) -> None:
    with call(running_node.port, request(calling="CT1")) as channel:
        assert echo(channel) == 0
        session = _session(running_node)
        assert (session.origin.calling_ae, session.origin.called_ae) == ("CT1", "ISOCENTRE")
        assert (session.origin.address, session.peer) == ("127.0.0.1", None)
        assert session.config is running_node.config.dicom
        assert session.counts == {"C-ECHO": 1}


def test_a_session_knows_what_its_caller_may(running_node: Running) -> None:
    with call(running_node.port) as channel:
        assert echo(channel, 77) == 0
        session = _session(running_node)
        assert (session.may_store, session.may_query) == (True, True)
