package main

import (
	"net"
	"time"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"
)

func firewalls(c *cloud) {
	rule := hcloud.FirewallRule{
		Direction:   hcloud.FirewallRuleDirectionIn,
		Protocol:    hcloud.FirewallRuleProtocolTCP,
		Port:        hcloud.Ptr("60000-60001"),
		SourceIPs:   []net.IPNet{*ipNet("0.0.0.0/0"), *ipNet("::/0")},
		Description: hcloud.Ptr("peers"),
	}
	var firewall *hcloud.Firewall
	var server *hcloud.Server
	check("firewalls: made, found, changed", func() {
		made := get(c.Firewall.Create(c.ctx, hcloud.FirewallCreateOpts{Name: "go", Rules: []hcloud.FirewallRule{rule}}))
		c.wait(made.Actions...)
		firewall = get(c.Firewall.GetByName(c.ctx, "go"))
		equal(*firewall.Rules[0].Port, "60000-60001")
		equal(firewall.Rules[0].SourceIPs[1].String(), "::/0")
		equal(get(c.Firewall.Update(c.ctx, firewall, hcloud.FirewallUpdateOpts{Name: "wall"})).Name, "wall")
		c.wait(get(c.Firewall.SetRules(c.ctx, firewall, hcloud.FirewallSetRulesOpts{Rules: []hcloud.FirewallRule{}}))...)
		equal(len(get(c.Firewall.GetByID(c.ctx, firewall.ID)).Rules), 0)
	})
	check("firewalls: applied to a server", func() {
		opts := c.order("walled")
		opts.Labels = map[string]string{"walled": "yes"}
		server = c.server(opts)
		resource := []hcloud.FirewallResource{{Type: hcloud.FirewallResourceTypeServer, Server: &hcloud.FirewallResourceServer{ID: server.ID}}}
		c.wait(get(c.Firewall.ApplyResources(c.ctx, firewall, resource))...)
		found := get(c.Server.GetByID(c.ctx, server.ID)).PublicNet.Firewalls
		equal(found[0].Firewall.ID, firewall.ID)
		equal(found[0].Status, hcloud.FirewallStatusApplied)
		_, _, err := c.Firewall.ApplyResources(c.ctx, firewall, resource)
		refused(err, hcloud.ErrorCodeFirewallAlreadyApplied)
		_, err = c.Firewall.Delete(c.ctx, firewall)
		refused(err, hcloud.ErrorCodeResourceInUse)
		c.wait(get(c.Firewall.RemoveResources(c.ctx, firewall, resource))...)
	})
	check("firewalls: applied by label", func() {
		resource := []hcloud.FirewallResource{{Type: hcloud.FirewallResourceTypeLabelSelector, LabelSelector: &hcloud.FirewallResourceLabelSelector{Selector: "walled=yes"}}}
		c.wait(get(c.Firewall.ApplyResources(c.ctx, firewall, resource))...)
		for len(get(c.Firewall.GetByID(c.ctx, firewall.ID)).AppliedTo[0].AppliedToResources) == 0 {
			time.Sleep(20 * time.Millisecond)
		}
		c.wait(get(c.Firewall.RemoveResources(c.ctx, firewall, resource))...)
	})
	check("firewalls: deleted", func() {
		c.remove(server)
		done(c.Firewall.Delete(c.ctx, firewall))
		equal(get(c.Firewall.GetByID(c.ctx, firewall.ID)) == nil, true)
	})
}

func volumes(c *cloud) {
	check("volumes: made, moved, grown, deleted", func() {
		server := c.server(c.order("storing"))
		made := get(c.Volume.Create(c.ctx, hcloud.VolumeCreateOpts{Name: "go", Size: 10, Server: server, Format: hcloud.Ptr("ext4"), Automount: hcloud.Ptr(true)}))
		c.wait(append(made.NextActions, made.Action)...)
		volume := get(c.Volume.GetByName(c.ctx, "go"))
		equal(volume.Server.ID, server.ID)
		equal(volume.Status, hcloud.VolumeStatusAvailable)
		equal(*volume.Format, "ext4")
		_, _, err := c.Volume.Attach(c.ctx, volume, server)
		refused(err, hcloud.ErrorCodeVolumeAlreadyAttached)
		c.act(c.Volume.Resize(c.ctx, volume, 20))
		c.act(c.Volume.Detach(c.ctx, volume))
		c.act(c.Volume.Attach(c.ctx, volume, server))
		equal(get(c.Server.GetByID(c.ctx, server.ID)).Volumes[0].ID, volume.ID)
		c.remove(server)
		on, off := true, false
		c.act(c.Volume.ChangeProtection(c.ctx, volume, hcloud.VolumeChangeProtectionOpts{Delete: &on}))
		_, err = c.Volume.Delete(c.ctx, volume)
		refused(err, hcloud.ErrorCodeProtected)
		c.act(c.Volume.ChangeProtection(c.ctx, volume, hcloud.VolumeChangeProtectionOpts{Delete: &off}))
		equal(get(c.Volume.GetByID(c.ctx, volume.ID)).Size, 20)
		done(c.Volume.Delete(c.ctx, volume))
		equal(get(c.Volume.GetByID(c.ctx, volume.ID)) == nil, true)
	})
}

func placementGroups(c *cloud) {
	check("placement groups: made, filled, deleted", func() {
		group := get(c.PlacementGroup.Create(c.ctx, hcloud.PlacementGroupCreateOpts{Name: "go", Type: hcloud.PlacementGroupTypeSpread})).PlacementGroup
		equal(get(c.PlacementGroup.GetByName(c.ctx, "go")).ID, group.ID)
		opts := c.order("spread")
		opts.PlacementGroup = group
		server := c.server(opts)
		equal(server.PlacementGroup.ID, group.ID)
		equal(get(c.PlacementGroup.GetByID(c.ctx, group.ID)).Servers[0], server.ID)
		c.act(c.Server.RemoveFromPlacementGroup(c.ctx, server))
		c.act(c.Server.Poweroff(c.ctx, server))
		c.act(c.Server.AddToPlacementGroup(c.ctx, server, group))
		equal(get(c.PlacementGroup.Update(c.ctx, group, hcloud.PlacementGroupUpdateOpts{Name: "apart"})).Name, "apart")
		c.remove(server)
		done(c.PlacementGroup.Delete(c.ctx, group))
		equal(get(c.PlacementGroup.GetByID(c.ctx, group.ID)) == nil, true)
	})
}

func images(c *cloud) {
	check("images: a snapshot makes a server", func() {
		server := c.server(c.order("source"))
		made := get(c.Server.CreateImage(c.ctx, server, &hcloud.ServerCreateImageOpts{Type: hcloud.ImageTypeSnapshot, Description: hcloud.Ptr("golden")}))
		c.wait(made.Action)
		image := get(c.Image.GetByID(c.ctx, made.Image.ID))
		equal(image.Status, hcloud.ImageStatusAvailable)
		equal(image.CreatedFrom.ID, server.ID)
		equal(len(all(c.Image.AllWithOpts(c.ctx, hcloud.ImageListOpts{Type: []hcloud.ImageType{hcloud.ImageTypeSnapshot}}))), 1)
		opts := c.order("copy")
		opts.Image = image
		equal(c.server(opts).Image.ID, image.ID)
		equal(get(c.Image.Update(c.ctx, image, hcloud.ImageUpdateOpts{Description: hcloud.Ptr("silver")})).Description, "silver")
		done(c.Image.Delete(c.ctx, image))
		equal(get(c.Image.GetByID(c.ctx, image.ID)) == nil, true)
		c.remove(server)
		c.remove(get(c.Server.GetByName(c.ctx, "copy")))
	})
}
