"""Keys, the catalogue, and servers from order to end."""

import base64
import struct

from cloud import check, equal, refused, until, wait
from hcloud.actions import ActionFailedException
from hcloud.images import Image
from hcloud.server_types import ServerType


def public_key(number):
    """A valid one, another for each number."""
    blob = struct.pack(">I", 11) + b"ssh-ed25519" + struct.pack(">I", 32) + bytes([number] * 32)
    return f"ssh-ed25519 {base64.b64encode(blob).decode()} somebody"


def run(cloud):
    client = cloud.client

    @check("catalogue: types, images, locations, prices")
    def _():
        found = client.server_types.get_by_name("cpx11")
        equal((found.cores, found.disk, found.architecture), (2, 40, "x86"))
        available = {entry.location.name for entry in found.locations if entry.available}
        equal(available, {"ash", "hil"})
        arm = client.images.get_by_name_and_architecture("debian-13", "arm")
        equal(client.images.get_by_id(arm.id).os_version, "13")
        equal(client.locations.get_by_name("sin").network_zone, "ap-southeast")
        equal(len(client.locations.get_all()), 6)

    @check("ssh keys: made, found, changed, deleted")
    def _():
        made = client.ssh_keys.create("py", public_key(3), labels={"owner": "py"})
        equal(client.ssh_keys.get_by_name("py").id, made.id)
        equal(client.ssh_keys.get_by_fingerprint(made.fingerprint).id, made.id)
        equal(len(client.ssh_keys.get_all(label_selector="owner=py")), 1)
        equal(made.update(name="python").name, "python")
        made.delete()
        refused("not_found", client.ssh_keys.get_by_id, made.id)

    @check("servers: made, found, changed")
    def _():
        key = client.ssh_keys.create("py", public_key(4))
        order = cloud.order("one", ssh_keys=[key], user_data="#cloud-config\n", labels={"owner": "py"})
        made = client.servers.create(**order)
        equal((made.server.status, made.root_password), ("initializing", None))
        wait(made.action, *made.next_actions)
        server = client.servers.get_by_name("one")
        equal((server.status, server.primary_disk_size), ("running", 40))
        equal(server.public_net.ipv4.ip.startswith("127.80."), True)
        equal(len(client.servers.get_all(label_selector="owner in (py,x),!role")), 1)
        changed = server.update(name="uno", labels={"a": "b"})
        equal((changed.name, changed.labels), ("uno", {"a": "b"}))

    @check("servers: power")
    def _():
        server = client.servers.get_by_name("uno")
        for action in (server.power_off, server.power_on, server.reboot, server.reset, server.shutdown):
            wait(action())
        until(lambda: client.servers.get_by_id(server.id).status == "off")
        equal(len(server.get_actions()) >= 7, True)

    @check("servers: strangers fill many pages")
    def _():
        equal(len(client.servers.get_all(label_selector="stranger")), 120)

    @check("servers: another type, another image")
    def _():
        server = client.servers.get_by_name("uno")
        wait(server.change_type(ServerType(name="cpx21"), upgrade_disk=False))
        wait(server.rebuild(Image(name="ubuntu-24.04")).action)
        server.reload()
        equal((server.server_type.name, server.image.name, server.status), ("cpx21", "ubuntu-24.04", "running"))

    @check("servers: backups, rescue, password, names, protection")
    def _():
        server = client.servers.get_by_name("uno")
        wait(server.enable_backup())
        wait(server.disable_backup())
        rescue = server.enable_rescue(type="linux64")
        equal(bool(rescue.root_password), True)
        wait(rescue.action)
        wait(server.disable_rescue())
        wait(server.reset_password().action)
        wait(server.change_dns_ptr(server.public_net.ipv4.ip, "uno.example.org"))
        wait(server.change_protection(delete=True, rebuild=True))
        refused("protected", server.delete)
        wait(server.change_protection(delete=False, rebuild=False))

    @check("servers: a failed action is an exception of the waiter")
    def _():
        server = client.servers.get_by_name("uno")
        cloud.arm({"fault": "fail_action", "command": "reboot_server", "code": "server_error", "message": "no", "times": 1})
        try:
            wait(server.reboot())
        except ActionFailedException as error:
            equal(error.action.error["code"], "server_error")
            return
        raise AssertionError("the action did not fail")

    @check("servers: a snapshot makes a server")
    def _():
        server = client.servers.get_by_name("uno")
        made = server.create_image(description="golden", labels={"a": "b"})
        wait(made.action)
        image = client.images.get_all(type=["snapshot"], label_selector="a=b")[0]
        equal((image.id, image.status, image.name), (made.image.id, "available", None))
        copy = cloud.server("copy", server_type=ServerType(name="cpx21"), image=image)
        equal(copy.image.id, image.id)
        wait(copy.delete())
        equal(image.update(description="silver").description, "silver")
        image.delete()

    @check("servers: deleted")
    def _():
        server = client.servers.get_by_name("uno")
        wait(server.delete())
        refused("not_found", client.servers.get_by_id, server.id)
