"""The line protocol between a test and a driver: one JSON object a line.

Out go events (`event` says which), in come commands (`cmd` says which). The Rust side, `src/peer.rs`,
has the list of both. End of input means that the test is gone: the driver must end too.
"""

import argparse
import json
import os
import threading


class Lines:
    """Events out and commands in, on two file descriptors."""

    def __init__(self, commands_fd, events_fd):
        self._commands = os.fdopen(commands_fd, "r", encoding="utf-8")
        self._events_fd = events_fd
        self._lock = threading.Lock()

    def emit(self, event, **fields):
        """Write one event. A test that no longer reads is handled as end of input, not here."""
        line = json.dumps({"event": event, **fields}).encode() + b"\n"
        with self._lock:
            try:
                while line:
                    line = line[os.write(self._events_fd, line):]
            except BrokenPipeError:
                pass

    def read_commands(self, on_command, on_end):
        """Call `on_command` for each line and `on_end` after the last, from a thread of its own."""

        def read():
            for line in self._commands:
                if line.strip():
                    on_command(json.loads(line))
            on_end()

        threading.Thread(target=read, name="commands", daemon=True).start()


class Changes:
    """Emits a state only when it differs from the one before."""

    def __init__(self, lines):
        self._lines = lines
        self._last = {}

    def emit(self, event, **fields):
        if self._last.get(event) != fields:
            self._last[event] = fields
            self._lines.emit(event, **fields)


def arguments():
    """The options that all drivers share."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True, help="HOST:PORT")
    parser.add_argument("--username", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--listen-port", required=True, type=int)
    parser.add_argument("--share", help="a folder whose files are shared")
    parser.add_argument("--home", required=True, help="an empty folder that only this peer uses")
    parser.add_argument("--accept-children", action="store_true",
                        help="no effect: this client decides by the upload speed that the server reports for it")
    options = parser.parse_args()
    host, port = options.server.rsplit(":", 1)
    options.server = (host, int(port))
    return options
