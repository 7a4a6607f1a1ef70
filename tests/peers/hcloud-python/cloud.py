"""The simulated cloud as the official Python SDK sees it, and how a check is run.

A line a check goes out: `ok NAME`, or `failed NAME: REASON`. The test knows all names.
"""

import argparse
import json
import time
import urllib.request

from hcloud import APIException, Client
from hcloud.images import Image
from hcloud.locations import Location
from hcloud.server_types import ServerType


class Cloud:
    """Clients with each token, and what is made with them again and again."""

    def __init__(self):
        parser = argparse.ArgumentParser()
        parser.add_argument("--endpoint", required=True, help="ends in /v1")
        parser.add_argument("--token", required=True, help="may read and write")
        parser.add_argument("--read-token", required=True, help="may only read")
        parser.add_argument("--control", required=True, help="ends in /sim")
        self._options = parser.parse_args()
        self.client = self._connect(self._options.token)
        self.reader = self._connect(self._options.read_token)
        self.stranger = self._connect("nobody")

    def _connect(self, token):
        return Client(token=token, api_endpoint=self._options.endpoint, poll_interval=0.05)

    def impatient(self):
        """A client that repeats nothing. The SDK has no option for that."""
        client = self._connect(self._options.token)
        client._client._retry_max_retries = 0
        return client

    def order(self, name, **others):
        """The smallest order for a server."""
        order = {
            "name": name,
            "server_type": ServerType(name="cpx11"),
            "image": Image(name="debian-13"),
            "location": Location(name="ash"),
        }
        return order | others

    def server(self, name, **others):
        """A server that runs."""
        made = self.client.servers.create(**self.order(name, **others))
        wait(made.action, *made.next_actions)
        return self.client.servers.get_by_id(made.server.id)

    def arm(self, fault):
        """Let something go wrong."""
        self._control("POST", json.dumps(fault).encode())

    def disarm(self):
        """All is well again."""
        self._control("DELETE", None)

    def _control(self, method, body):
        request = urllib.request.Request(f"{self._options.control}/faults", data=body, method=method)
        urllib.request.urlopen(request).close()


def wait(*actions):
    """Wait for actions with the SDK's own waiter."""
    for action in actions:
        action.wait_until_finished()


def until(ready):
    """Wait for what no action tells about."""
    while not ready():
        time.sleep(0.02)


def equal(found, wanted):
    """Fail unless both are the same."""
    if found != wanted:
        raise AssertionError(f"found {found!r} instead of {wanted!r}")


def refused(code, call, *arguments, **named):
    """Fail unless the call is refused with this code; the error as the SDK typed it."""
    try:
        call(*arguments, **named)
    except APIException as error:
        equal(error.code, code)
        return error
    raise AssertionError(f"expected {code}")


def check(name):
    """Run a function as a check, at once."""

    def run(function):
        try:
            function()
            print(f"ok {name}", flush=True)
        except Exception as error:  # Whatever it is, the test has to hear of it.
            print(f"failed {name}: {type(error).__name__}: {error}", flush=True)

    return run
