"""Starts Nicotine+ without a window and without a terminal, driven by the plugin beside this file.

Nicotine+ takes over this process, so that whoever ends the driver has ended the client. It wants standard
input and output for itself; the plugin gets copies of them under other numbers.
"""

import configparser
import os
import shutil
import sys
from pathlib import Path

from lines import arguments

HERE = Path(__file__).resolve().parent
PLUGIN = "nicotine_plugin"


def write_config(options, home):
    """Nicotine+ reads every value as a Python literal."""
    sections = {
        "server": {
            "server": options.server,
            "login": options.username,
            "passw": options.password,
            "portrange": (options.listen_port, options.listen_port),
            "upnp": False,
            "auto_connect_startup": True,
        },
        "transfers": {
            "shared": [("shared", str(Path(options.share).resolve()))] if options.share else [],
            "downloaddir": str(home / "downloads"),
            "incompletedir": str(home / "incomplete"),
            "uploaddir": str(home / "received"),
        },
        "userinfo": {"descr": repr(f"nicotine {options.username}")},
        "logging": {"debugmodes": ["connection", "miscellaneous"]},
        "plugins": {"enable": True, "enabled": [PLUGIN]},
    }
    config = configparser.RawConfigParser()
    for section, values in sections.items():
        config[section] = {key: str(value) for key, value in values.items()}
    with (home / "config").open("w", encoding="utf-8") as file:
        config.write(file)


def main():
    options = arguments()
    home = Path(options.home).resolve()
    write_config(options, home)
    shutil.copytree(HERE / PLUGIN, home / "data" / "plugins" / PLUGIN)

    commands, events = os.dup(0), os.dup(1)
    os.set_inheritable(commands, True)
    os.set_inheritable(events, True)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)

    environment = {
        **os.environ,
        "HOME": str(home),
        "PYTHONPATH": str(HERE),
        "PEER_COMMANDS_FD": str(commands),
        "PEER_EVENTS_FD": str(events),
    }
    # The server tells every client the address 127.0.0.1, so that is where it has to listen (-b).
    nicotine = ["-m", "pynicotine", "--headless", "-b", "127.0.0.1", "-c", str(home / "config"), "-u", str(home / "data")]
    os.execve(sys.executable, [sys.executable, *nicotine], environment)


if __name__ == "__main__":
    main()
