"""The receive log: small blobs appended to preallocated segments, so that one sync serves all who wait.

- `records.py`: how a blob lies in a segment, and how one is found there after a crash.
- `segment.py`: one segment file; zero-written ahead of time, so that a sync has no metadata to write.
- `desk.py`: the segments of one process, the present one and the one made ready.
- `writer.py`: a blob being written: in memory while it is small, else handed on to a file.
- `store.py`: the log before a store of files, as one blob store.

A blob stays where it was appended: moving it later would write every byte twice. Deleting one punches a hole.
"""
