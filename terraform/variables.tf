variable "fleet" {
  description = "The fleet's name, the metadata.name of its ResearchCollector. All names begin with it."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?$", var.fleet))
    error_message = "must be 1 to 50 of a-z, 0-9 and -, and begin and end with none of -"
  }
}

variable "image" {
  description = "The system image that servers start with: debian-12, debian-13, ubuntu-24.04 or ubuntu-26.04."
  type        = string
  default     = "debian-12"
}

variable "ssh_keys" {
  description = "Who may log in: public keys by the name that they have in the project."
  type        = map(string)
  validation {
    condition     = length(var.ssh_keys) > 0
    error_message = "must hold a key: nobody can log in with a password"
  }
}

variable "allow_from" {
  description = "From where SSH and the Kubernetes API can be reached, as CIDRs."
  type        = list(string)
  default     = ["0.0.0.0/0", "::/0"]
}

variable "control_plane" {
  description = "The server of the control plane, its volume in GB if it is to have one, and open ports of collectors."
  type = object({
    location    = optional(string, "nbg1")
    server_type = optional(string, "cx33")
    volume_gb   = optional(number)
    ports       = optional(list(number), [])
  })
  default = {}
}

variable "regions" {
  description = "A server for each region with a location: where it is, its type, and the open ports of its collector."
  type = map(object({
    location    = string
    server_type = string
    ports       = optional(list(number), [60000, 60001])
  }))
  default = {}
  validation {
    condition     = !contains(keys(var.regions), "control-plane")
    error_message = "must not be called control-plane"
  }
}

variable "placement" {
  description = "How servers in the same location are spread over physical machines: spread or any."
  type        = string
  default     = "spread"
  validation {
    condition     = contains(["spread", "any"], var.placement)
    error_message = "must be spread or any"
  }
}

variable "network" {
  description = "Addresses of a private network in the control plane's network zone, a CIDR; none when null."
  type        = string
  default     = null
}

variable "tls_sans" {
  description = "Names and addresses for the certificate of the Kubernetes API, besides the public address."
  type        = list(string)
  default     = []
}

variable "reboot_at" {
  description = "When servers may reboot for a security update, HH:MM in UTC; never by themselves when null."
  type        = string
  default     = null
}

variable "join" {
  description = "How regions join the cluster: https://HOST:6443 and a bootstrap token. Without it they wait for fleetctl."
  type = object({
    server = string
    token  = string
  })
  default   = null
  sensitive = true
}
