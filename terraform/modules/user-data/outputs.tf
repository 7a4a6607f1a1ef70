output "text" {
  description = "The user_data."
  value       = local.filled.text
  sensitive   = true
  precondition {
    condition     = length(local.filled.text) <= 32768
    error_message = "The user data is longer than 32768 bytes."
  }
  precondition {
    condition     = (var.token != null) == contains(["k3s-agent", "kubeadm-node"], var.role)
    error_message = "Those who join need a token, and nobody else."
  }
}

output "digest" {
  description = "16 hexadecimal digits that are the same for the same wish, whatever the token."
  value       = substr(sha256(local.filled.wish), 0, 16)
}
