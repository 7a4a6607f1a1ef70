//! The queries that most users typed, from a day with millions of different ones.
//!
//! A query that one user typed takes a hash and a count; only a second user makes it worth its text.

use std::cmp::Reverse;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::sketch::Sketch;

/// How many queries a day keeps.
pub const TOP_KEPT: usize = 1000;
/// A query that fewer users typed on a day is not kept at all.
pub const MIN_USERS_KEPT: u64 = 2;

/// More characters of a query are not kept; the protocol would allow megabytes.
const LONGEST_TEXT: usize = 300;
/// Maps grow by doubling; small ones never need much at once.
const SHARDS: usize = 64;
const ONE_USER: u32 = u32::MAX;

/// A query and how often it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopQuery {
    /// Trimmed, in lower case, with single blanks; cut after 300 characters.
    pub query: String,
    /// Records with it, in all regions together.
    pub searches: u64,
    /// Who typed it.
    pub users: Sketch<64>,
}

/// As a text stands among the queries: trimmed, lower case, single blanks.
pub(crate) fn normalize(query: &str, into: &mut String) {
    into.clear();
    for word in query.split_whitespace() {
        if !into.is_empty() {
            into.push(' ');
        }
        if word.is_ascii() {
            into.extend(word.chars().map(|c| c.to_ascii_lowercase()));
        } else {
            into.push_str(&word.to_lowercase());
        }
    }
}

#[derive(Debug, Default)]
struct Shard {
    all: HashMap<u64, One>,
    /// What more than one user typed.
    shared: Vec<Shared>,
}

#[derive(Debug)]
struct One {
    first_user: u64,
    searches: u32,
    /// Where in `shared` it is, or [`ONE_USER`].
    shared: u32,
}

#[derive(Debug)]
struct Shared {
    text: Box<str>,
    users: Sketch<64>,
}

/// All queries of a day.
#[derive(Debug)]
pub(crate) struct Queries {
    shards: Vec<Shard>,
}

impl Queries {
    pub(crate) fn new() -> Self {
        Self {
            shards: std::iter::repeat_with(Shard::default)
                .take(SHARDS)
                .collect(),
        }
    }

    /// Counts a search: its normalized query, the hash of that, the hash of its user.
    pub(crate) fn push(&mut self, query: &str, hash: u64, user: u64) {
        let shard = usize::from(hash.to_be_bytes()[0]) % SHARDS;
        let Some(Shard { all, shared }) = self.shards.get_mut(shard) else {
            return;
        };
        let one = all.entry(hash).or_insert(One {
            first_user: user,
            searches: 0,
            shared: ONE_USER,
        });
        one.searches = one.searches.saturating_add(1);
        if let Some(known) = shared.get_mut(one.shared as usize) {
            known.users.insert_hash(user);
        } else if one.first_user != user {
            let mut users = Sketch::default();
            users.insert_hash(one.first_user);
            users.insert_hash(user);
            one.shared = u32::try_from(shared.len()).unwrap_or(ONE_USER);
            shared.push(Shared {
                text: cut(query).into(),
                users,
            });
        }
    }

    /// The `kept` queries with most users, first those with most; and whether any was left out.
    pub(crate) fn top(self, kept: usize) -> (Vec<TopQuery>, bool) {
        let mut top: Vec<TopQuery> = Vec::new();
        let mut more = false;
        for Shard { all, mut shared } in self.shards {
            for one in all.into_values() {
                let Some(found) = shared.get_mut(one.shared as usize) else {
                    continue;
                };
                top.push(TopQuery {
                    query: std::mem::take(&mut found.text).into(),
                    searches: one.searches.into(),
                    users: std::mem::take(&mut found.users),
                });
            }
            sort(&mut top);
            more |= top.len() > kept;
            top.truncate(kept);
        }
        (top, more)
    }
}

/// By users, then by searches, then by text: the same rows always give the same list.
pub(crate) fn sort(queries: &mut [TopQuery]) {
    queries.sort_by_cached_key(|top| {
        (
            Reverse((top.users.estimate().value, top.searches)),
            top.query.clone(),
        )
    });
}

fn cut(query: &str) -> String {
    match query.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => format!("{}…", query.get(..end).unwrap_or_default()),
        None => query.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sketch::stable_hash;
    use super::*;

    fn top(rows: &[(&str, u64)], kept: usize) -> (Vec<(String, u64, u64)>, bool) {
        let mut queries = Queries::new();
        for &(query, user) in rows {
            queries.push(query, stable_hash(query.as_bytes()), user);
        }
        let (top, more) = queries.top(kept);
        let top = top.into_iter();
        let top = top.map(|top| (top.query, top.searches, top.users.estimate().value));
        (top.collect(), more)
    }

    #[test]
    fn the_list_goes_by_users_then_searches_then_text() {
        let rows = [
            ("one user", 1),
            ("one user", 1),
            ("one user", 1),
            ("one user", 1),
            ("b", 1),
            ("b", 2),
            ("a", 3),
            ("a", 2),
            ("often", 1),
            ("often", 2),
            ("often", 2),
            ("most", 7),
            ("most", 8),
            ("most", 9),
            ("most", 9),
        ];
        let all = [("most", 4, 3), ("often", 3, 2), ("a", 2, 2), ("b", 2, 2)];
        let all = all.map(|(query, searches, users)| (query.to_owned(), searches, users));
        assert_eq!(top(&rows, 10), (all.to_vec(), false));
        assert_eq!(top(&rows, 4), (all.to_vec(), false));
        assert_eq!(top(&rows, 2), (all[..2].to_vec(), true));
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let long = "é".repeat(5000);
        let (found, _) = top(&[(&long, 1), (&long, 2)], 1);
        assert_eq!(found[0].0, format!("{}…", "é".repeat(300)));
        assert_eq!(cut(&"é".repeat(300)), "é".repeat(300));
    }

    #[test]
    fn case_and_blanks_do_not_count() {
        let mut text = String::from("old");
        normalize("  Die\u{a0}\tÄrzte  LIVE ", &mut text);
        assert_eq!(text, "die ärzte live");
        normalize(" \n", &mut text);
        assert_eq!(text, "");
    }
}
