"""Where the bytes are kept: files, an object store or memory, behind one protocol."""
