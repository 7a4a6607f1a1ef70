package main

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"
)

func catalogue(c *cloud) {
	check("catalogue: a server type has prices and stock by location", func() {
		found := get(c.ServerType.GetByName(c.ctx, "cpx11"))
		equal(found.Cores, 2)
		equal(found.Disk, 40)
		equal(string(found.Architecture), "x86")
		for _, location := range found.Locations {
			equal(location.Available, location.Location.Name == "ash" || location.Location.Name == "hil")
			equal(location.IsDeprecated(), !location.Available)
		}
		for _, price := range found.Pricings {
			if price.Location.Name == "ash" {
				equal(price.Monthly.Net, "17.49")
			}
		}
		equal(get(c.ServerType.GetByID(c.ctx, found.ID)).Name, "cpx11")
		equal(len(all(c.ServerType.All(c.ctx))), 22)
	})
	check("catalogue: an image has one ID an architecture", func() {
		x86 := get(c.Image.GetByNameAndArchitecture(c.ctx, "debian-13", hcloud.ArchitectureX86))
		arm := get(c.Image.GetByNameAndArchitecture(c.ctx, "debian-13", hcloud.ArchitectureARM))
		equal(x86.ID == arm.ID, false)
		equal(get(c.Image.GetByID(c.ctx, arm.ID)).OSVersion, "13")
	})
	check("catalogue: locations and prices", func() {
		found := get(c.Location.GetByName(c.ctx, "sin"))
		equal(string(found.NetworkZone), "ap-southeast")
		equal(get(c.Location.GetByID(c.ctx, found.ID)).Name, "sin")
		equal(len(all(c.Location.All(c.ctx))), 6)
		pricing := get(c.Pricing.Get(c.ctx))
		equal(pricing.Volume.PerGBMonthly.Net, "0.0572")
		equal(len(pricing.PrimaryIPs), 2)
	})
}

// publicKey is a valid one, another for each number.
func publicKey(number byte) string {
	blob := binary.BigEndian.AppendUint32(nil, 11)
	blob = append(blob, "ssh-ed25519"...)
	blob = binary.BigEndian.AppendUint32(blob, ed25519.PublicKeySize)
	key := make([]byte, ed25519.PublicKeySize)
	key[0] = number
	return "ssh-ed25519 " + base64.StdEncoding.EncodeToString(append(blob, key...)) + " somebody"
}

func sshKeys(c *cloud) {
	check("ssh keys: made, found, changed, deleted", func() {
		labels := map[string]string{"owner": "go"}
		made := get(c.SSHKey.Create(c.ctx, hcloud.SSHKeyCreateOpts{Name: "go", PublicKey: publicKey(1), Labels: labels}))
		equal(get(c.SSHKey.GetByName(c.ctx, "go")).ID, made.ID)
		equal(get(c.SSHKey.GetByFingerprint(c.ctx, made.Fingerprint)).ID, made.ID)
		selected := all(c.SSHKey.AllWithOpts(c.ctx, hcloud.SSHKeyListOpts{ListOpts: hcloud.ListOpts{LabelSelector: "owner=go"}}))
		equal(len(selected), 1)
		changed := get(c.SSHKey.Update(c.ctx, made, hcloud.SSHKeyUpdateOpts{Name: "golang"}))
		equal(changed.Name, "golang")
		equal(changed.Labels["owner"], "go")
		done(c.SSHKey.Delete(c.ctx, made))
		equal(get(c.SSHKey.GetByID(c.ctx, made.ID)) == nil, true)
	})
}

func servers(c *cloud) {
	var server *hcloud.Server
	check("servers: made from keys, names and labels", func() {
		key := get(c.SSHKey.Create(c.ctx, hcloud.SSHKeyCreateOpts{Name: "key", PublicKey: publicKey(2)}))
		opts := c.order("one")
		opts.SSHKeys = []*hcloud.SSHKey{key}
		opts.UserData = "#cloud-config\n"
		opts.Labels = map[string]string{"owner": "go", "role": "db"}
		made := get(c.Server.Create(c.ctx, opts))
		equal(made.Server.Status, hcloud.ServerStatusInitializing)
		equal(made.RootPassword, "")
		equal(made.Action.Command, "create_server")
		c.wait(append(made.NextActions, made.Action)...)
		server = get(c.Server.GetByID(c.ctx, made.Server.ID))
		equal(server.Status, hcloud.ServerStatusRunning)
		equal(server.PublicNet.IPv4.IP.IsLoopback(), true)
		equal(server.PublicNet.IPv6.Network != nil, true)
		equal(server.PrimaryDiskSize, 40)
		equal(server.Location.Name, "ash")
		equal(time.Since(server.Created) < time.Hour, true)
	})
	check("servers: found by name, by selector and by status", func() {
		equal(get(c.Server.GetByName(c.ctx, "one")).ID, server.ID)
		equal(get(c.Server.GetByName(c.ctx, "two")) == nil, true)
		for selector, count := range map[string]int{"owner=go,role in (db,web)": 1, "owner=go,role!=db": 0, "!owner,!stranger": 0} {
			found := all(c.Server.AllWithOpts(c.ctx, hcloud.ServerListOpts{ListOpts: hcloud.ListOpts{LabelSelector: selector}}))
			equal(len(found), count)
		}
		running := hcloud.ServerListOpts{Status: []hcloud.ServerStatus{hcloud.ServerStatusRunning}, Sort: []string{"name:desc"}}
		equal(len(all(c.Server.AllWithOpts(c.ctx, running))) >= 1, true)
	})
	check("servers: renamed and labelled", func() {
		changed := get(c.Server.Update(c.ctx, server, hcloud.ServerUpdateOpts{Name: "uno", Labels: map[string]string{"a": "b"}}))
		equal(changed.Name, "uno")
		equal(len(changed.Labels), 1)
	})
	check("servers: power", func() {
		c.act(c.Server.Poweroff(c.ctx, server))
		equal(get(c.Server.GetByID(c.ctx, server.ID)).Status, hcloud.ServerStatusOff)
		c.act(c.Server.Poweron(c.ctx, server))
		c.act(c.Server.Reboot(c.ctx, server))
		c.act(c.Server.Reset(c.ctx, server))
		c.act(c.Server.Shutdown(c.ctx, server))
		for get(c.Server.GetByID(c.ctx, server.ID)).Status != hcloud.ServerStatusOff {
			time.Sleep(20 * time.Millisecond)
		}
	})
	check("servers: actions of one and of all", func() {
		opts := hcloud.ActionListOpts{Sort: []string{"id:desc"}}
		found := get(c.Server.Action.List(c.ctx, opts))
		equal(len(found) > 5, true)
		equal(get(c.Action.GetByID(c.ctx, found[0].ID)).Command, found[0].Command)
	})
	check("servers: strangers fill many pages", func() {
		total := len(all(c.Server.AllWithOpts(c.ctx, hcloud.ServerListOpts{ListOpts: hcloud.ListOpts{LabelSelector: "stranger"}})))
		equal(total, 120)
	})
	check("servers: deleted", func() {
		c.remove(server)
		equal(get(c.Server.GetByID(c.ctx, server.ID)) == nil, true)
		refused(func() error { _, err := c.Server.Delete(c.ctx, server); return err }(), hcloud.ErrorCodeNotFound)
	})
}

func serverChanges(c *cloud) {
	var server *hcloud.Server
	check("changes: another image keeps the address", func() {
		server = c.server(c.order("changing"))
		rebuilt := get(c.Server.RebuildWithResult(c.ctx, server, hcloud.ServerRebuildOpts{Image: &hcloud.Image{Name: "ubuntu-26.04"}}))
		equal(rebuilt.RootPassword != "", true)
		c.wait(rebuilt.Action)
		found := get(c.Server.GetByID(c.ctx, server.ID))
		equal(found.Image.Name, "ubuntu-26.04")
		equal(found.PublicNet.IPv4.IP.String(), server.PublicNet.IPv4.IP.String())
	})
	check("changes: another type", func() {
		opts := hcloud.ServerChangeTypeOpts{ServerType: &hcloud.ServerType{Name: "cpx21"}}
		_, _, err := c.Server.ChangeType(c.ctx, server, opts)
		refused(err, hcloud.ErrorCodeServerNotStopped)
		c.act(c.Server.Poweroff(c.ctx, server))
		c.act(c.Server.ChangeType(c.ctx, server, opts))
		equal(get(c.Server.GetByID(c.ctx, server.ID)).ServerType.Name, "cpx21")
	})
	check("changes: protection", func() {
		protect := func(on bool) hcloud.ServerChangeProtectionOpts {
			return hcloud.ServerChangeProtectionOpts{Delete: &on, Rebuild: &on}
		}
		c.act(c.Server.ChangeProtection(c.ctx, server, protect(true)))
		_, _, err := c.Server.DeleteWithResult(c.ctx, server)
		refused(err, hcloud.ErrorCodeProtected)
		c.act(c.Server.ChangeProtection(c.ctx, server, protect(false)))
	})
	check("changes: backups, rescue, password, names", func() {
		c.act(c.Server.EnableBackup(c.ctx, server, ""))
		equal(get(c.Server.GetByID(c.ctx, server.ID)).BackupWindow, "22-02")
		c.act(c.Server.DisableBackup(c.ctx, server))
		c.wait(get(c.Server.EnableRescue(c.ctx, server, hcloud.ServerEnableRescueOpts{Type: hcloud.ServerRescueTypeLinux64})).Action)
		equal(get(c.Server.GetByID(c.ctx, server.ID)).RescueEnabled, true)
		c.act(c.Server.DisableRescue(c.ctx, server))
		equal(get(c.Server.ResetPassword(c.ctx, server)).RootPassword != "", true)
		name := "one.example.org"
		c.act(c.Server.ChangeDNSPtr(c.ctx, server, server.PublicNet.IPv4.IP.String(), &name))
		equal(get(c.Server.GetByID(c.ctx, server.ID)).PublicNet.IPv4.DNSPtr, name)
	})
	check("changes: a failed action is an error of the waiter", func() {
		c.arm(`{"fault": "fail_action", "command": "start_server", "code": "server_error", "message": "no power", "times": 1}`)
		action := get(c.Server.Poweron(c.ctx, server))
		err := c.Action.WaitFor(c.ctx, action)
		equal(fmt.Sprint(err), fmt.Sprintf("no power (server_error, %d)", action.ID))
	})
	check("changes: the end", func() { c.remove(server) })
}
