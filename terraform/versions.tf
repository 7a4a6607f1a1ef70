terraform {
  required_version = ">= 1.9"

  required_providers {
    hcloud = {
      source = "hetznercloud/hcloud"
      # From here on a primary IP has a location; the API knows data centres no longer.
      version = "~> 1.58"
    }
  }
}
