"""How fast aioslsk decodes distributed searches: `aioslsk_decode.py FILE ROUNDS`.

FILE holds the frames one behind the other. They are cut apart before the clock starts, the class of the message is
named, not looked up by its code, and what comes out is counted after the clock has stopped: only the decoder is timed.
Prints one JSON object, with the best round's CPU seconds.
"""

import json
import struct
import sys
import time
from pathlib import Path

from aioslsk.protocol.messages import DistributedSearchRequest

LENGTH = struct.Struct("<I")


def split(data):
    frames = []
    start = 0
    while start < len(data):
        end = start + LENGTH.size + LENGTH.unpack_from(data, start)[0]
        frames.append(data[start:end])
        start = end
    return frames


def main():
    path, rounds = sys.argv[1:]
    frames = split(Path(path).read_bytes())
    decode = DistributedSearchRequest.Request.deserialize
    best = None
    for _ in range(int(rounds)):
        started = time.process_time()
        for frame in frames:
            decode(0, frame)
        took = time.process_time() - started
        best = took if best is None else min(best, took)
    searches = [decode(0, frame) for frame in frames]
    print(json.dumps({
        "messages": len(searches),
        "token_sum": sum(search.ticket for search in searches),
        "characters": sum(len(search.username) + len(search.query) for search in searches),
        "cpu_seconds": best,
    }))


if __name__ == "__main__":
    main()
