"""Firewalls, volumes and placement groups."""

from cloud import check, equal, refused, until, wait
from hcloud.firewalls import FirewallResource, FirewallResourceLabelSelector, FirewallRule


def run(cloud):
    client = cloud.client

    @check("firewalls: made, applied by server and by label, deleted")
    def _():
        rule = FirewallRule(direction="in", protocol="tcp", port="22", source_ips=["0.0.0.0/0", "::/0"])
        made = client.firewalls.create(name="py", rules=[rule])
        wait(*made.actions)
        firewall = client.firewalls.get_by_name("py")
        equal(firewall.rules[0].port, "22")
        server = cloud.server("walled", labels={"walled": "py"})
        one = [FirewallResource(type="server", server=server)]
        wait(*firewall.apply_to_resources(one))
        server.reload()
        equal([found.status for found in server.public_net.firewalls], ["applied"])
        refused("resource_in_use", firewall.delete)
        refused("firewall_already_applied", firewall.apply_to_resources, one)
        wait(*firewall.set_rules([]))
        wait(*firewall.remove_from_resources(one))

        selector = FirewallResourceLabelSelector(selector="walled=py")
        some = [FirewallResource(type="label_selector", label_selector=selector)]
        wait(*firewall.apply_to_resources(some))
        until(lambda: client.firewalls.get_by_id(firewall.id).applied_to[0].applied_to_resources)
        wait(*firewall.remove_from_resources(some))
        equal(firewall.update(name="wall").name, "wall")
        wait(server.delete())
        firewall.delete()
        equal(client.firewalls.get_by_name("wall"), None)

    @check("volumes: made, moved, grown, deleted")
    def _():
        server = cloud.server("storing")
        made = client.volumes.create(size=10, name="py", server=server, format="ext4", automount=True)
        wait(made.action, *made.next_actions)
        volume = client.volumes.get_by_name("py")
        equal((volume.server.id, volume.status, volume.format), (server.id, "available", "ext4"))
        wait(volume.resize(20))
        wait(volume.detach())
        wait(volume.attach(server))
        wait(server.delete())
        wait(volume.change_protection(delete=True))
        refused("protected", volume.delete)
        wait(volume.change_protection(delete=False))
        equal(volume.update(name="data").size, 20)
        volume.delete()

    @check("placement groups: made, filled, deleted")
    def _():
        group = client.placement_groups.create(name="py", type="spread").placement_group
        server = cloud.server("spread", placement_group=group)
        equal(client.placement_groups.get_by_name("py").servers, [server.id])
        wait(server.remove_from_placement_group())
        wait(server.power_off())
        wait(server.add_to_placement_group(group))
        equal(group.update(name="apart").name, "apart")
        wait(server.delete())
        group.delete()
        equal(client.placement_groups.get_by_name("apart"), None)
