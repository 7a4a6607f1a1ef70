//! A method a knob, for tests in the same process. Those that do not say how often last until
//! [`clear`](Faults::clear).

use super::{Fault, Faults, On};
use crate::hetzner::pace::Limits;

impl Faults {
    /// Orders of this type in this location find no stock, though the catalogue shows some.
    pub fn out_of_stock(&self, server_type: &str, location: &str) {
        self.always(Fault::OutOfStock {
            server_type: Some(server_type.to_owned()),
            location: Some(location.to_owned()),
        });
    }

    /// Orders in this location are refused.
    pub fn location_disabled(&self, location: &str) {
        let location = location.to_owned();
        self.always(Fault::LocationDisabled { location });
    }

    /// The catalogue shows a type as available in a location or not, and orders go by it.
    pub fn availability(&self, server_type: &str, location: &str, available: bool) {
        self.always(Fault::Availability {
            server_type: Some(server_type.to_owned()),
            location: Some(location.to_owned()),
            available,
        });
    }

    /// So many of the next orders get `placement_error`.
    pub fn placement_error(&self, times: u32) {
        self.times(times, Fault::PlacementError);
    }

    /// Requests are refused with a status, so many times.
    pub fn answer(&self, times: u32, method: &str, path: &str, status: u16) {
        let on = On::new(method, path);
        self.times(
            times,
            Fault::Answer {
                on,
                status,
                code: None,
            },
        );
    }

    /// What is asked for is done and the connection closed without a word, so many times.
    pub fn lose_answer(&self, times: u32, method: &str, path: &str) {
        let on = On::new(method, path);
        self.times(times, Fault::LoseAnswer { on, status: None });
    }

    /// No answer comes, so many times.
    pub fn hang(&self, times: u32, method: &str, path: &str) {
        self.times(
            times,
            Fault::Hang {
                on: On::new(method, path),
            },
        );
    }

    /// No request is left in the hour; the next ones come with time.
    pub fn empty_bucket(&self) {
        self.times(1, Fault::EmptyBucket);
    }

    /// So many of the next actions with this command fail.
    pub fn fail_action(&self, times: u32, command: &str, code: &str, message: &str) {
        self.times(
            times,
            Fault::FailAction {
                command: command.to_owned(),
                code: code.to_owned(),
                message: message.to_owned(),
            },
        );
    }

    /// Actions take so many times as long.
    pub fn slow_actions(&self, factor: f64) {
        self.always(Fault::SlowActions { factor });
    }

    /// The token is unknown.
    pub fn revoke_token(&self) {
        self.always(Fault::RevokeToken);
    }

    /// The token may only read.
    pub fn read_only_token(&self) {
        self.always(Fault::ReadOnlyToken);
    }

    /// The project may have no more than these.
    pub fn limits(&self, limits: Limits) {
        self.always(Fault::Limits { limits });
    }

    /// The clock of the API is ahead by so many seconds, or behind.
    pub fn skew_clock(&self, seconds: i64) {
        self.always(Fault::ClockSkew { seconds });
    }
}
