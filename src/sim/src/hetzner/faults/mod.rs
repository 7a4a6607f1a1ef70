//! What can go wrong in a cloud, on demand.
//!
//! Over HTTP the same as in process: `POST /sim/faults` with `{"fault": NAME, ...}`, where the names and
//! fields are those of [`Fault`] in snake case. `"times": N` lets a fault happen N times; without it the
//! fault stays until `DELETE /sim/faults`.

mod knobs;
mod meeting;

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use serde_json::Value;

pub(crate) use self::meeting::{Lost, Obstacle};
use super::pace::Limits;

/// Which requests a fault meets.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct On {
    /// `GET`, `POST`, ...; none for every method.
    pub method: Option<String>,
    /// Without `/v1`. `*` stands for one segment, `**` at the end for any number of them.
    pub path: String,
}

impl On {
    /// This method and path; `*` is every method.
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: Some(method.to_owned()).filter(|method| method != "*"),
            path: path.to_owned(),
        }
    }

    fn meets(&self, method: &str, path: &str) -> bool {
        self.method
            .as_deref()
            .is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && path_matches(&self.path, path)
    }
}

fn path_matches(pattern: &str, path: &str) -> bool {
    let mut segments = path.trim_matches('/').split('/');
    for wanted in pattern.trim_matches('/').split('/') {
        match (wanted, segments.next()) {
            ("**", _) => return true,
            (_, None) => return false,
            (wanted, Some(segment)) if wanted != "*" && wanted != segment => return false,
            _ => {}
        }
    }
    segments.next().is_none()
}

/// One thing that goes wrong.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// Orders get 412 `error during placement`, though the catalogue says that there is stock. None is any.
    OutOfStock {
        /// The name of a server type.
        server_type: Option<String>,
        /// The name of a location.
        location: Option<String>,
    },
    /// Orders get 412 `server location disabled`.
    LocationDisabled {
        /// The name of the location.
        location: String,
    },
    /// The catalogue says whether a type is available in a location, and orders go by it. None is any.
    Availability {
        /// The name of a server type.
        server_type: Option<String>,
        /// The name of a location.
        location: Option<String>,
        /// What it says.
        available: bool,
    },
    /// Orders get 422 `placement_error`.
    PlacementError,
    /// Requests get this status before anything happens: 500, 502, 503, 504, 429, or another.
    Answer {
        /// Which requests.
        on: On,
        /// The HTTP status.
        status: u16,
        /// The code of the error; without one it follows from the status.
        code: Option<String>,
    },
    /// The same with a page of HTML, as a proxy in front of the API answers. It has none of the API's headers.
    Page {
        /// Which requests.
        on: On,
        /// The HTTP status.
        status: u16,
    },
    /// What was asked for is done, but nobody learns of it.
    LoseAnswer {
        /// Which requests.
        on: On,
        /// What is answered; without one the connection is closed.
        status: Option<u16>,
    },
    /// Nothing happens, and no answer ever comes.
    Hang {
        /// Which requests.
        on: On,
    },
    /// No request is left in the hour.
    EmptyBucket,
    /// Actions that begin now take so many times as long.
    SlowActions {
        /// How many times.
        factor: f64,
    },
    /// Actions with this command that begin now fail when their time is over.
    FailAction {
        /// For example `create_server`.
        command: String,
        /// The code of the action's error.
        code: String,
        /// Its message.
        message: String,
    },
    /// Servers do not react to `shutdown`.
    IgnoreShutdown,
    /// 401 for the token.
    RevokeToken,
    /// 403 for whatever would change something.
    ReadOnlyToken,
    /// Other limits.
    Limits {
        /// How many of each kind.
        limits: Limits,
    },
    /// The time of day in answers is wrong.
    ClockSkew {
        /// Ahead; behind where it is negative.
        seconds: i64,
    },
}

#[derive(Debug)]
struct Armed {
    fault: Fault,
    left: Option<u32>,
}

/// The faults that are armed.
#[derive(Debug, Default)]
pub struct Faults {
    armed: Mutex<Vec<Armed>>,
}

impl Faults {
    /// Arms a fault until [`clear`](Self::clear).
    pub fn always(&self, fault: Fault) {
        self.lock().push(Armed { fault, left: None });
    }

    /// Arms a fault that happens so many times.
    pub fn times(&self, times: u32, fault: Fault) {
        self.lock().push(Armed {
            fault,
            left: Some(times),
        });
    }

    /// All is well again.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Arms what [`Fault`] looks like in JSON, with `times` beside it.
    pub fn arm(&self, mut json: Value) -> Result<(), serde_json::Error> {
        let times = json
            .as_object_mut()
            .and_then(|fields| fields.remove("times"));
        let left = times.map(serde_json::from_value).transpose()?.flatten();
        let fault = serde_json::from_value(json)?;
        self.lock().push(Armed { fault, left });
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Armed>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn patterns_of_paths() {
        for (pattern, path) in [
            ("/servers", "/servers"),
            ("/servers/*", "/servers/12"),
            (
                "/servers/*/actions/poweroff",
                "/servers/12/actions/poweroff",
            ),
            ("/servers/**", "/servers/12/actions/poweroff"),
            ("/servers/**", "/servers"),
            ("/**", "/anything/else"),
        ] {
            assert!(path_matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("/servers", "/servers/12"),
            ("/servers/*", "/servers"),
            ("/servers/*", "/servers/12/actions"),
            ("/servers/**", "/server_types"),
        ] {
            assert!(!path_matches(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn a_fault_happens_as_often_as_it_says() {
        let faults = Faults::default();
        faults.answer(2, "POST", "/servers", 503);
        let meet = |method: &str| faults.obstacle(method, "/servers").is_some();
        assert!(!meet("GET"));
        assert_eq!([(); 3].map(|()| meet("POST")), [true, true, false]);
        faults.always(Fault::PlacementError);
        assert!((0..9).all(|_| faults.refuses_order("cpx11", "ash").is_some()));
        faults.clear();
        assert_eq!(faults.refuses_order("cpx11", "ash"), None);
    }

    #[test]
    fn json_is_checked() {
        let faults = Faults::default();
        faults
            .arm(json!({"fault": "answer", "on": {"path": "/**"}, "status": 502, "times": 1}))
            .unwrap();
        faults
            .arm(json!({"fault": "limits", "limits": {"servers": 3}}))
            .unwrap();
        assert_eq!(faults.other_limits().map(|limits| limits.servers), Some(3));
        for wrong in [
            json!({"fault": "earthquake"}),
            json!({"fault": "hang", "on": {"path": "/"}, "time": 3}),
            json!({"fault": "placement_error", "times": -1}),
            json!([]),
        ] {
            assert!(faults.arm(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
