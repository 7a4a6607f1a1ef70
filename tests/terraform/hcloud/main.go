// A provider for Terraform with what our module uses of hetznercloud/hcloud, which cannot be had everywhere. It talks to
// nobody: an object gets an id, an address where it would have one, and is otherwise as it was wished. The attributes
// are those of the provider's documentation.
package main

import (
	"context"
	"hash/fnv"
	"strconv"

	"github.com/hashicorp/terraform-plugin-sdk/v2/diag"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
	"github.com/hashicorp/terraform-plugin-sdk/v2/plugin"
)

type attributes = map[string]*schema.Schema

func required(kind schema.ValueType) *schema.Schema {
	return &schema.Schema{Type: kind, Required: true}
}
func optional(kind schema.ValueType) *schema.Schema {
	return &schema.Schema{Type: kind, Optional: true}
}
func computed(kind schema.ValueType) *schema.Schema {
	return &schema.Schema{Type: kind, Computed: true}
}

// once is optional, and another value makes another object.
func once(kind schema.ValueType) *schema.Schema {
	return &schema.Schema{Type: kind, Optional: true, ForceNew: true}
}

func list(kind schema.ValueType) *schema.Schema {
	return &schema.Schema{Type: schema.TypeList, Optional: true, Elem: &schema.Schema{Type: kind}}
}

func blocks(inner attributes) *schema.Schema {
	return &schema.Schema{Type: schema.TypeSet, Optional: true, Elem: &schema.Resource{Schema: inner}}
}

func labels() *schema.Schema {
	return &schema.Schema{Type: schema.TypeMap, Optional: true, Elem: &schema.Schema{Type: schema.TypeString}}
}

var resources = map[string]attributes{
	"hcloud_ssh_key": {
		"name": required(schema.TypeString), "public_key": required(schema.TypeString), "labels": labels(),
	},
	"hcloud_placement_group": {
		"name": required(schema.TypeString), "type": required(schema.TypeString), "labels": labels(),
	},
	"hcloud_primary_ip": {
		"name": required(schema.TypeString), "type": required(schema.TypeString), "location": once(schema.TypeString),
		"auto_delete": required(schema.TypeBool), "labels": labels(), "ip_address": computed(schema.TypeString),
	},
	"hcloud_volume": {
		"name": required(schema.TypeString), "size": required(schema.TypeInt), "location": once(schema.TypeString),
		"delete_protection": optional(schema.TypeBool), "labels": labels(), "linux_device": computed(schema.TypeString),
	},
	"hcloud_volume_attachment": {
		"volume_id": required(schema.TypeInt), "server_id": required(schema.TypeInt), "automount": optional(schema.TypeBool),
	},
	"hcloud_server": {
		"name": required(schema.TypeString), "server_type": required(schema.TypeString), "image": once(schema.TypeString),
		"location": once(schema.TypeString), "user_data": once(schema.TypeString), "labels": labels(),
		"ssh_keys": list(schema.TypeString), "placement_group_id": optional(schema.TypeInt),
		"public_net": blocks(attributes{
			"ipv4_enabled": {Type: schema.TypeBool, Optional: true, Default: true},
			"ipv6_enabled": {Type: schema.TypeBool, Optional: true, Default: true},
			"ipv4":         optional(schema.TypeInt), "ipv6": optional(schema.TypeInt),
		}),
		"ipv4_address": computed(schema.TypeString),
	},
	"hcloud_firewall": {
		"name": required(schema.TypeString), "labels": labels(),
		"rule": blocks(attributes{
			"direction": required(schema.TypeString), "protocol": required(schema.TypeString),
			"port": optional(schema.TypeString), "description": optional(schema.TypeString),
			"source_ips": list(schema.TypeString), "destination_ips": list(schema.TypeString),
		}),
		"apply_to": blocks(attributes{
			"label_selector": optional(schema.TypeString), "server": optional(schema.TypeInt),
		}),
	},
	"hcloud_network": {
		"name": required(schema.TypeString), "ip_range": required(schema.TypeString), "labels": labels(),
	},
	"hcloud_network_subnet": {
		"network_id": required(schema.TypeInt), "type": required(schema.TypeString),
		"network_zone": required(schema.TypeString), "ip_range": required(schema.TypeString),
	},
	"hcloud_server_network": {
		"server_id": required(schema.TypeInt), "subnet_id": optional(schema.TypeString),
	},
}

var zones = map[string]string{"nbg1": "eu-central", "fsn1": "eu-central", "hel1": "eu-central", "ash": "us-east", "hil": "us-west", "sin": "ap-southeast"}

func create(kind string) schema.CreateContextFunc {
	return func(_ context.Context, data *schema.ResourceData, _ any) diag.Diagnostics {
		hash := fnv.New32()
		name, _ := data.Get("name").(string)
		_, _ = hash.Write([]byte(kind + name))
		id := int(hash.Sum32() % 1_000_000)
		data.SetId(strconv.Itoa(id))
		for attribute := range resources[kind] {
			switch attribute {
			case "ip_address", "ipv4_address":
				_ = data.Set(attribute, "203.0.113."+strconv.Itoa(id%256))
			case "linux_device":
				_ = data.Set(attribute, "/dev/disk/by-id/scsi-0HC_Volume_"+data.Id())
			}
		}
		return nil
	}
}

func nothing(context.Context, *schema.ResourceData, any) diag.Diagnostics { return nil }

func provider() *schema.Provider {
	all := map[string]*schema.Resource{}
	for kind, own := range resources {
		all[kind] = &schema.Resource{
			Schema: own, CreateContext: create(kind), ReadContext: nothing, UpdateContext: nothing, DeleteContext: nothing,
		}
	}
	location := &schema.Resource{
		Schema: attributes{"name": required(schema.TypeString), "network_zone": computed(schema.TypeString)},
		ReadContext: func(_ context.Context, data *schema.ResourceData, _ any) diag.Diagnostics {
			name := data.Get("name").(string)
			data.SetId(name)
			return diag.FromErr(data.Set("network_zone", zones[name]))
		},
	}
	return &schema.Provider{
		ResourcesMap:   all,
		DataSourcesMap: map[string]*schema.Resource{"hcloud_location": location},
	}
}

func main() {
	plugin.Serve(&plugin.ServeOpts{ProviderFunc: provider})
}
