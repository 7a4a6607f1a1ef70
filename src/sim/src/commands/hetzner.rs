//! `fleet-sim hetzner`: the Hetzner Cloud API on this machine.

use std::fs::File;
use std::io::{self, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use fleet_sim::hetzner::{Api, Catalog, Options, Pace};
use ipnet::Ipv4Net;

use super::End;

/// A day; longer actions are a mistake.
const LONGEST: f64 = 86_400.0;

#[derive(Args)]
pub(crate) struct Hetzner {
    /// Port to listen on; 0 lets the system choose.
    #[arg(long)]
    port: u16,
    /// Address to listen on.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    listen: IpAddr,
    /// The token that may read and write. The hcloud command line tool wants 64 characters.
    #[arg(long, value_parser = parse_token)]
    token: String,
    /// A token that may only read.
    #[arg(long, value_name = "TOKEN", value_parser = parse_token)]
    read_token: Option<String>,
    /// What can be ordered, as JSON; the built-in catalogue is of 2026-09-29.
    #[arg(long, value_name = "FILE")]
    catalog: Option<PathBuf>,
    /// How long every action takes, or one kind of them; may be given several times. Without it they take
    /// about as long as in the real cloud.
    #[arg(long, value_name = "[COMMAND=]SECONDS", value_parser = parse_seconds)]
    action_seconds: Vec<(Option<String>, Duration)>,
    /// Where the addresses of servers come from; the default is of this machine, and nothing listens there.
    #[arg(long, value_name = "NETWORK", default_value = "127.80.0.0/16")]
    server_ips: Ipv4Net,
    /// Port where servers learn about themselves, as cloud-init asks; without it nothing listens.
    #[arg(long, value_name = "PORT")]
    metadata_port: Option<u16>,
}

fn parse_token(text: &str) -> Result<String, String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("write a token without spaces".to_owned());
    }
    Ok(text.to_owned())
}

fn parse_seconds(text: &str) -> Result<(Option<String>, Duration), String> {
    let (command, seconds) = match text.split_once('=') {
        Some((command, seconds)) => (Some(command.to_owned()), seconds),
        None => (None, text),
    };
    let seconds = seconds
        .parse()
        .ok()
        .filter(|&seconds| seconds < LONGEST)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let seconds = seconds.ok_or("write seconds, for example 2.5 or create_server=30")?;
    Ok((command, seconds))
}

fn pace(given: Vec<(Option<String>, Duration)>) -> Pace {
    let all = given.iter().rev().find(|(command, _)| command.is_none());
    let pace = all.map_or_else(Pace::realistic, |&(_, duration)| Pace::uniform(duration));
    given
        .into_iter()
        .fold(pace, |pace, (command, duration)| match command {
            Some(command) => pace.with(&command, duration),
            None => pace,
        })
}

fn read_catalog(path: &Path) -> io::Result<Catalog> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let file = File::open(path).map_err(named)?;
    serde_json::from_reader(BufReader::new(file)).map_err(|error| named(error.into()))
}

#[expect(clippy::print_stdout, reason = "scripts read the address from here")]
pub(crate) async fn run(arguments: Hetzner) -> io::Result<()> {
    let Hetzner {
        port,
        listen,
        token,
        read_token,
        catalog,
        action_seconds,
        server_ips,
        metadata_port,
    } = arguments;
    let catalog = catalog.as_deref().map(read_catalog).transpose()?;
    let options = Options {
        listen: SocketAddr::new(listen, port),
        token,
        read_token,
        catalog: catalog.unwrap_or_default(),
        pace: pace(action_seconds),
        ipv4: server_ips,
        metadata: metadata_port.map(|port| SocketAddr::new(listen, port)),
        ..Options::default()
    };
    // Before anyone reads that it listens, and ends it.
    let end = End::listen()?;
    let api = Api::start(options).await?;
    println!("Hetzner API listens on {}", api.endpoint());
    if let Some(address) = api.metadata_address() {
        println!("Hetzner metadata listens on http://{address}/hetzner/v1");
    }
    end.wait().await;
    Ok(())
}
