from pynetdicom import status

from scp.statuses import Status


def test_every_status_is_one_of_the_standard() -> None:
    known = status.STORAGE_SERVICE_CLASS_STATUS | status.QR_FIND_SERVICE_CLASS_STATUS
    known |= status.QR_MOVE_SERVICE_CLASS_STATUS | status.QR_GET_SERVICE_CLASS_STATUS | status.GENERAL_STATUS
    assert {value for value in Status if int(value) not in known} == set()
