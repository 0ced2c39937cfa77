"""The process that decodes compressed pixel data; if that crashes, hangs or swells, only it is lost.

Started by `scu.transcoding.decoders` as ``python -m scu.transcoding.decoder FD``, FD being a socket. Each
request is a message of JSON and one of encapsulated pixel data. Each frame is answered by a message of
JSON and one of native bytes; a failure by JSON with ``error``. It ends when the socket does.
"""

import json
import resource
import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels.decoders.base import JPEGExtended12BitDecoder, get_decoder
from pydicom.uid import JPEGBaseline8Bit, JPEGExtended12Bit

# These keep colour as YCbCr for compression's sake, and lose anyway: RGB is what everybody can show. What is
# lossless stays so: converting YBR_FULL to RGB would round.
_AS_RGB = (JPEGBaseline8Bit, JPEGExtended12Bit)
_BASE_BYTES = 256 << 20


def decode(request: dict[str, Any], data: bytes) -> Iterator[tuple[bytes, str]]:
    """Yield native frames, colour by pixel, little endian; each with its Photometric Interpretation."""
    syntax, count = request["transfer_syntax_uid"], request["number_of_frames"]
    tables = [bytes.fromhex(table) for table in request["extended_offsets"]]
    options = {**request["options"], "number_of_frames": 1, "pixel_keyword": "PixelData", "as_rgb": True}
    decoder = get_decoder(syntax)
    frames = generate_frames(
        data, number_of_frames=count, extended_offsets=(tables[0], tables[1]) if tables else None
    )
    for frame, _ in zip(frames, range(count), strict=False):
        # One at a time: pydicom's iter_array cannot correct the sign of JPEG 2000 in what it iterates over.
        array, said = decoder.as_array(
            encapsulate([frame], has_bot=False),
            index=0,
            raw=syntax not in _AS_RGB,
            **options,
        )
        photometric = str(said["photometric_interpretation"])
        # Decoders undo the subsampling.
        yield array.tobytes(), "YBR_FULL" if photometric == "YBR_FULL_422" else photometric


def _bound_memory(budget: int) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * resource.getpagesize() + budget
    resource.setrlimit(resource.RLIMIT_AS, (limit if hard == -1 else min(limit, hard), hard))


def _answer(connection: Connection) -> None:
    request = json.loads(connection.recv_bytes())
    data = connection.recv_bytes()
    try:
        _bound_memory(_BASE_BYTES + 3 * len(data) + 10 * request["frame_bytes"])
        for frame, photometric in decode(request, data):
            connection.send_bytes(json.dumps({"photometric": photometric}).encode())
            connection.send_bytes(frame)
    except Exception as error:  # decoders raise whatever their libraries do
        connection.send_bytes(json.dumps({"error": type(error).__name__}).encode())
    else:
        connection.send_bytes(json.dumps({"end": True}).encode())


def main() -> None:
    """Answer requests until the other end closes."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    JPEGExtended12BitDecoder.add_plugin("gdcm12", ("scu.transcoding.gdcm12", "_decode_frame"))
    with Connection(int(sys.argv[1])) as connection:
        try:
            while True:
                _answer(connection)
        except (EOFError, OSError):
            return


if __name__ == "__main__":
    main()
