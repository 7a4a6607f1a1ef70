//! Which server can be had where, and at what price: the spec's preferences against live stock.

use fleet_hetzner::{
    Architecture, Client, Deprecation, Error, ImageFilter, ImageType, Location, Money, NameFilter,
    ServerType,
};
use jiff::Timestamp;

use super::prices;
use super::wanted::WantedServer;

/// What a collector needs, in GB.
const LEAST_MEMORY: f64 = 2.0;

/// What the provider sells.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    /// Server types with prices and stock.
    pub server_types: Vec<ServerType>,
    /// Locations.
    pub locations: Vec<Location>,
    /// Ids of the wanted image, one for each architecture that it is there for.
    pub images: Vec<(Architecture, i64)>,
}

/// A type in a location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The location's name.
    pub location: String,
    /// The location's network zone.
    pub zone: String,
    /// The type's name.
    pub server_type: String,
    /// The image's id for the type's architecture.
    pub image: i64,
    /// What a month costs at today's price, without address and tax.
    pub monthly: Option<Money>,
}

/// Why a type cannot be had in a location.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// No server is left.
    SoldOut,
    /// It is not sold any more.
    Gone,
    /// It is not sold there.
    NotOffered,
    /// There is no such type.
    UnknownType,
    /// There is no such location.
    UnknownLocation,
    /// The image is not there for its architecture.
    NoImage,
}

impl Refused {
    /// As a person reads it.
    pub fn word(self) -> &'static str {
        match self {
            Self::SoldOut => "sold out",
            Self::Gone => "no longer sold",
            Self::NotOffered => "not offered",
            Self::UnknownType => "unknown type",
            Self::UnknownLocation => "unknown location",
            Self::NoImage => "no image for its architecture",
        }
    }
}

/// What a server can be made from, best first, and what cannot be had, with the reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offers {
    /// In the order of preference.
    pub available: Vec<Offer>,
    /// Type, location, reason; in the order of preference.
    pub refused: Vec<(String, String, Refused)>,
    /// How many of those would have been better than the best that is available.
    better: usize,
}

impl Offers {
    /// All refusals in words: `cx33 sold out in nbg1, fsn1`.
    pub fn refusals(&self) -> String {
        Self::words(&self.refused)
    }

    /// The refusals of what would have been better than the best that is available.
    pub fn better_refusals(&self) -> String {
        Self::words(self.refused.get(..self.better).unwrap_or_default())
    }

    fn words(refused: &[(String, String, Refused)]) -> String {
        let mut words: Vec<(String, Vec<&str>)> = Vec::new();
        for (server_type, location, why) in refused {
            let what = format!("{server_type} {}", why.word());
            match words.iter_mut().find(|(known, _)| *known == what) {
                Some((_, locations)) => locations.push(location),
                None => words.push((what, vec![location])),
            }
        }
        let words = words
            .into_iter()
            .map(|(what, locations)| format!("{what} in {}", locations.join(", ")));
        words.collect::<Vec<_>>().join("; ")
    }
}

impl Catalogue {
    /// Asks what is sold today, with three requests.
    pub async fn read(client: &Client, image: &str) -> Result<Self, Error> {
        let images = ImageFilter {
            name: Some(image.to_owned()),
            kind: Some(ImageType::System),
            include_deprecated: true,
            ..ImageFilter::default()
        };
        let (server_types, locations, images) = tokio::try_join!(
            async { client.server_types().list(&NameFilter::default()).await },
            async { client.locations().list(&NameFilter::default()).await },
            async { client.images().list(&images).await },
        )?;
        let images = images
            .into_iter()
            .map(|image| (image.architecture, image.id))
            .collect();
        Ok(Self {
            server_types,
            locations,
            images,
        })
    }

    /// A server type by its name.
    pub fn server_type(&self, name: &str) -> Option<&ServerType> {
        self.server_types.iter().find(|kind| kind.name == name)
    }

    /// The image's id for an architecture.
    pub fn image_for(&self, architecture: &Architecture) -> Option<i64> {
        let image = self.images.iter().find(|(of, _)| of == architecture);
        image.map(|&(_, id)| id)
    }

    /// A location by its name.
    pub fn location(&self, name: &str) -> Option<&Location> {
        self.locations.iter().find(|location| location.name == name)
    }

    /// What this server can be made from. The first type that any of the locations has is better than the second:
    /// prices differ between types, hardly between locations.
    pub fn offers(&self, server: &WantedServer, now: Timestamp) -> Offers {
        let mut offers = Offers::default();
        for server_type in self.preferences(server) {
            for location in &server.locations {
                match self.offer(&server_type, location, now) {
                    Ok(offer) => {
                        if offers.available.is_empty() {
                            offers.better = offers.refused.len();
                        }
                        offers.available.push(offer);
                    }
                    Err(why) => {
                        offers
                            .refused
                            .push((server_type.clone(), location.clone(), why));
                    }
                }
            }
        }
        offers
    }

    /// The names of the types that a server may be of, best first.
    fn preferences(&self, server: &WantedServer) -> Vec<String> {
        if !server.server_types.is_empty() {
            return server.server_types.clone();
        }
        let location = server.locations.first().map_or("", String::as_str);
        let large_enough = |kind: &&ServerType| kind.memory >= LEAST_MEMORY;
        let mut kinds: Vec<_> = self.server_types.iter().filter(large_enough).collect();
        kinds.retain(|kind| prices::server(kind, location).is_some());
        kinds.sort_by_key(|kind| (prices::server(kind, location), kind.id));
        kinds.into_iter().map(|kind| kind.name.clone()).collect()
    }

    fn offer(&self, server_type: &str, location: &str, now: Timestamp) -> Result<Offer, Refused> {
        let kind = self.server_type(server_type).ok_or(Refused::UnknownType)?;
        let zone = &self
            .location(location)
            .ok_or(Refused::UnknownLocation)?
            .network_zone;
        let stock = kind.locations.iter().find(|stock| stock.name == location);
        let stock = stock.ok_or(Refused::NotOffered)?;
        let is_gone = |deprecation: &Deprecation| deprecation.unavailable_after <= now;
        if stock.deprecation.as_ref().is_some_and(is_gone) {
            return Err(Refused::Gone);
        }
        if !stock.available {
            return Err(Refused::SoldOut);
        }
        let image = self.image_for(&kind.architecture).ok_or(Refused::NoImage)?;
        Ok(Offer {
            location: location.to_owned(),
            zone: zone.clone(),
            server_type: server_type.to_owned(),
            image,
            monthly: prices::server(kind, location),
        })
    }
}
