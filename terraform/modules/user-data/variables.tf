variable "role" {
  description = "What the machine is for: host, k3s-server, k3s-agent or kubeadm-node."
  type        = string
  validation {
    condition     = contains(["host", "k3s-server", "k3s-agent", "kubeadm-node"], var.role)
    error_message = "must be host, k3s-server, k3s-agent or kubeadm-node"
  }
}

variable "name" {
  description = "Name of the server and of the node."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", var.name))
    error_message = "must be 1 to 63 of a-z, 0-9 and -, and begin and end with none of -"
  }
}

variable "tcp_ports_anywhere" {
  description = "TCP ports that the machine's own firewall lets in, besides 22 and what the role needs."
  type        = list(number)
  default     = []
}

variable "udp_ports_anywhere" {
  description = "The same for UDP."
  type        = list(number)
  default     = []
}

variable "node_labels" {
  description = "Labels of the node."
  type        = map(string)
  default     = {}
  validation {
    condition = alltrue([
      for key, value in var.node_labels :
      can(regex("^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$", key))
      && can(regex("^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$", value))
    ])
    error_message = "must be labels as Kubernetes has them"
  }
}

variable "node_taints" {
  description = "Taints of the node, key=value:Effect or key:Effect."
  type        = list(string)
  default     = []
  validation {
    condition = alltrue([
      for taint in var.node_taints :
      can(regex("^[A-Za-z0-9][A-Za-z0-9_./-]*(=[A-Za-z0-9_.-]*)?:(NoSchedule|PreferNoSchedule|NoExecute)$", taint))
    ])
    error_message = "must be key=value:Effect or key:Effect, with NoSchedule, PreferNoSchedule or NoExecute"
  }
}

variable "reboot_at" {
  description = "When the machine may reboot for a security update, HH:MM in UTC; never by itself when null."
  type        = string
  default     = null
  validation {
    condition     = var.reboot_at == null || can(regex("^([01][0-9]|2[0-3]):[0-5][0-9]$", var.reboot_at))
    error_message = "must be a time of day, HH:MM"
  }
}

variable "data_device" {
  description = "k3s-server: path of the volume that keeps the cluster when the machine is rebuilt."
  type        = string
  default     = null
  validation {
    condition     = var.data_device == null || can(regex("^/dev/[A-Za-z0-9/_.:-]*$", var.data_device))
    error_message = "must be a path below /dev, of letters, digits and /_.:-"
  }
}

variable "tls_sans" {
  description = "k3s-server: names and addresses for the certificate, besides the public address."
  type        = list(string)
  default     = []
  validation {
    condition     = alltrue([for san in var.tls_sans : can(regex("^[A-Fa-f0-9:]+$|^[a-z0-9][a-z0-9.-]*$", san))])
    error_message = "must be domain names or IP addresses"
  }
}

variable "server" {
  description = "k3s-agent: https://HOST:PORT."
  type        = string
  default     = null
  validation {
    condition     = var.server == null || can(regex("^https://[A-Za-z0-9.:\\[\\]-]+:[0-9]+$", var.server))
    error_message = "must be https://HOST:PORT"
  }
}

variable "token" {
  description = "k3s-agent, kubeadm-node: a bootstrap token that is good for an hour."
  type        = string
  default     = null
  sensitive   = true
  validation {
    condition     = var.token == null || can(regex("^(K10[0-9a-f]{64}::)?[a-z0-9]{6}[.][a-z0-9]{16}$", var.token))
    error_message = "must be a bootstrap token, for k3s in the form K10<SHA-256 of the CA>::<id>.<secret>"
  }
}

variable "endpoint" {
  description = "kubeadm-node: HOST:PORT."
  type        = string
  default     = null
  validation {
    condition     = var.endpoint == null || can(regex("^[A-Za-z0-9.:\\[\\]-]+:[0-9]+$", var.endpoint))
    error_message = "must be HOST:PORT"
  }
}

variable "ca_hash" {
  description = "kubeadm-node: sha256: and the digest of the CA's public key."
  type        = string
  default     = null
  validation {
    condition     = var.ca_hash == null || can(regex("^sha256:[0-9a-f]{64}$", var.ca_hash))
    error_message = "must be sha256: and 64 hexadecimal digits"
  }
}

variable "ignore_preflight_errors" {
  description = "kubeadm-node: names of checks, or all."
  type        = list(string)
  default     = []
  validation {
    condition     = alltrue([for check in var.ignore_preflight_errors : can(regex("^[A-Za-z0-9_.-]+$", check))])
    error_message = "must be names of checks of kubeadm, or all"
  }
}
