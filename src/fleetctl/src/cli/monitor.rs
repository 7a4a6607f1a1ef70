//! The command line of `fleetctl monitor`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use reqwest::Url;

use crate::place::PlaceArgs;

/// The path at which collectors serve their metrics.
const METRICS: &str = "/metrics";

#[derive(Debug, Args)]
pub(crate) struct Monitor {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// Where a collector serves its metrics, as `fleetctl up --listen` does it: `http://127.0.0.1:9090`; may be repeated
    #[arg(long, value_name = "URL", value_parser = parse_endpoint)]
    pub(crate) metrics: Vec<Url>,
    /// The kubeconfig of the cluster in which the spec's fleet runs, to watch its pods; `KUBECONFIG` is taken, too
    #[arg(long, value_name = "FILE", env = "FLEET_KUBECONFIG")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// How often the metrics are read
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = parse_interval)]
    pub(crate) interval: Duration,
    /// Print what there is now, and end
    #[arg(long)]
    pub(crate) once: bool,
    /// How to print it: the JSON form is one object
    #[arg(short, long, value_enum, default_value_t, requires = "once")]
    pub(crate) output: View,
}

/// How a snapshot is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum View {
    /// Columns for people
    #[default]
    Table,
    /// One JSON object
    Json,
}

/// An address without a scheme or a path is meant as people write it.
fn parse_endpoint(text: &str) -> Result<Url, String> {
    let wrong = || "write an address like http://127.0.0.1:9090".to_owned();
    let full = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    let mut url: Url = full.parse().map_err(|_| wrong())?;
    if !["http", "https"].contains(&url.scheme()) || !url.has_host() {
        return Err(wrong());
    }
    if url.path() == "/" {
        url.set_path(METRICS);
    }
    Ok(url)
}

fn parse_interval(text: &str) -> Result<Duration, String> {
    let seconds = text
        .parse()
        .ok()
        .filter(|seconds| (1..=60).contains(seconds));
    let seconds = seconds.ok_or("write a number of seconds from 1 to 60")?;
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_becomes_that_of_its_metrics() {
        let parsed = |text: &str| parse_endpoint(text).map(String::from);
        let usual = Ok("http://127.0.0.1:9090/metrics".to_owned());
        for text in [
            "127.0.0.1:9090",
            "http://127.0.0.1:9090",
            "http://127.0.0.1:9090/",
        ] {
            assert_eq!(parsed(text), usual);
        }
        let other = "https://metrics.example.org/fleet?region=ash";
        assert_eq!(parsed(other), Ok(other.to_owned()));
        for text in ["", "ftp://example.org", "http://"] {
            assert!(parsed(text).is_err(), "{text}");
        }
    }
}
