"""DICOM over TCP as blocking calls: PDUs, command sets and messages, shared by both directions.

Four things, each on the one before:

- `Link` (link.py): a socket that reads and writes whole PDUs, with a ceiling on their length and on the
  time they may take (PS3.8 9.3).
- `Command` (command.py): a command set as bytes and back (PS3.7 6.3).
- `Channel` (channel.py): one established association; messages in, messages out.
- `negotiate.py` (on `items.py`): A-ASSOCIATE, its PDUs and what they settle.

One thread owns a channel and waits in the kernel: nothing polls, nothing crosses a queue. pynetdicom runs
two polling threads an association and copies each PDU several times, which is what limits it (see
docs/performance.md). Its tables of SOP classes and transfer syntaxes are used by both directions.
"""
