from storage.blobs.memory import MemoryStore


def test_two_stores_share_nothing():
    one, two = MemoryStore(), MemoryStore()
    one.create().place()
    assert len(list(one.keys())) == 1
    assert list(two.keys()) == []


def test_keys_may_be_deleted_while_they_are_listed():
    store = MemoryStore()
    for _ in range(3):
        store.create().place()
    for key in store.keys():  # noqa: SIM118 - it is no dictionary
        store.delete(key)
    assert list(store.keys()) == []
