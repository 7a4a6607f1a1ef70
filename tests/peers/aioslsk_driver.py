"""Runs an aioslsk client: its events out, commands of the test in (see `lines.py`)."""

import asyncio
import contextlib
import logging
import os
import sys
from pathlib import Path

import aioslsk.network.network
from aioslsk.client import SoulSeekClient
from aioslsk.commands import PeerGetSharesCommand, PeerGetUserInfoCommand
from aioslsk.events import (
    MessageReceivedEvent,
    SearchResultEvent,
    SessionDestroyedEvent,
    UserInfoUpdateEvent,
    UserSharesReplyEvent,
)
from aioslsk.exceptions import AuthenticationError
from aioslsk.protocol.messages import (
    DistributedSearchRequest,
    DistributedServerSearchRequest,
    FileSearch,
    ServerSearchRequest,
)
from aioslsk.settings import Settings

from lines import Changes, Lines, arguments

POLL_SECONDS = 0.05
# Closing its connections takes the client a moment. A test does not wait for more.
QUIT_SECONDS = 3

# How a search can come in.
VIA = {
    DistributedSearchRequest.Request: "tree",
    DistributedServerSearchRequest.Request: "tree",
    ServerSearchRequest.Response: "root",
    FileSearch.Response: "server",
}


def settings(options):
    return Settings(
        credentials={
            "username": options.username,
            "password": options.password,
            "info": {"description": f"aioslsk {options.username}"},
        },
        network={
            "server": {"hostname": options.server[0], "port": options.server[1], "reconnect": {"auto": False}},
            "listening": {"port": options.listen_port, "obfuscated_port": 0},
            "upnp": {"enabled": False},
        },
        shares={
            "scan_on_start": False,
            "download": str(Path(options.home) / "downloads"),
            "directories": [{"path": options.share}] if options.share else [],
        },
    )


class Driver:

    def __init__(self, options):
        self.lines = Lines(os.dup(0), os.dup(1))
        self.changes = Changes(self.lines)
        self.client = SoulSeekClient(settings(options))
        self.ended = asyncio.Event()
        # Tasks are kept here, since the event loop itself holds no strong reference to them.
        self.tasks = set()

    async def run(self):
        for event, callback in (
            (MessageReceivedEvent, self.on_message),
            (SearchResultEvent, self.on_search_result),
            (SessionDestroyedEvent, self.on_session_destroyed),
            (UserInfoUpdateEvent, self.on_user_info),
            (UserSharesReplyEvent, self.on_shares),
        ):
            self.client.events.register(event, callback)
        loop = asyncio.get_running_loop()
        self.lines.read_commands(
            on_command=lambda command: loop.call_soon_threadsafe(self.spawn, self.obey(command)),
            on_end=lambda: loop.call_soon_threadsafe(self.ended.set),
        )
        # Online means ready: the shares are scanned before the first search can come.
        await self.client.start(connect=False)
        await self.client.shares.scan()
        await self.client.connect()
        try:
            await self.client.login()
        except AuthenticationError as error:
            self.lines.emit("refused", reason=error.reason)
        else:
            self.lines.emit("online")
            self.spawn(self.poll())
        await self.ended.wait()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.client.stop(), QUIT_SECONDS)

    def spawn(self, coroutine):
        task = asyncio.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    # What the client does

    def on_message(self, event):
        message = event.message
        via = VIA.get(type(message))
        if via is not None:
            self.lines.emit("search_seen", via=via, username=message.username, token=message.ticket,
                            query=message.query)

    def on_search_result(self, event):
        files = [file.filename for file in event.result.shared_items]
        self.lines.emit("search_result", username=event.result.username, token=event.result.ticket, files=files)

    def on_session_destroyed(self, _event):
        self.lines.emit("offline")

    def on_user_info(self, event):
        info = event.raw_message
        self.lines.emit("user_info", username=event.current.name, description=info.description,
                        upload_slots=info.upload_slots, queue_size=info.queue_size,
                        slots_free=bool(info.has_slots_free))

    def on_shares(self, event):
        files = [f"{folder.name}\\{file.filename}" for folder in event.directories for file in folder.files]
        self.lines.emit("shares", username=event.user.name, files=files)

    async def poll(self):
        """Parent and children are announced by no event."""
        network = self.client.distributed_network
        while self.client.session is not None:
            parent = network.parent
            if parent is not None:
                root, level = network._get_advertised_branch_values()
                self.changes.emit("parent", username=parent.username, root=root, level=level)
            else:
                self.changes.emit("parent", username=None, root=None, level=0)
            self.changes.emit("children", usernames=sorted(child.username for child in network.children))
            await asyncio.sleep(POLL_SECONDS)

    # What the test says

    async def obey(self, command):
        try:
            match command["cmd"]:
                case "search":
                    self.search_sent(await self.client.searches.search(command["query"]))
                case "search_user":
                    self.search_sent(await self.client.searches.search_user(command["username"], command["query"]))
                case "user_info":
                    await self.client(PeerGetUserInfoCommand(command["username"]))
                case "browse":
                    await self.client(PeerGetSharesCommand(command["username"]))
                case "quit":
                    self.ended.set()
                case other:
                    self.lines.emit("error", message=f"unknown command {other}")
        except Exception as error:
            logging.exception("command %s", command)
            self.lines.emit("error", message=f"{command['cmd']}: {error!r}")

    def search_sent(self, request):
        self.lines.emit("search_sent", token=request.ticket, query=request.query)


def main():
    options = arguments()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    # The one place where the address to listen on is fixed; it would be 0.0.0.0.
    aioslsk.network.network.DEFAULT_LISTENING_HOST = "127.0.0.1"
    os.chdir(options.home)
    try:
        asyncio.run(Driver(options).run())
    finally:
        # Threads of the share scanner and of the reader would keep the process.
        os._exit(0 if sys.exc_info()[0] is None else 1)


if __name__ == "__main__":
    main()
