"""The driver inside Nicotine+: events of the client out, commands of the test in (see `lines.py`)."""

import os
import threading

from lines import Changes, Lines
from pynicotine.events import events
from pynicotine.pluginsystem import BasePlugin

# The main loop of the client looks at scheduled work ten times a second; there is no sense in asking more often.
POLL_SECONDS = 0.1
# The client waits for its network thread when it quits. A test does not.
QUIT_SECONDS = 3


class Plugin(BasePlugin):

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.lines = Lines(int(os.environ["PEER_COMMANDS_FD"]), int(os.environ["PEER_EVENTS_FD"]))
        self.changes = Changes(self.lines)
        self.logged_in = False
        self.shares_ready = False
        self.is_online = False

    def loaded_notification(self):
        for name, callback in (
            ("server-login", self.on_login),
            ("server-disconnect", self.on_disconnect),
            ("shares-ready", self.on_shares_ready),
            ("file-search-response", self.on_search_response),
            ("user-info-response", self.on_user_info),
            ("shared-file-list-response", self.on_shared_files),
        ):
            events.connect(name, callback)
        events.schedule(delay=POLL_SECONDS, callback=self.poll, repeat=True)
        self.lines.read_commands(
            on_command=lambda command: events.invoke_main_thread(self.obey, command),
            on_end=self.quit,
        )

    # What the client does

    def on_login(self, msg):
        if msg.success:
            self.logged_in = True
            self.report_online()
        else:
            self.lines.emit("refused", reason=msg.reason)

    def on_shares_ready(self, _successful):
        self.shares_ready = True
        self.report_online()

    def report_online(self):
        """Online means ready: before its shares are scanned the client answers no search."""
        if self.logged_in and self.shares_ready and not self.is_online:
            self.is_online = True
            self.lines.emit("online")

    def on_disconnect(self, _msg):
        if self.logged_in:
            self.logged_in = self.is_online = False
            self.lines.emit("offline")

    def search_request_notification(self, searchterm, user, token):
        self.lines.emit("search_seen", via="server", username=user, token=token, query=searchterm)

    def distrib_search_notification(self, searchterm, user, token):
        via = "root" if self.network()._is_server_parent else "tree"
        self.lines.emit("search_seen", via=via, username=user, token=token, query=searchterm)

    def on_search_response(self, msg):
        # The client takes the token away from answers that it does not want.
        if msg.token is not None:
            files = [file[1] for file in msg.list]
            self.lines.emit("search_result", username=msg.username, token=msg.token, files=files)

    def on_user_info(self, msg):
        self.lines.emit("user_info", username=msg.username, description=msg.descr, upload_slots=msg.totalupl,
                        queue_size=msg.queuesize, slots_free=bool(msg.slotsavail))

    def on_shared_files(self, msg):
        files = [f"{folder}\\{file[1]}" for folder, folder_files in msg.list for file in folder_files]
        self.lines.emit("shares", username=msg.username, files=files)

    def poll(self):
        """Parent and children live in the network thread and are announced by no event."""
        network = self.network()
        parent = network._parent_conn
        if parent is not None:
            name = next((init.target_user for init in (parent.init,) if init), None)
            self.changes.emit("parent", username=name, root=network._branch_root, level=network._branch_level)
        else:
            self.changes.emit("parent", username=None, root=None, level=0)
        self.changes.emit("children", usernames=sorted(network._child_peers))

    def network(self):
        return self.core._network_thread

    # What the test says

    def obey(self, command):
        match command["cmd"]:
            case "search":
                self.search(command["query"], "global")
            case "search_user":
                self.search(command["query"], "user", users=[command["username"]])
            case "user_info":
                self.core.userinfo.show_user(command["username"], refresh=True)
            case "browse":
                self.core.userbrowse.browse_user(command["username"], new_request=True)
            case "quit":
                self.quit()
            case other:
                self.lines.emit("error", message=f"unknown command {other}")

    def search(self, query, mode, users=None):
        self.core.search.do_search(query, mode, users=users)
        self.lines.emit("search_sent", token=self.core.search.token, query=query)

    def quit(self):
        watchdog = threading.Timer(QUIT_SECONDS, os._exit, args=(0,))
        watchdog.daemon = True
        watchdog.start()
        events.invoke_main_thread(self.core.quit)
