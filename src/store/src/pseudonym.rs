//! What stands for a user name on the disk.
//!
//! | scheme | the same name gives | back with the key | form |
//! |---|---|---|---|
//! | `siv` | the same pseudonym | yes | base64url without padding of SIV ‖ ciphertext, AES-256-SIV ([RFC 5297]) |
//! | `fernet` | another token every time, with the time in it | yes | a [Fernet] token |
//! | `hmac` | the same pseudonym | no | base64url without padding of 128 bits of HMAC-SHA-256 |
//!
//! [RFC 5297]: https://www.rfc-editor.org/rfc/rfc5297
//! [Fernet]: https://github.com/fernet/spec

use std::fmt;
use std::str::FromStr;

use aes_siv::KeyInit as _;
use aes_siv::siv::Aes256Siv;
use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::general_purpose::{GeneralPurpose, URL_SAFE as PADDED, URL_SAFE_NO_PAD};
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use fernet::Fernet;
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256, Sha512};

/// How names become pseudonyms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Deterministic encryption: users can be told apart and counted, and named again with the key.
    #[default]
    Siv,
    /// Randomised encryption, as older collectors did: users cannot be counted without the key.
    Fernet,
    /// A keyed digest: users can be told apart and counted, and never named again.
    Hmac,
}

/// The scheme is not one of siv, fernet, hmac.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the scheme must be siv, fernet or hmac, not {0:?}")]
pub struct ParseSchemeError(String);

impl FromStr for Scheme {
    type Err = ParseSchemeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "siv" => Ok(Self::Siv),
            "fernet" => Ok(Self::Fernet),
            "hmac" => Ok(Self::Hmac),
            _ => Err(ParseSchemeError(text.to_owned())),
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Siv => "siv",
            Self::Fernet => "fernet",
            Self::Hmac => "hmac",
        })
    }
}

/// The key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Too few bytes to be a secret.
    #[error("the key for user names has {length} bytes, at least {SHORTEST_KEY} are needed")]
    TooShort {
        /// Bytes without surrounding white space.
        length: usize,
    },
}

impl KeyError {
    /// What a person does about it.
    pub fn hint(&self) -> Option<String> {
        Some("make one with `openssl rand -base64 32`".into())
    }
}

/// The pseudonym does not give the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RevealError {
    /// There is no way back from `hmac`.
    #[error("pseudonyms of the scheme hmac are one-way")]
    OneWay,
    /// The text is no pseudonym of this scheme.
    #[error("this is not a pseudonym of the scheme {0}")]
    NotAPseudonym(Scheme),
    /// Made with another key, or changed.
    #[error("the pseudonym was made with another key, or is incomplete")]
    WrongKey,
}

impl RevealError {
    /// What a person does about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::OneWay => "make the pseudonyms of the names you look for, and compare".into(),
            Self::NotAPseudonym(_) => {
                "check that it is complete, and that the scheme is that of the collector".into()
            }
            Self::WrongKey => "check that the key is that of the collector".into(),
        })
    }
}

const SHORTEST_KEY: usize = 16;
const SIV_INFO: &[u8] = b"research-fleet username siv v1";
const HMAC_INFO: &[u8] = b"research-fleet username hmac v1";
const HMAC_BYTES: usize = 16;

/// Makes pseudonyms, and names of them again. Holds key material, which is overwritten when it is dropped.
pub struct Pseudonymizer(Cipher);

enum Cipher {
    Siv(Box<Aes256Siv>),
    Fernet(Box<Fernet>),
    Hmac(Box<Hmac<Sha256>>),
}

impl Pseudonymizer {
    /// Derives what the scheme needs from the key; white space around the key does not count.
    pub fn new(scheme: Scheme, key: &SecretString) -> Result<Self, KeyError> {
        let key = key.expose_secret().trim();
        if key.len() < SHORTEST_KEY {
            return Err(KeyError::TooShort { length: key.len() });
        }
        Ok(Self(match scheme {
            Scheme::Siv => Cipher::Siv(Box::new(siv(key))),
            Scheme::Fernet => Cipher::Fernet(Box::new(fernet(key))),
            Scheme::Hmac => Cipher::Hmac(Box::new(hmac(key))),
        }))
    }

    /// The scheme in use.
    pub fn scheme(&self) -> Scheme {
        match self.0 {
            Cipher::Siv(_) => Scheme::Siv,
            Cipher::Fernet(_) => Scheme::Fernet,
            Cipher::Hmac(_) => Scheme::Hmac,
        }
    }

    /// What stands for the name.
    pub fn pseudonym(&mut self, name: &str) -> String {
        match &mut self.0 {
            Cipher::Siv(siv) => {
                let sealed = siv
                    .encrypt(NO_HEADERS, name.as_bytes())
                    .expect("only too many headers are refused");
                URL_SAFE_NO_PAD.encode(sealed)
            }
            Cipher::Fernet(fernet) => fernet.encrypt(name.as_bytes()),
            Cipher::Hmac(hmac) => {
                let digest = hmac.clone().chain_update(name).finalize().into_bytes();
                URL_SAFE_NO_PAD.encode(&digest[..HMAC_BYTES])
            }
        }
    }

    /// The name for which the pseudonym stands.
    pub fn reveal(&mut self, pseudonym: &str) -> Result<String, RevealError> {
        let wrong_form = RevealError::NotAPseudonym(self.scheme());
        let name = match &mut self.0 {
            Cipher::Siv(siv) => {
                let sealed = URL_SAFE_NO_PAD.decode(pseudonym).map_err(|_| wrong_form)?;
                siv.decrypt(NO_HEADERS, &sealed)
                    .map_err(|_| RevealError::WrongKey)?
            }
            Cipher::Fernet(fernet) => {
                PADDED.decode(pseudonym).map_err(|_| wrong_form)?;
                fernet
                    .decrypt(pseudonym)
                    .map_err(|_| RevealError::WrongKey)?
            }
            Cipher::Hmac(_) => return Err(RevealError::OneWay),
        };
        String::from_utf8(name).map_err(|_| wrong_form)
    }
}

impl fmt::Debug for Pseudonymizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pseudonymizer")
            .field(&self.scheme())
            .finish()
    }
}

const NO_HEADERS: [&[u8]; 0] = [];

fn siv(key: &str) -> Aes256Siv {
    let mut derived = Zeroizing::new([0; 64]);
    Hkdf::<Sha512>::new(None, key.as_bytes())
        .expand(SIV_INFO, &mut *derived)
        .expect("64 bytes are one block of HKDF-SHA512");
    Aes256Siv::new((&*derived).into())
}

fn hmac(key: &str) -> Hmac<Sha256> {
    let mut derived = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(None, key.as_bytes())
        .expand(HMAC_INFO, &mut *derived)
        .expect("32 bytes are one block of HKDF-SHA256");
    Hmac::new_from_slice(&*derived).expect("HMAC takes a key of any length")
}

/// The key as it is where it is 32 bytes in base64, else its digest: what older collectors did.
fn fernet(key: &str) -> Fernet {
    let lenient =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let decoded = [&URL_SAFE, &STANDARD]
        .into_iter()
        .filter_map(|alphabet| GeneralPurpose::new(alphabet, lenient).decode(key).ok())
        .map(Zeroizing::new)
        .find(|bytes| bytes.len() == 32);
    let bytes = decoded.unwrap_or_else(|| Zeroizing::new(Sha256::digest(key).to_vec()));
    let encoded = Zeroizing::new(PADDED.encode(&*bytes));
    Fernet::new(&encoded).expect("32 bytes in base64url are a Fernet key")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "correct horse battery staple";

    fn with(scheme: Scheme, key: &str) -> Pseudonymizer {
        Pseudonymizer::new(scheme, &key.into()).unwrap()
    }

    proptest! {
        #[test]
        fn every_name_comes_back(name in "\\PC{1,40}", key in "[!-~]{16,80}") {
            for scheme in [Scheme::Siv, Scheme::Fernet] {
                let pseudonym = with(scheme, &key).pseudonym(&name);
                prop_assert!(name.len() < 8 || !pseudonym.contains(&name));
                prop_assert_eq!(with(scheme, &key).reveal(&pseudonym), Ok(name.clone()));
            }
        }

        #[test]
        fn no_text_makes_reveal_panic(text in ".{0,120}") {
            for scheme in [Scheme::Siv, Scheme::Fernet, Scheme::Hmac] {
                prop_assert!(with(scheme, KEY).reveal(&text).is_err());
            }
        }
    }

    #[test]
    fn siv_and_hmac_give_the_same_again_and_fernet_does_not() {
        for (scheme, same) in [
            (Scheme::Siv, true),
            (Scheme::Hmac, true),
            (Scheme::Fernet, false),
        ] {
            let mut maker = with(scheme, KEY);
            assert_eq!(
                maker.pseudonym("alice") == maker.pseudonym("alice"),
                same,
                "{scheme}"
            );
            assert_eq!(
                maker.pseudonym("alice") == with(scheme, KEY).pseudonym("alice"),
                same,
                "{scheme}"
            );
            assert_ne!(maker.pseudonym("alice"), maker.pseudonym("bob"), "{scheme}");
            assert_ne!(
                maker.pseudonym("alice"),
                with(scheme, "another key of mine").pseudonym("alice"),
                "{scheme}"
            );
        }
    }

    /// Made by Python's `cryptography` and `hmac`: pseudonyms that are out there must stay readable.
    #[test]
    fn pseudonyms_never_change() {
        assert_eq!(
            with(Scheme::Siv, KEY).pseudonym("alice"),
            "jpCxSv6L-LffYhyGL3LH4bLn1Xl0"
        );
        assert_eq!(
            with(Scheme::Hmac, KEY).pseudonym("alice"),
            "gmKT3CAPp9ProVtuirOHOA"
        );
    }

    #[test]
    fn hmac_is_one_way_and_short() {
        let pseudonym = with(Scheme::Hmac, KEY).pseudonym("alice");
        assert_eq!(pseudonym.len(), 22);
        assert_eq!(
            with(Scheme::Hmac, KEY).reveal(&pseudonym),
            Err(RevealError::OneWay)
        );
    }

    #[test]
    fn another_key_or_a_changed_pseudonym_is_refused() {
        for scheme in [Scheme::Siv, Scheme::Fernet] {
            let pseudonym = with(scheme, KEY).pseudonym("alice");
            assert_eq!(
                with(scheme, "another key of mine").reveal(&pseudonym),
                Err(RevealError::WrongKey)
            );
            let cut = &pseudonym[..pseudonym.len() - 4];
            assert_eq!(with(scheme, KEY).reveal(cut), Err(RevealError::WrongKey));
            assert_eq!(
                with(scheme, KEY).reveal("alice!"),
                Err(RevealError::NotAPseudonym(scheme))
            );
        }
    }

    #[test]
    fn short_keys_are_refused_with_a_way_out() {
        let error = Pseudonymizer::new(Scheme::Siv, &" sixteen bytes !! \n".into()).map(drop);
        assert_eq!(error, Ok(()), "16 bytes are enough");
        let error = Pseudonymizer::new(Scheme::Siv, &"  fifteen bytes!!\n".into()).unwrap_err();
        assert_eq!(error, KeyError::TooShort { length: 15 });
        assert!(error.hint().unwrap().contains("openssl rand"));
    }

    #[test]
    fn white_space_around_the_key_does_not_count() {
        for scheme in [Scheme::Siv, Scheme::Hmac] {
            let padded = format!("\n {KEY} \r\n");
            assert_eq!(
                with(scheme, KEY).pseudonym("alice"),
                with(scheme, &padded).pseudonym("alice")
            );
        }
    }

    #[test]
    fn a_fernet_key_in_either_alphabet_is_the_same_key() {
        let url = "-_-_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        for other in [
            "+/+/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            url.trim_end_matches('='),
        ] {
            let token = with(Scheme::Fernet, other).pseudonym("alice");
            assert_eq!(Fernet::new(url).unwrap().decrypt(&token).unwrap(), b"alice");
        }
    }

    #[test]
    fn names_of_schemes() {
        for scheme in [Scheme::Siv, Scheme::Fernet, Scheme::Hmac] {
            assert_eq!(scheme.to_string().parse(), Ok(scheme));
            assert_eq!(
                serde_json::to_string(&scheme).unwrap(),
                format!("\"{scheme}\"")
            );
        }
        assert!("SIV".parse::<Scheme>().is_err());
        assert_eq!(
            format!("{:?}", with(Scheme::Siv, KEY)),
            "Pseudonymizer(Siv)"
        );
    }
}
