"""Primary and floating IPs, and networks."""

from cloud import check, equal, refused, wait
from hcloud.locations import Location
from hcloud.networks import NetworkRoute, NetworkSubnet
from hcloud.servers import ServerCreatePublicNetwork


def run(cloud):
    client = cloud.client

    @check("primary ips: kept when the server goes")
    def _():
        ip = client.primary_ips.create(type="ipv4", name="py", location=Location(name="ash")).primary_ip
        equal((ip.assignee_type, ip.assignee_id), ("unassigned", None))
        server = cloud.server("addressed", public_net=ServerCreatePublicNetwork(ipv4=ip))
        equal(server.public_net.ipv4.ip, ip.ip)
        refused("must_be_unassigned", ip.delete)
        wait(server.power_off())
        wait(ip.unassign())
        wait(ip.assign(server.id, "server"))
        wait(server.delete())
        ip.reload()
        equal(ip.assignee_id, None)

    @check("primary ips: changed, protected, deleted")
    def _():
        ip = client.primary_ips.get_by_name("py")
        equal(ip.update(name="kept", auto_delete=True).auto_delete, True)
        wait(ip.change_dns_ptr(ip.ip, "a.example.org"))
        wait(ip.change_protection(delete=True))
        refused("protected", ip.delete)
        wait(ip.change_protection(delete=False))
        ip.delete()
        equal(client.primary_ips.get_by_name("kept"), None)

    @check("floating ips: made, moved, deleted")
    def _():
        server = cloud.server("floater")
        made = client.floating_ips.create(type="ipv4", server=server, name="py")
        wait(made.action)
        ip = client.floating_ips.get_by_name("py")
        equal(ip.server.id, server.id)
        refused("must_be_unassigned", ip.delete)
        wait(ip.unassign())
        wait(ip.assign(server))
        wait(ip.change_dns_ptr(ip.ip, "f.example.org"))
        equal(ip.update(description="ours").description, "ours")
        wait(server.delete())
        ip.delete()

    @check("networks: made, changed, deleted")
    def _():
        subnet = NetworkSubnet(type="cloud", ip_range="10.0.1.0/24", network_zone="us-east")
        network = client.networks.create(name="py", ip_range="10.0.0.0/16", subnets=[subnet])
        more = NetworkSubnet(type="cloud", ip_range="10.0.2.0/24", network_zone="eu-central")
        wait(network.add_subnet(more))
        wait(network.delete_subnet(more))
        route = NetworkRoute(destination="10.100.0.0/16", gateway="10.0.1.5")
        wait(network.add_route(route))
        wait(network.delete_route(route))
        wait(network.change_ip_range("10.0.0.0/12"))
        equal(client.networks.get_by_name("py").ip_range, "10.0.0.0/12")

        inside = cloud.server("inside", networks=[network])
        equal(inside.private_net[0].ip, "10.0.1.1")
        outside = cloud.server("outside")
        refused("ip_not_available", outside.attach_to_network, network, ip="10.0.1.1")
        wait(outside.attach_to_network(network, ip="10.0.1.9"))
        wait(outside.change_alias_ips(network, ["10.0.1.10"]))
        members = client.networks.get_member_all(network, status=["ok"])
        equal([member.ip for member in members], ["10.0.1.1", "10.0.1.9"])
        wait(outside.detach_from_network(network))
        wait(inside.delete(), outside.delete())
        wait(network.change_protection(delete=True))
        refused("protected", network.delete)
        wait(network.change_protection(delete=False))
        network.delete()
        equal(client.networks.get_by_name("py"), None)
