//! Where Hetzner has servers, to choose from. What is there today and what it costs, `fleetctl plan` asks; this list is
//! only an offer, and `--region NAME=LOCATION` takes any other.

use std::fmt;

/// A location of Hetzner Cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The name in the API.
    pub(super) location: &'static str,
    city: &'static str,
    /// What a region there is usually called.
    pub(super) region: &'static str,
}

pub(super) const PLACES: [Place; 6] = [
    place("ash", "Ashburn, Virginia", "us-east"),
    place("hil", "Hillsboro, Oregon", "us-west"),
    place("sin", "Singapore", "singapore"),
    place("nbg1", "Nuremberg, Germany", "nuremberg"),
    place("fsn1", "Falkenstein, Germany", "falkenstein"),
    place("hel1", "Helsinki, Finland", "finland"),
];

/// What the servers' types are where it matters: small ones with an AMD processor, since those with an Intel one are
/// only in Europe, and a dedicated one for days on which nothing else can be had.
const TYPES: [(&str, [&str; 3]); 2] = [
    ("ash", ["cpx11", "cpx21", "ccx13"]),
    ("sin", ["cpx12", "cpx22", "ccx13"]),
];

const fn place(location: &'static str, city: &'static str, region: &'static str) -> Place {
    Place {
        location,
        city,
        region,
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<5} {}", self.location, self.city)
    }
}

/// Types of a server there in the order of preference; none where the cheapest that fits is right.
pub(super) fn server_types(location: &str) -> &'static [&'static str] {
    let found = TYPES.iter().find(|(name, _)| *name == location);
    found.map_or(&[], |(_, types)| types)
}
