//! SSH keys.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest, Md5};
use serde::Serialize;
use serde_json::{Value, json};

use super::errors::ApiError;
use super::project::Project;
use super::resource::{Meta, Resource, naming, stored_in};
use super::route::{Answer, Call, Reply, Route, delete, post};

/// A public key that new servers let in.
#[derive(Debug, Clone, Serialize)]
pub struct SshKey {
    /// Identifier, name, labels.
    #[serde(flatten)]
    pub meta: Meta,
    /// As it was given: type, base64, comment.
    pub public_key: String,
    /// MD5 of the key itself, in hexadecimal with colons.
    pub fingerprint: String,
}

impl Resource for SshKey {
    const KIND: &'static str = "ssh_key";
    const PLURAL: &'static str = "ssh_keys";
    const SORT: &'static [&'static str] = &["id", "name"];
    const FILTERS: &'static [&'static str] = &["fingerprint"];

    stored_in!(ssh_keys);

    fn has(&self, _filter: &str, value: &str) -> bool {
        self.fingerprint == value
    }

    fn view(&self, _project: &Project) -> Value {
        self.meta
            .view(json!({"public_key": self.public_key, "fingerprint": self.fingerprint}))
    }
}

pub(crate) fn routes() -> Vec<Route> {
    let mut routes = naming::<SshKey>();
    routes.extend([post("/ssh_keys", create), delete("/ssh_keys/{id}", remove)]);
    routes
}

fn create(call: &mut Call<'_>) -> Answer {
    let mut fields = call.fields()?;
    let name = fields.name(128);
    let public_key: String = fields.required("public_key");
    let labels = fields.labels();
    fields.finish()?;
    let fingerprint = fingerprint(&public_key)
        .ok_or_else(|| ApiError::field("public_key", "is not a valid SSH public key"))?;
    let project = &mut *call.project;
    project.check_unique::<SshKey>(&name, None)?;
    if project
        .state
        .ssh_keys
        .values()
        .any(|key| key.fingerprint == fingerprint)
    {
        return Err(ApiError::not_unique(SshKey::KIND, "public_key"));
    }
    project.check_limit::<SshKey>()?;
    let meta = project.meta(name, labels);
    let key = SshKey {
        meta,
        public_key,
        fingerprint,
    };
    let reply = Reply::created(json!({"ssh_key": key.view(project)}));
    project.state.ssh_keys.insert(key.meta.id, key);
    Ok(reply)
}

fn remove(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    call.project.find::<SshKey>(id)?;
    call.project.state.ssh_keys.remove(&id);
    Ok(Reply::empty())
}

/// None where the text is no public key.
fn fingerprint(text: &str) -> Option<String> {
    let mut words = text.split_whitespace();
    let kind = words.next()?;
    let known = [
        "ssh-rsa",
        "ssh-ed25519",
        "ssh-dss",
        "ecdsa-sha2-",
        "sk-ssh-ed25519@",
        "sk-ecdsa-sha2-",
    ];
    let key = BASE64_STANDARD.decode(words.next()?).ok()?;
    // The key begins with the length of its type in four bytes, and the type.
    let (length, rest) = key.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let inner = rest.get(..length)?;
    let whole = rest.len() > length;
    if !known.iter().any(|known| kind.starts_with(known)) || inner != kind.as_bytes() || !whole {
        return None;
    }
    let bytes = Md5::digest(&key);
    let bytes: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(bytes.join(":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f somebody";

    #[test]
    fn the_fingerprint_is_that_of_ssh_keygen() {
        let found = fingerprint(KEY).unwrap();
        assert_eq!(found, "0f:a2:0a:d7:38:3e:65:45:08:6b:63:84:1c:ff:dc:ba");
    }

    #[test]
    fn what_is_no_key() {
        for text in [
            "",
            "ssh-ed25519",
            "ssh-ed25519 AAAA",
            "ssh-ed25519 not/base64!",
            "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f",
            "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f",
        ] {
            assert_eq!(fingerprint(text), None, "{text}");
        }
    }
}
