//! A typed client for the Hetzner Cloud API, version 1.
//!
//! The types are called as in the reference on docs.hetzner.cloud; a file a resource. What the API adds
//! later is ignored, and a value that is not known keeps its text. Requests that fail for a moment are
//! repeated where that does no harm; all clones of a [`Client`] share the project's budget of requests
//! and one poller for actions.
#![warn(missing_docs)]

mod actions;
mod api;
mod budget;
mod client;
mod code;
mod decode;
mod ensure;
mod error;
mod firewalls;
mod images;
pub mod labels;
mod locations;
mod money;
mod networks;
mod open;
mod placement_groups;
mod poller;
mod pricing;
mod primary_ips;
mod protection;
mod request;
mod server_types;
mod servers;
mod ssh_keys;
mod volumes;

pub use self::actions::{Action, ActionError, ActionStatus, Actions, Failure, ResourceRef};
pub use self::api::{Api, Create, Created, Filter, Managed, NameFilter, Resource, Update};
pub use self::budget::Budget;
pub use self::client::{Answered, Builder, Client, ENDPOINT};
pub use self::code::ErrorCode;
pub use self::decode::IdOrName;
pub use self::ensure::Ensured;
pub use self::error::{ApiError, Details, Error, Field, Limit};
pub use self::firewalls::{AppliedTo, CreateFirewall, Direction, Firewall, Protocol, Rule, Target};
pub use self::images::{Image, ImageFilter, ImageStatus, ImageType};
pub use self::labels::{LabelError, LabelSelector, Labels};
pub use self::locations::Location;
pub use self::money::{Money, MoneyError};
pub use self::networks::{CreateNetwork, Network, Route, Subnet, SubnetType};
pub use self::placement_groups::{CreatePlacementGroup, PlacementGroup, PlacementGroupType};
pub use self::pricing::{
    Price, PricePerGb, Pricing, PrimaryIpPrice, PrimaryIpPrices, ServerPrice, ServerTypePrices,
};
pub use self::primary_ips::{
    AssigneeType, CreatePrimaryIp, DnsPtr, IpType, PrimaryIp, PrimaryIpFilter,
};
pub use self::protection::Protection;
pub use self::server_types::{Architecture, CpuType, Deprecation, ServerType, ServerTypeLocation};
pub use self::servers::{
    AppliedFirewall, AttachToNetwork, ChangeType, CreatePublicNet, CreateServer, FirewallStatus,
    Ipv4, Ipv6, PrivateNet, PublicNet, Rebuild, Rebuilt, Server, ServerFilter, ServerProtection,
    ServerStatus, USER_DATA_MAX,
};
pub use self::ssh_keys::{CreateSshKey, SshKey, SshKeyFilter};
pub use self::volumes::{CreateVolume, Volume, VolumeFilter, VolumeStatus};
