output "control_plane_address" {
  description = "Where the Kubernetes API is, and SSH."
  value       = hcloud_primary_ip.control_plane.ip_address
}

output "region_addresses" {
  description = "The address of each region's server."
  value       = { for name, server in hcloud_server.region : name => server.ipv4_address }
}

output "user_data_digests" {
  description = "What each server would be told today. A server whose label researchfleet.io/user-data differs was told something else."
  value = merge(
    { (local.control_plane_name) = module.control_plane_user_data.digest },
    { for name, user_data in module.region_user_data : "${var.fleet}-${name}" => user_data.digest },
  )
}
