//! What can be had: types, locations, images, and whether there is stock.

use super::Server;
use crate::hetzner::catalog::{Location, Price, ServerType};
use crate::hetzner::errors::ApiError;
use crate::hetzner::fields::IdOrName;
use crate::hetzner::images::Image;
use crate::hetzner::project::Project;

impl Project {
    /// Whether the catalogue says that a type can be ordered in a location.
    pub(crate) fn available(&self, server_type: &ServerType, location: &str) -> bool {
        let Some(offer) = server_type.locations.get(location) else {
            return false;
        };
        let gone = offer
            .deprecation
            .is_some_and(|end| end.unavailable_after < self.time());
        !gone
            && self
                .faults
                .says_available(&server_type.name, location)
                .unwrap_or(offer.available)
    }

    pub(crate) fn find_type(&self, wanted: &IdOrName) -> Result<&ServerType, ApiError> {
        let mut types = self.catalog.server_types.iter();
        let found = types.find(|known| wanted.names(known.id, &known.name));
        found.ok_or_else(|| not_found("server_type", "server type", wanted))
    }

    pub(crate) fn find_location(
        &self,
        field: &str,
        wanted: &IdOrName,
    ) -> Result<&Location, ApiError> {
        let mut locations = self.catalog.locations.iter();
        let found = locations.find(|known| wanted.names(known.id, &known.name));
        found.ok_or_else(|| not_found(field, "location", wanted))
    }

    /// An image that runs on this architecture and is ready to be used.
    pub(crate) fn find_image(
        &self,
        wanted: &IdOrName,
        architecture: &str,
    ) -> Result<&Image, ApiError> {
        let named: Vec<_> = self
            .state
            .images
            .values()
            .filter(|image| wanted.names(image.meta.id, &image.meta.name))
            .collect();
        let fitting = named
            .iter()
            .find(|image| image.architecture == architecture);
        let Some(image) = fitting else {
            return Err(if named.is_empty() {
                not_found("image", "image", wanted)
            } else {
                ApiError::field(
                    "image",
                    format!("image is not for the architecture {architecture}"),
                )
            });
        };
        if image.status != "available" {
            return Err(ApiError::field("image", "image is not available"));
        }
        Ok(image)
    }

    /// Refuses an order that cannot be met.
    pub(crate) fn check_stock(
        &self,
        server_type: &ServerType,
        location: &str,
    ) -> Result<(), ApiError> {
        let Some(offer) = server_type.locations.get(location) else {
            return Err(ApiError::new(
                "invalid_input",
                "unsupported location for server type",
            ));
        };
        if offer
            .deprecation
            .is_some_and(|end| end.unavailable_after < self.time())
        {
            return Err(ApiError::new(
                "invalid_input",
                "unsupported location for server type",
            ));
        }
        if let Some((code, message)) = self.faults.refuses_order(&server_type.name, location) {
            return Err(ApiError::new(code, message));
        }
        if !self.available(server_type, location) {
            return Err(ApiError::new(
                "resource_unavailable",
                "error during placement",
            ));
        }
        Ok(())
    }

    /// Lets a server cost what its type costs now.
    pub(crate) fn charge_server(&mut self, id: i64) {
        let Some((what, price)) = self
            .state
            .servers
            .get(&id)
            .and_then(|server| self.price_of(server))
        else {
            return;
        };
        let percentage: u64 = self
            .catalog
            .server_backup_percentage
            .split('.')
            .next()
            .and_then(|percent| percent.parse().ok())
            .unwrap_or_default();
        let backed_up = self
            .state
            .servers
            .get(&id)
            .is_some_and(|server| server.backup_window.is_some());
        self.discharge("server", id);
        self.discharge("server_backup", id);
        self.charge("server", id, what.clone(), price);
        if backed_up {
            let share = Price {
                hourly: price.hourly.times(percentage).divided_by(100),
                monthly: price.monthly.times(percentage).divided_by(100),
            };
            self.charge("server_backup", id, format!("backups of {what}"), share);
        }
    }

    fn price_of(&self, server: &Server) -> Option<(String, Price)> {
        let server_type = self.catalog.server_type(server.server_type)?;
        let offer = server_type.locations.get(&server.location)?;
        Some((
            format!("{} in {}", server_type.name, server.location),
            offer.price,
        ))
    }
}

fn not_found(field: &str, kind: &str, wanted: &IdOrName) -> ApiError {
    let message = format!("{kind} '{}' not found", wanted.0);
    ApiError::field(field, message)
}
