# Fills in the templates in cloud-init/ as fleetctl and the operator do, to the same bytes. They hold nothing but
# {% include "FILE" %} and {{ NAME | tojson }}, so splitting and joining is enough.

locals {
  directory = "${path.module}/../../../cloud-init"
  k3s       = jsondecode(file("${local.directory}/versions.json")).k3s

  labels = [for key, value in var.node_labels : "${key}=${value}"]

  # What a role does not have is null and left out, so that a template that asks for it fails.
  texts = {
    name           = var.name
    tcp_ports      = join(" ", [for port in var.tcp_ports_anywhere : tostring(port)])
    udp_ports      = join(" ", [for port in var.udp_ports_anywhere : tostring(port)])
    reboot         = tostring(var.reboot_at != null)
    reboot_at      = var.reboot_at == null ? "now" : var.reboot_at
    k3s_version    = local.k3s.version
    k3s_amd64      = local.k3s.amd64
    k3s_arm64      = local.k3s.arm64
    data_device    = var.data_device == null ? "" : var.data_device
    server         = var.server
    endpoint       = var.endpoint
    ca_hash        = var.ca_hash
    kubelet_labels = join(",", local.labels)
    kubelet_taints = join(",", var.node_taints)
  }
  lists = {
    node_labels             = local.labels
    node_taints             = var.node_taints
    tls_sans                = concat(["@public-ipv4@"], var.tls_sans)
    ignore_preflight_errors = var.ignore_preflight_errors
  }

  # Both write JSON; the engine of the templates escapes the apostrophe, too, and has a blank after the comma.
  values = merge(
    { for name, text in local.texts : name => replace(jsonencode(text), "'", "\\u0027") if text != null },
    {
      for name, list in local.lists :
      name => "[${join(", ", [for text in list : replace(jsonencode(text), "'", "\\u0027")])}]"
    },
  )

  # The engine takes the last newline of each file.
  parts = split("{% include \"", trimsuffix(file("${local.directory}/${var.role}.yaml.j2"), "\n"))
  source = join("", concat([local.parts[0]], [
    for part in slice(local.parts, 1, length(local.parts)) : join("", [
      trimsuffix(file("${local.directory}/${split("\" %}", part)[0]}"), "\n"),
      trimprefix(part, "${split("\" %}", part)[0]}\" %}"),
    ])
  ]))
  pieces = split("{{ ", local.source)

  # Once as it is, once with a word in place of what changes every hour.
  tokens = {
    text = var.token
    wish = "one-hour-secret"
  }
  filled = {
    for purpose, token in local.tokens : purpose => join("", concat([local.pieces[0]], [
      for piece in slice(local.pieces, 1, length(local.pieces)) : join("", [
        split(" | tojson }}", piece)[0] == "token" ? jsonencode(token) : local.values[split(" | tojson }}", piece)[0]],
        trimprefix(piece, "${split(" | tojson }}", piece)[0]} | tojson }}"),
      ])
    ], ["\n"]))
  }
}
