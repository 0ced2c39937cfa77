"""Writes the index behind the receive log, where what is acknowledged stands first, with a note of it.

- `source.py`: the logs that have notes, and how far each of them is in the index.
- `batch.py`: a number of arrivals in one transaction, with all that follows from them.
- `indexer.py`: the loop; one process of a node is at it at a time.
- `keeper.py`: that process, started again when it dies.

How far each log is in the index is saved in the transaction that brought it there. So that transaction need
not be synced: what a power cut takes back is read from the log again, from that place on, and comes to the
same.
"""
