//! The cluster of a fleet.

use fleet_operator::servers::Setup;

use crate::cloud::Cloud;
use crate::failure::Failure;

/// What servers become.
pub(crate) fn setup(_cloud: &Cloud, _servers_only: bool) -> Result<Setup, Failure> {
    Ok(Setup::Hosts)
}
