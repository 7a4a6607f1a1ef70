//! `fleet-sim soulseek`: a Soulseek server on this machine.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::Args;
use fleet_sim::soulseek::{Options, Searchers, Server};

use super::End;

#[derive(Debug, Args)]
pub(crate) struct Soulseek {
    /// Port to listen on; 0 lets the system choose.
    #[arg(long)]
    port: u16,
    /// Address to listen on.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    listen: IpAddr,
    /// How many scripted users search.
    #[arg(long, default_value_t = 0)]
    searchers: u32,
    /// Searches a second that the scripted users make, all together.
    #[arg(long, default_value_t = 10.0, value_parser = parse_rate)]
    rate: f64,
    /// Seconds between two offers of parents to users who look for one.
    #[arg(long, default_value_t = 3)]
    offer_every: u64,
    /// Upload speed of a user in bytes a second; may be given several times. Faster users become
    /// parents of slower ones.
    #[arg(long, value_name = "USER=SPEED", value_parser = parse_speed)]
    speed: Vec<(String, u32)>,
}

fn parse_rate(text: &str) -> Result<f64, String> {
    let rate = text
        .parse()
        .ok()
        .filter(|&rate: &f64| rate.is_finite() && rate > 0.0);
    rate.ok_or_else(|| "write a number above 0".to_owned())
}

fn parse_speed(text: &str) -> Result<(String, u32), String> {
    let (user, speed) = text
        .rsplit_once('=')
        .ok_or("write USER=SPEED, for example anna=1000000")?;
    let speed = speed
        .parse()
        .map_err(|_| format!("`{speed}` is not a number of bytes a second"))?;
    Ok((user.to_owned(), speed))
}

#[expect(clippy::print_stdout, reason = "scripts read the address from here")]
pub(crate) async fn run(arguments: Soulseek) -> std::io::Result<()> {
    let options = Options {
        listen: SocketAddr::new(arguments.listen, arguments.port),
        offer_every: Duration::from_secs(arguments.offer_every.max(1)),
        speeds: arguments.speed.into_iter().collect::<HashMap<_, _>>(),
        ..Options::default()
    };
    // Before anyone reads that it listens, and ends it.
    let end = End::listen()?;
    let server = Server::start(options).await?;
    println!("Soulseek server listens on {}", server.address());
    let _searchers = Searchers::start(server.address(), arguments.searchers, arguments.rate);
    end.wait().await;
    Ok(())
}
