# A subnet lies in one network zone, so only servers in the zone of the control plane are in it.

data "hcloud_location" "of" {
  for_each = var.network == null ? [] : toset(values(local.locations))

  name = each.key
}

locals {
  zone = var.network == null ? null : data.hcloud_location.of[var.control_plane.location].network_zone
  servers = merge(
    { (hcloud_server.control_plane.name) = hcloud_server.control_plane.id },
    { for server in hcloud_server.region : server.name => server.id },
  )
}

resource "hcloud_network" "this" {
  count = var.network == null ? 0 : 1

  name     = var.fleet
  ip_range = var.network
  labels   = local.labels
}

resource "hcloud_network_subnet" "this" {
  count = length(hcloud_network.this)

  network_id   = hcloud_network.this[count.index].id
  type         = "cloud"
  network_zone = local.zone
  ip_range     = var.network
}

resource "hcloud_server_network" "this" {
  for_each = {
    for name, location in local.locations : name => location
    if var.network != null && try(data.hcloud_location.of[location].network_zone, null) == local.zone
  }

  server_id = local.servers[each.key]
  subnet_id = hcloud_network_subnet.this[0].id
}
