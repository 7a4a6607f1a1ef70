# What the internet may send to the servers. Each server has a firewall of its own, too, which does not look at where
# something comes from.

locals {
  anywhere = ["0.0.0.0/0", "::/0"]
  nodes = concat(
    ["${hcloud_primary_ip.control_plane.ip_address}/32"],
    [for server in hcloud_server.region : "${server.ipv4_address}/32"],
  )
  collector_ports = toset(flatten([var.control_plane.ports, [for region in var.regions : region.ports]]))
}

resource "hcloud_firewall" "fleet" {
  name   = var.fleet
  labels = local.labels

  rule {
    description = "SSH"
    direction   = "in"
    protocol    = "tcp"
    port        = "22"
    source_ips  = var.allow_from
  }

  rule {
    description = "ping, and packets that are too big"
    direction   = "in"
    protocol    = "icmp"
    source_ips  = local.anywhere
  }

  rule {
    description = "WireGuard between the nodes"
    direction   = "in"
    protocol    = "udp"
    port        = "51820"
    source_ips  = local.nodes
  }

  dynamic "rule" {
    for_each = local.collector_ports
    content {
      description = "collectors"
      direction   = "in"
      protocol    = "tcp"
      port        = tostring(rule.value)
      source_ips  = local.anywhere
    }
  }

  apply_to {
    label_selector = "researchfleet.io/fleet=${var.fleet}"
  }
}

resource "hcloud_firewall" "control_plane" {
  name   = local.control_plane_name
  labels = local.labels

  rule {
    description = "Kubernetes API"
    direction   = "in"
    protocol    = "tcp"
    port        = "6443"
    source_ips  = distinct(concat(var.allow_from, local.nodes))
  }

  apply_to {
    label_selector = "researchfleet.io/fleet=${var.fleet},researchfleet.io/role=control-plane"
  }
}
