# A fleet in three continents. The token comes from HCLOUD_TOKEN.

module "fleet" {
  source = "../.."

  fleet      = "searches"
  ssh_keys   = { me = file("~/.ssh/id_ed25519.pub") }
  allow_from = ["203.0.113.0/24"]

  control_plane = { location = "nbg1", server_type = "cx33", volume_gb = 20 }
  regions = {
    germany   = { location = "fsn1", server_type = "cx23" }
    ashburn   = { location = "ash", server_type = "cpx11" }
    singapore = { location = "sin", server_type = "cpx12" }
  }
}

output "addresses" {
  value = merge({ control-plane = module.fleet.control_plane_address }, module.fleet.region_addresses)
}
