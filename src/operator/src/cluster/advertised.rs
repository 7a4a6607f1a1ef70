//! Where a cluster says that its API server is.

use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::Api;

use super::connect::Cluster;
use super::error::ClusterError;

/// The address of the API server as nodes reach it, `https://ADDRESS:PORT`: what stands behind the Service `kubernetes`.
/// `None` where the API server does not tell it.
pub async fn advertised_address(cluster: &Cluster) -> Result<Option<String>, ClusterError> {
    let slices: Api<EndpointSlice> = Api::namespaced(cluster.client(), "default");
    let slice = slices.get_opt("kubernetes").await;
    let slice = slice.map_err(|error| cluster.failed("EndpointSlice/kubernetes", error))?;
    Ok(slice.as_ref().and_then(address))
}

fn address(slice: &EndpointSlice) -> Option<String> {
    let host = slice
        .endpoints
        .iter()
        .flatten()
        .flat_map(|it| &it.addresses)
        .next()?;
    let mut ports = slice.ports.iter().flatten();
    let port = ports.find_map(|port| port.port).unwrap_or(6443);
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.clone()
    };
    Some(format!("https://{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_endpoint_with_its_port() {
        let of = |kind: &str, host: &str| {
            let slice = json!({
                "addressType": kind, "metadata": {"name": "kubernetes"},
                "endpoints": [{"addresses": [host]}], "ports": [{"name": "https", "port": 7443}],
            });
            address(&serde_json::from_value(slice).unwrap()).unwrap()
        };
        assert_eq!(of("IPv4", "203.0.113.7"), "https://203.0.113.7:7443");
        assert_eq!(of("IPv6", "2001:db8::1"), "https://[2001:db8::1]:7443");
    }
}
