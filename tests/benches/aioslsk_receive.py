"""How fast an aioslsk client takes searches from its parent and hands them to a handler that only counts.

Prints `ready` when it is logged in, and after COUNT searches one JSON object: the seconds and the CPU seconds from the
first search to the last.
"""

import argparse
import asyncio
import json
import logging
import os
import sys
import time

import aioslsk.network.network
from aioslsk.client import SoulSeekClient
from aioslsk.events import SearchRequestReceivedEvent
from aioslsk.settings import Settings


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True)
    parser.add_argument("--listen-port", type=int, required=True)
    parser.add_argument("--home", required=True)
    parser.add_argument("--count", type=int, required=True)
    return parser.parse_args()


def settings(options):
    hostname, port = options.server.rsplit(":", 1)
    return Settings(
        credentials={"username": "bench", "password": "bench"},
        network={
            "server": {"hostname": hostname, "port": int(port), "reconnect": {"auto": False}},
            "listening": {"port": options.listen_port, "obfuscated_port": 0},
            "upnp": {"enabled": False},
        },
        shares={"scan_on_start": False, "download": options.home, "directories": []},
    )


class Counter:

    def __init__(self, count):
        self.left = count
        self.done = asyncio.Event()
        self.started = None
        self.took = None

    def on_search(self, _event):
        if self.started is None:
            self.started = (time.monotonic(), time.process_time())
        self.left -= 1
        if self.left == 0:
            wall, cpu = self.started
            self.took = {"seconds": time.monotonic() - wall, "cpu_seconds": time.process_time() - cpu}
            self.done.set()


async def run(options):
    client = SoulSeekClient(settings(options))
    counter = Counter(options.count)
    client.events.register(SearchRequestReceivedEvent, counter.on_search)
    await client.start()
    await client.login()
    print("ready", flush=True)
    await counter.done.wait()
    print(json.dumps({"searches": options.count, **counter.took}), flush=True)


def main():
    options = arguments()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    aioslsk.network.network.DEFAULT_LISTENING_HOST = "127.0.0.1"
    os.chdir(options.home)
    try:
        asyncio.run(run(options))
    finally:
        # Threads of the client would keep the process.
        os._exit(0 if sys.exc_info()[0] is None else 1)


if __name__ == "__main__":
    main()
