//! Labels: what they may look like, and the language in which they are asked for.

use std::collections::BTreeMap;

/// Labels of a resource.
pub type Labels = BTreeMap<String, String>;

/// What is wrong with labels, in the words of the API.
pub(crate) fn check_labels(labels: &Labels) -> Result<(), String> {
    for (key, value) in labels {
        check_key(key)?;
        if key.starts_with("hetzner.cloud/") {
            return Err(format!("label key '{key}' has a reserved prefix"));
        }
        check_value(value)?;
    }
    Ok(())
}

fn check_key(key: &str) -> Result<(), String> {
    let (prefix, name) = key
        .split_once('/')
        .map_or((None, key), |(prefix, name)| (Some(prefix), name));
    if prefix.is_some_and(|prefix| !is_subdomain(prefix)) || name.is_empty() || !is_word(name) {
        return Err(format!("label key '{key}' is not correctly formatted"));
    }
    Ok(())
}

fn check_value(value: &str) -> Result<(), String> {
    if is_word(value) {
        Ok(())
    } else {
        Err(format!("label value '{value}' is not correctly formatted"))
    }
}

/// At most 63 characters, letters and digits at both ends, `-_.` between them.
fn is_word(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let end = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && bytes.iter().all(|&byte| inner(byte))
        && end(bytes.first())
        && end(bytes.last())
}

fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_dns_label)
}

/// Whether a text is one part of a host name.
pub(crate) fn is_dns_label(text: &str) -> bool {
    !text.is_empty() && is_word(text) && !text.contains(['_', '.'])
}

/// A label selector: all of its terms have to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selector(Vec<Term>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Term {
    Exists(String),
    Missing(String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
}

impl Selector {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self::default());
        }
        let terms = split_terms(text).into_iter().map(|term| {
            parse_term(term.trim()).map_err(|reason| format!("label selector '{text}': {reason}"))
        });
        terms.collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|term| match term {
            Term::Exists(key) => labels.contains_key(key),
            Term::Missing(key) => !labels.contains_key(key),
            Term::In(key, values) => labels.get(key).is_some_and(|value| values.contains(value)),
            Term::NotIn(key, values) => labels.get(key).is_none_or(|value| !values.contains(value)),
        })
    }
}

/// Splits at the commas that do not stand in brackets.
fn split_terms(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    text.split(|character| {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    })
    .collect()
}

fn parse_term(term: &str) -> Result<Term, String> {
    if let Some(key) = term.strip_prefix('!') {
        return Ok(Term::Missing(key_of(key)?));
    }
    if let Some(list) = term.strip_suffix(')') {
        let (head, list) = list.split_once('(').ok_or("a bracket is missing")?;
        let values = list.split(',').map(value_of).collect::<Result<_, _>>()?;
        return match head.split_whitespace().collect::<Vec<_>>()[..] {
            [key, "in"] => Ok(Term::In(key_of(key)?, values)),
            [key, "notin"] => Ok(Term::NotIn(key_of(key)?, values)),
            _ => Err(format!("'{term}' is neither `in` nor `notin`")),
        };
    }
    if let Some((key, value)) = term.split_once("!=") {
        return Ok(Term::NotIn(key_of(key)?, vec![value_of(value)?]));
    }
    if let Some((key, value)) = term.split_once('=') {
        let value = value.strip_prefix('=').unwrap_or(value);
        return Ok(Term::In(key_of(key)?, vec![value_of(value)?]));
    }
    Ok(Term::Exists(key_of(term)?))
}

fn key_of(text: &str) -> Result<String, String> {
    let key = text.trim();
    check_key(key).map(|()| key.to_owned())
}

fn value_of(text: &str) -> Result<String, String> {
    let value = text.trim();
    check_value(value).map(|()| value.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        let pairs = pairs
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()));
        pairs.collect()
    }

    fn selects(selector: &str) -> bool {
        let labels = labels(&[
            ("env", "prod"),
            ("fleet.example/region", "ash"),
            ("empty", ""),
        ]);
        Selector::parse(selector).unwrap().matches(&labels)
    }

    #[test]
    fn every_form_of_a_term() {
        for selector in [
            "",
            "env",
            "!absent",
            "env=prod",
            "env==prod",
            "env!=test",
            "absent!=test",
            "empty=",
            "env in (test,prod)",
            "env in ( prod )",
            "env notin (a,b)",
            "absent notin (a)",
            "fleet.example/region=ash,env,!absent",
            "env in (prod),empty",
        ] {
            assert!(selects(selector), "{selector}");
        }
        for selector in [
            "absent",
            "!env",
            "env=test",
            "env==",
            "env!=prod",
            "env in (a,b)",
            "absent in (a)",
            "env notin (prod,b)",
            "env,absent",
            "env=prod,!env",
        ] {
            assert!(!selects(selector), "{selector}");
        }
    }

    #[test]
    fn what_is_no_selector() {
        for text in [
            ",",
            "env,",
            "=a",
            "!",
            "a b",
            "env in prod",
            "env in (a",
            "env within (a)",
            "a=b=c",
            "-a",
            "a=b c",
            "example.org/=a",
            "/a",
        ] {
            assert!(Selector::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_a_label_may_look_like() {
        let longest = "a".repeat(63);
        for (key, value) in [
            ("a", ""),
            ("a.b-c_d", "A.b-9"),
            ("example.org/a", "b"),
            (&longest, &longest),
        ] {
            assert_eq!(
                check_labels(&labels(&[(key, value)])),
                Ok(()),
                "{key}={value}"
            );
        }
        let too_long = "a".repeat(64);
        for (key, value) in [
            ("", "a"),
            ("a/", "a"),
            ("/a", "a"),
            ("a/b/c", "a"),
            ("_a", "a"),
            ("a", "b-"),
            ("a", "b c"),
            (&too_long, "a"),
            ("a", &too_long),
            ("hetzner.cloud/a", "b"),
            ("ex_ample/a", "b"),
        ] {
            assert!(
                check_labels(&labels(&[(key, value)])).is_err(),
                "{key}={value}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            let _ = Selector::parse(&text);
        }

        #[test]
        fn a_label_is_found_by_itself_and_not_by_its_opposite(
            key in "[a-z][a-z0-9._-]{0,20}[a-z0-9]", value in "([A-Za-z0-9]([A-Za-z0-9._-]{0,20}[a-z])?)?"
        ) {
            let labels = labels(&[(&key, &value)]);
            prop_assert!(check_labels(&labels).is_ok());
            for selector in ["K", "K=V", "K==V", "K in (V)", "K in (x,V)", "K!=other", "K notin (x,y.z)"] {
                let selector = selector.replace('K', &key).replace('V', &value);
                let same = value == "x" || value == "y.z" || value == "other";
                prop_assert!(same || Selector::parse(&selector).unwrap().matches(&labels), "{}", selector);
            }
            for selector in ["!K", "K!=V", "K notin (V)"] {
                let selector = selector.replace('K', &key).replace('V', &value);
                prop_assert!(!Selector::parse(&selector).unwrap().matches(&labels), "{}", selector);
            }
        }
    }
}
