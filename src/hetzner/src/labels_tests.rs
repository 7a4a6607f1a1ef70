use proptest::prelude::*;

use super::*;

#[test]
fn keys() {
    for key in [
        "a",
        "role",
        "a-b_c.d",
        "9",
        "researchfleet.io/fleet",
        "a.b-c.d/X_y",
    ] {
        assert_eq!(check_key(key), Ok(()), "{key}");
    }
    for (key, problem) in [
        ("", "has no name"),
        ("a/", "has no name"),
        ("/a", "has a prefix that is not a DNS subdomain"),
        ("A.io/a", "has a prefix that is not a DNS subdomain"),
        ("a..b/c", "has a prefix that is not a DNS subdomain"),
        ("-a.io/c", "has a prefix that is not a DNS subdomain"),
        (
            "hetzner.cloud/a",
            "has a prefix that is reserved for Hetzner",
        ),
        (
            "a/b/c",
            "has characters other than letters, digits, '-', '_' and '.'",
        ),
        (
            "ü",
            "has characters other than letters, digits, '-', '_' and '.'",
        ),
        ("-a", "must start and end with a letter or digit"),
        ("a.", "must start and end with a letter or digit"),
    ] {
        let expected = LabelError::Key {
            key: key.to_owned(),
            problem,
        };
        assert_eq!(check_key(key), Err(expected));
    }
    assert_eq!(check_key(&"k".repeat(63)), Ok(()));
    assert!(check_key(&"k".repeat(64)).is_err());
    let long = vec!["p".repeat(63); 4].join(".");
    assert!(
        check_key(&format!("{long}/k")).is_err(),
        "255 characters of prefix"
    );
    assert_eq!(check_key(&format!("{}/k", &long[..253])), Ok(()));
}

#[test]
fn values() {
    assert_eq!(check_value("k", ""), Ok(()));
    assert_eq!(check_value("k", "2026-11-26"), Ok(()));
    let error = check_value("k", "two words").unwrap_err();
    assert_eq!(
        error.to_string(),
        "value \"two words\" of label k has characters other than letters, digits, '-', '_' and '.'"
    );
    assert!(check_value("k", "_").is_err());
    assert!(check_value("k", &"v".repeat(64)).is_err());
}

#[test]
fn selectors() {
    let selector = LabelSelector::new()
        .equals("fleet", "study")
        .unwrap()
        .not_equals("role", "db")
        .unwrap()
        .exists("region")
        .unwrap()
        .absent("retired")
        .unwrap()
        .one_of("location", &["ash", "sin"])
        .unwrap()
        .none_of("tier", &["spare"])
        .unwrap();
    assert_eq!(
        selector.to_string(),
        "fleet=study,role!=db,region,!retired,location in (ash,sin),tier notin (spare)"
    );
    assert!(LabelSelector::new().one_of("k", &[]).is_err());
    assert!(
        LabelSelector::new().equals("k", "a,b=c").is_err(),
        "no requirement can be smuggled in"
    );
    assert_eq!(LabelSelector::new().to_string(), "");
}

proptest! {
    #[test]
    fn what_follows_the_grammar_passes(
        prefix in prop::option::of("[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?){0,3}"),
        name in "[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?",
        value in "([A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?)?",
    ) {
        let key = match prefix {
            Some(prefix) => format!("{prefix}/{name}"),
            None => name,
        };
        prop_assert_eq!(check(&Labels::from([(key.clone(), value.clone())])), Ok(()));
        let selector = LabelSelector::new().equals(&key, &value).unwrap();
        prop_assert_eq!(selector.to_string(), format!("{}={}", key, value));
    }

    /// Whatever passes has none of the characters that mean something in a selector.
    #[test]
    fn what_passes_is_harmless(text in ".{0,70}") {
        let reserved = |c: char| "=!,() ".contains(c) || c.is_control();
        if check_key(&text).is_ok() {
            prop_assert!(!text.contains(reserved));
            prop_assert!(text.len() <= 253 + 1 + 63);
        }
        if check_value("k", &text).is_ok() {
            prop_assert!(!text.contains(reserved));
            prop_assert!(text.len() <= 63);
        }
    }
}
