# The servers of a fleet and what stands around them, with the names and labels by which fleetctl and the operator know
# their own.

locals {
  labels = { "researchfleet.io/fleet" = var.fleet }

  control_plane_name   = "${var.fleet}-control-plane"
  control_plane_labels = merge(local.labels, { "researchfleet.io/role" = "control-plane" })
  region_labels = {
    for name in keys(var.regions) :
    name => merge(local.labels, { "researchfleet.io/role" = "region", "researchfleet.io/region" = name })
  }

  # The name of the location where each server is.
  locations = merge(
    { (local.control_plane_name) = var.control_plane.location },
    { for name, region in var.regions : "${var.fleet}-${name}" => region.location },
  )
  joins = nonsensitive(var.join != null)
}

module "control_plane_user_data" {
  source = "./modules/user-data"

  role               = "k3s-server"
  name               = local.control_plane_name
  tcp_ports_anywhere = var.control_plane.ports
  node_labels        = local.control_plane_labels
  reboot_at          = var.reboot_at
  data_device        = one(hcloud_volume.control_plane[*].linux_device)
  tls_sans           = var.tls_sans
}

module "region_user_data" {
  source   = "./modules/user-data"
  for_each = var.regions

  role               = local.joins ? "k3s-agent" : "host"
  name               = "${var.fleet}-${each.key}"
  tcp_ports_anywhere = each.value.ports
  node_labels        = local.region_labels[each.key]
  reboot_at          = var.reboot_at
  server             = local.joins ? nonsensitive(var.join.server) : null
  token              = local.joins ? var.join.token : null
}

resource "hcloud_ssh_key" "this" {
  for_each = var.ssh_keys

  name       = each.key
  public_key = each.value
  labels     = local.labels
}

resource "hcloud_placement_group" "this" {
  for_each = var.placement == "spread" ? toset(values(local.locations)) : []

  name   = "${var.fleet}-${each.key}"
  type   = "spread"
  labels = local.labels
}

# Kept when the server is replaced: agents and certificates know this address.
resource "hcloud_primary_ip" "control_plane" {
  name        = local.control_plane_name
  type        = "ipv4"
  location    = var.control_plane.location
  auto_delete = false
  labels      = local.control_plane_labels
}

# The machine formats it, if it is blank, and mounts it.
resource "hcloud_volume" "control_plane" {
  count = var.control_plane.volume_gb == null ? 0 : 1

  name              = local.control_plane_name
  size              = var.control_plane.volume_gb
  location          = var.control_plane.location
  delete_protection = true
  labels            = local.control_plane_labels
}

resource "hcloud_volume_attachment" "control_plane" {
  count = length(hcloud_volume.control_plane)

  volume_id = hcloud_volume.control_plane[count.index].id
  server_id = hcloud_server.control_plane.id
  automount = false
}

resource "hcloud_server" "control_plane" {
  name               = local.control_plane_name
  image              = var.image
  server_type        = var.control_plane.server_type
  location           = var.control_plane.location
  ssh_keys           = [for key in hcloud_ssh_key.this : key.id]
  placement_group_id = one([for group in hcloud_placement_group.this : group.id if group.name == "${var.fleet}-${var.control_plane.location}"])
  user_data          = module.control_plane_user_data.text
  labels = merge(local.control_plane_labels, {
    "researchfleet.io/user-data" = module.control_plane_user_data.digest
  })

  public_net {
    ipv4 = hcloud_primary_ip.control_plane.id
  }

  # Only the first boot reads these, and the label says which it read. Another wish shows in the outputs; fleetctl and
  # the operator rebuild.
  lifecycle {
    ignore_changes = [image, ssh_keys, user_data, labels["researchfleet.io/user-data"]]
  }
}

resource "hcloud_server" "region" {
  for_each = var.regions

  name               = "${var.fleet}-${each.key}"
  image              = var.image
  server_type        = each.value.server_type
  location           = each.value.location
  ssh_keys           = [for key in hcloud_ssh_key.this : key.id]
  placement_group_id = one([for group in hcloud_placement_group.this : group.id if group.name == "${var.fleet}-${each.value.location}"])
  user_data          = module.region_user_data[each.key].text
  labels = merge(local.region_labels[each.key], {
    "researchfleet.io/user-data" = module.region_user_data[each.key].digest
  })

  lifecycle {
    ignore_changes = [image, ssh_keys, user_data, labels["researchfleet.io/user-data"]]
  }
}
