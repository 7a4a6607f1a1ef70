package main

import (
	"net"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"
)

func primaryIPs(c *cloud) {
	var ip *hcloud.PrimaryIP
	check("primary ips: made, found, changed", func() {
		opts := hcloud.PrimaryIPCreateOpts{Name: "go", Type: hcloud.PrimaryIPTypeIPv4, Location: "ash", Labels: map[string]string{"owner": "go"}}
		ip = get(c.PrimaryIP.Create(c.ctx, opts)).PrimaryIP
		equal(ip.AssigneeType, "unassigned")
		equal(ip.AssigneeID, 0)
		equal(get(c.PrimaryIP.GetByName(c.ctx, "go")).ID, ip.ID)
		equal(get(c.PrimaryIP.GetByIP(c.ctx, ip.IP.String())).ID, ip.ID)
		on := true
		equal(get(c.PrimaryIP.Update(c.ctx, ip, hcloud.PrimaryIPUpdateOpts{AutoDelete: &on})).AutoDelete, true)
		off := false
		equal(get(c.PrimaryIP.Update(c.ctx, ip, hcloud.PrimaryIPUpdateOpts{AutoDelete: &off, Name: "kept"})).Name, "kept")
	})
	check("primary ips: kept when its server goes", func() {
		opts := c.order("addressed")
		opts.PublicNet = &hcloud.ServerCreatePublicNet{EnableIPv4: true, EnableIPv6: true, IPv4: ip}
		server := c.server(opts)
		equal(server.PublicNet.IPv4.ID, ip.ID)
		_, err := c.PrimaryIP.Delete(c.ctx, ip)
		refused(err, "must_be_unassigned")
		c.act(c.Server.Poweroff(c.ctx, server))
		c.act(c.PrimaryIP.Unassign(c.ctx, ip.ID))
		c.act(c.PrimaryIP.Assign(c.ctx, hcloud.PrimaryIPAssignOpts{ID: ip.ID, AssigneeID: server.ID, AssigneeType: "server"}))
		c.remove(server)
		found := get(c.PrimaryIP.GetByID(c.ctx, ip.ID))
		equal(found.AssigneeID, 0)
		equal(found.IP.String(), ip.IP.String())
	})
	check("primary ips: named, protected, deleted", func() {
		c.act(c.PrimaryIP.ChangeDNSPtr(c.ctx, hcloud.PrimaryIPChangeDNSPtrOpts{ID: ip.ID, IP: ip.IP.String(), DNSPtr: "a.example.org"}))
		equal(get(c.PrimaryIP.GetByID(c.ctx, ip.ID)).DNSPtr[ip.IP.String()], "a.example.org")
		c.act(c.PrimaryIP.ChangeProtection(c.ctx, hcloud.PrimaryIPChangeProtectionOpts{ID: ip.ID, Delete: true}))
		_, err := c.PrimaryIP.Delete(c.ctx, ip)
		refused(err, hcloud.ErrorCodeProtected)
		c.act(c.PrimaryIP.ChangeProtection(c.ctx, hcloud.PrimaryIPChangeProtectionOpts{ID: ip.ID, Delete: false}))
		done(c.PrimaryIP.Delete(c.ctx, ip))
		equal(get(c.PrimaryIP.GetByID(c.ctx, ip.ID)) == nil, true)
	})
	check("primary ips: a network of IPv6", func() {
		opts := hcloud.PrimaryIPCreateOpts{Name: "six", Type: hcloud.PrimaryIPTypeIPv6, Location: "hil"}
		six := get(c.PrimaryIP.Create(c.ctx, opts)).PrimaryIP
		equal(six.Network.Contains(six.IP), true)
		done(c.PrimaryIP.Delete(c.ctx, six))
	})
}

func floatingIPs(c *cloud) {
	check("floating ips: made, moved, deleted", func() {
		server := c.server(c.order("floater"))
		made := get(c.FloatingIP.Create(c.ctx, hcloud.FloatingIPCreateOpts{Type: hcloud.FloatingIPTypeIPv4, Server: server, Name: hcloud.Ptr("float")}))
		c.wait(made.Action)
		ip := get(c.FloatingIP.GetByName(c.ctx, "float"))
		equal(ip.Server.ID, server.ID)
		_, err := c.FloatingIP.Delete(c.ctx, ip)
		refused(err, "must_be_unassigned")
		c.act(c.FloatingIP.Unassign(c.ctx, ip))
		c.act(c.FloatingIP.Assign(c.ctx, ip, server))
		name := "f.example.org"
		c.act(c.FloatingIP.ChangeDNSPtr(c.ctx, ip, ip.IP.String(), &name))
		equal(get(c.FloatingIP.Update(c.ctx, ip, hcloud.FloatingIPUpdateOpts{Description: "ours"})).Description, "ours")
		on, off := true, false
		c.act(c.FloatingIP.ChangeProtection(c.ctx, ip, hcloud.FloatingIPChangeProtectionOpts{Delete: &on}))
		c.act(c.FloatingIP.ChangeProtection(c.ctx, ip, hcloud.FloatingIPChangeProtectionOpts{Delete: &off}))
		c.remove(server)
		done(c.FloatingIP.Delete(c.ctx, ip))
		equal(get(c.FloatingIP.GetByID(c.ctx, ip.ID)) == nil, true)
	})
}

func ipNet(text string) *net.IPNet {
	_, network, err := net.ParseCIDR(text)
	if err != nil {
		panic(err)
	}
	return network
}

func networks(c *cloud) {
	var network *hcloud.Network
	check("networks: made, found, changed", func() {
		network = get(c.Network.Create(c.ctx, hcloud.NetworkCreateOpts{
			Name:    "go",
			IPRange: ipNet("10.0.0.0/16"),
			Subnets: []hcloud.NetworkSubnet{{Type: hcloud.NetworkSubnetTypeCloud, IPRange: ipNet("10.0.1.0/24"), NetworkZone: hcloud.NetworkZoneUSEast}},
		}))
		equal(network.Subnets[0].Gateway.String(), "10.0.0.1")
		equal(get(c.Network.GetByName(c.ctx, "go")).ID, network.ID)
		equal(get(c.Network.Update(c.ctx, network, hcloud.NetworkUpdateOpts{Name: "gone"})).Name, "gone")
	})
	check("networks: subnets, routes, range, protection", func() {
		subnet := hcloud.NetworkSubnet{Type: hcloud.NetworkSubnetTypeCloud, IPRange: ipNet("10.0.2.0/24"), NetworkZone: hcloud.NetworkZoneEUCentral}
		c.act(c.Network.AddSubnet(c.ctx, network, hcloud.NetworkAddSubnetOpts{Subnet: subnet}))
		equal(len(get(c.Network.GetByID(c.ctx, network.ID)).Subnets), 2)
		c.act(c.Network.DeleteSubnet(c.ctx, network, hcloud.NetworkDeleteSubnetOpts{Subnet: subnet}))
		route := hcloud.NetworkRoute{Destination: ipNet("10.100.0.0/16"), Gateway: net.ParseIP("10.0.1.5")}
		c.act(c.Network.AddRoute(c.ctx, network, hcloud.NetworkAddRouteOpts{Route: route}))
		c.act(c.Network.DeleteRoute(c.ctx, network, hcloud.NetworkDeleteRouteOpts{Route: route}))
		c.act(c.Network.ChangeIPRange(c.ctx, network, hcloud.NetworkChangeIPRangeOpts{IPRange: ipNet("10.0.0.0/12")}))
		on, off := true, false
		c.act(c.Network.ChangeProtection(c.ctx, network, hcloud.NetworkChangeProtectionOpts{Delete: &on}))
		_, err := c.Network.Delete(c.ctx, network)
		refused(err, hcloud.ErrorCodeProtected)
		c.act(c.Network.ChangeProtection(c.ctx, network, hcloud.NetworkChangeProtectionOpts{Delete: &off}))
	})
	check("networks: servers in and out", func() {
		opts := c.order("inside")
		opts.Networks = []*hcloud.Network{network}
		first := c.server(opts)
		equal(first.PrivateNet[0].IP.String(), "10.0.1.1")
		second := c.server(c.order("outside"))
		attach := hcloud.ServerAttachToNetworkOpts{Network: network, IP: net.ParseIP("10.0.1.1")}
		_, _, err := c.Server.AttachToNetwork(c.ctx, second, attach)
		refused(err, hcloud.ErrorCodeIPNotAvailable)
		attach.IP = net.ParseIP("10.0.1.9")
		c.act(c.Server.AttachToNetwork(c.ctx, second, attach))
		c.act(c.Server.ChangeAliasIPs(c.ctx, second, hcloud.ServerChangeAliasIPsOpts{Network: network, AliasIPs: []net.IP{net.ParseIP("10.0.1.10")}}))
		members := all(c.Network.AllMembers(c.ctx, network))
		equal(len(members), 2)
		equal(members[1].IP.String(), "10.0.1.9")
		equal(members[1].AliasIPs[0].String(), "10.0.1.10")
		c.act(c.Server.DetachFromNetwork(c.ctx, second, hcloud.ServerDetachFromNetworkOpts{Network: network}))
		c.remove(first)
		c.remove(second)
	})
	check("networks: deleted", func() {
		done(c.Network.Delete(c.ctx, network))
		equal(get(c.Network.GetByID(c.ctx, network.ID)) == nil, true)
	})
}
