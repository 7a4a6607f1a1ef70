//! Resources as the API writes them, with what it may add one day.

use serde_json::{Value, json};

pub(crate) fn location() -> Value {
    json!({
        "id": 3, "name": "hel1", "description": "Helsinki DC Park 1", "country": "FI", "city": "Helsinki",
        "latitude": 60.16, "longitude": 24.93, "network_zone": "eu-central", "gravity": 9.81
    })
}

/// Without the fields that were removed in 2026, with numbers that became fractions.
pub(crate) fn server_type() -> Value {
    let price = json!({ "net": "8.4900000000", "gross": "10.1031000000000000" });
    json!({
        "id": 115, "name": "cx33", "description": "CX33", "category": "Cost-Optimized", "cores": 4.0, "memory": 8.0,
        "disk": 80, "storage_type": "local", "cpu_type": "borrowed", "architecture": "riscv",
        "prices": [{
            "location": "hel1", "price_hourly": { "net": "0.0136", "gross": "0.0161840000000000" },
            "price_monthly": price, "included_traffic": 21_990_232_555_520_u64,
            "price_per_tb_traffic": { "net": "1.0000", "gross": "1.1900" }
        }],
        "locations": [
            { "id": 3, "name": "hel1", "available": true, "recommended": false, "deprecation": null },
            { "id": 2, "name": "nbg1", "available": false, "recommended": false, "deprecation":
                { "announced": "2026-10-01T06:00:00Z", "unavailable_after": "2027-01-01T00:00:00+00:00" } }
        ]
    })
}

pub(crate) fn server(id: i64, name: &str, labels: &Value) -> Value {
    json!({
        "id": id, "name": name, "status": "initializing", "created": "2026-11-26T15:00:00+00:00",
        "public_net": {
            "ipv4": { "id": 7, "ip": "203.0.113.5", "blocked": false, "dns_ptr": "static.5.example.net" },
            "ipv6": { "id": 8, "ip": "2001:db8::/64", "blocked": false, "dns_ptr": null },
            "floating_ips": [], "firewalls": [{ "id": 38, "status": "pending" }]
        },
        "private_net": [], "server_type": server_type(), "location": location(), "image": null, "iso": null,
        "rescue_enabled": false, "locked": true, "backup_window": null, "outgoing_traffic": null,
        "ingoing_traffic": null, "included_traffic": 21_990_232_555_520_u64,
        "protection": { "delete": false, "rebuild": false }, "labels": labels, "volumes": null,
        "primary_disk_size": 80.0, "placement_group": null, "mood": { "now": "sunny" }
    })
}

pub(crate) fn action(id: i64, status: &str) -> Value {
    json!({
        "id": id, "command": "create_server", "status": status, "progress": if status == "success" { json!(100) } else { json!(30.0) },
        "started": "2026-11-26T15:00:00+00:00", "finished": null, "resources": [{ "id": 42, "type": "server" }],
        "error": if status == "error" { json!({ "code": "resource_unavailable", "message": "sold out" }) } else { Value::Null }
    })
}

pub(crate) fn created_server(id: i64, name: &str) -> Value {
    json!({
        "server": server(id, name, &json!({ "fleet": "study" })), "action": action(1, "running"),
        "next_actions": [action(2, "running")], "root_password": null
    })
}

pub(crate) fn servers(servers: &[Value]) -> Value {
    json!({ "servers": servers, "meta": { "pagination": { "page": 1, "per_page": 50, "previous_page": null,
        "next_page": null, "last_page": 1, "total_entries": servers.len() } } })
}
