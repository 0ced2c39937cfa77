import hashlib
from dataclasses import replace

from sqlalchemy import text

from node.root import Node
from node.services.adopting import ADOPTED, adopt
from node.services.ingest import Claim, Ingest, Outcome
from storage.records.arrival import Arrival, BlobRef, Origin, Verdict, Way
from tests.support.arrivals import arrival, put
from tests.support.files import part10
from tests.support.samples import BIG, EXPLICIT, ct, encode

SCANNER = Origin(Way.DIMSE, "CT1", "ISOCENTRE", "10.0.0.1")


def store(node: Node, dataset) -> str:
    claim = Claim(str(dataset.SOPClassUID), str(dataset.SOPInstanceUID), EXPLICIT)
    reception = node.ingest.begin(claim, SCANNER)
    reception.write([encode(dataset)])
    assert reception.finish().verdict in (Verdict.STORED, Verdict.CONFLICT)
    return str(dataset.SOPInstanceUID)


def forget_everything(node: Node) -> None:
    with node.archive.begin() as tx:
        for table in ("conflict", "arrival", "event", "instance", "series", "study"):
            tx.connection.execute(text(f"DELETE FROM {table}"))
        tx.commit()


def test_an_archive_is_rebuilt_from_its_blobs(node: Node):
    datasets = [ct(number, rows=BIG if number % 2 else 8) for number in range(6)]
    uids = [store(node, dataset) for dataset in datasets]
    forget_everything(node)
    advanced: list[int] = []
    done = adopt(node.archive, node.blobs, node.ingest, advanced.append)
    assert (done.stored, done.duplicates, done.conflicts, done.refused) == (6, 0, 0, {})
    assert sum(advanced) == 6
    assert len(list(node.blobs.keys())) == 6
    for uid, dataset in zip(uids, datasets, strict=True):
        with node.archive.read() as tx:
            instance = tx.instances.get(uid)
        with node.blobs.open(instance.blob.key) as reader:
            kept = b"".join(reader.chunks(instance.blob.offset))
        assert kept == encode(dataset)
        assert hashlib.sha256(kept).hexdigest() == instance.blob.digest
    assert ADOPTED.user == "db adopt"


def test_what_is_not_an_orphan_is_left_alone(node: Node):
    store(node, ct(1))
    store(node, ct(1, PatientName="Other^One"))  # a conflict refers to its blob too
    before = list(node.blobs.keys())
    done = adopt(node.archive, node.blobs, node.ingest)
    assert (done.stored, done.duplicates, done.conflicts, done.refused) == (0, 0, 0, {})
    assert list(node.blobs.keys()) == before


def test_duplicates_and_conflicts_are_told_apart_and_nothing_is_lost(node: Node):
    store(node, ct(1))
    for content in (encode(ct(1)), encode(ct(1, PatientName="Other^One"))):
        writer = node.blobs.create()
        writer.write([content])
        node.blobs.sync([writer.place()])
    done = adopt(node.archive, node.blobs, node.ingest)
    assert (done.stored, done.duplicates, done.conflicts) == (0, 1, 1)
    assert len(list(node.blobs.keys())) == 2


def test_what_cannot_be_read_stays_where_it_is(node: Node):
    writer = node.blobs.create()
    writer.write([b"not an instance"])
    key = writer.place()
    done = adopt(node.archive, node.blobs, node.ingest)
    assert done.refused == {key: "no DICOM file"}
    assert list(node.blobs.keys()) == [key]


class Meanwhile(Ingest):
    """A way in, before which a receiver commits the record of the blob that is being adopted."""

    def __init__(self, node: Node, arrival: Arrival) -> None:
        self.node, self.arrival = node, arrival

    def take_file(self, source, origin: Origin) -> Outcome:
        put(self.node.archive, self.arrival)
        return self.node.ingest.take_file(source, origin)


def test_a_blob_that_gets_its_record_meanwhile_stays(node: Node):
    dataset = ct(1)
    head, body = part10(dataset)[: -len(encode(dataset))], encode(dataset)
    writer = node.blobs.create()
    writer.write([head, body])
    blob = BlobRef(writer.place(), len(head), len(body), hashlib.sha256(body).hexdigest())
    node.blobs.sync([blob.key])
    late = replace(arrival(blob=blob), sop_instance_uid=str(dataset.SOPInstanceUID))
    adopt(node.archive, node.blobs, Meanwhile(node, late))
    assert list(node.blobs.keys()) == [blob.key]
