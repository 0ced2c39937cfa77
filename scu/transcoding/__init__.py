"""The parts of `scu.transcode`: a data set from one transfer syntax into another.

- `source.py`: bytes in pieces, read in order.
- `vrs.py`: Value Representations of data sets that do not tell them.
- `facts.py`: what the Image Pixel module of a data set says, read as it passes.
- `convert.py`: between the native syntaxes, element by element, streamed; values are not interpreted.
- `deflate.py`: Deflated Explicit VR Little Endian, bounded.
- `pixels.py`: compressed pixel data to native, in another process.
- `decoders.py`, `decoder.py`: that process, seen from outside and inside.
"""
