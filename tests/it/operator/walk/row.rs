//! A row of the table: what is changed, and what has to be seen then.

use fleet_api::ResearchCollectorStatus;
use serde_json::{Value, json};

use super::look::See;
use crate::operator::world::condition;

/// A change of one field, or of several that cannot be apart.
pub(super) struct Row {
    /// Where, as JSON pointers from `spec` on, and what is written there; null takes it away.
    pub(super) set: Vec<(&'static str, Value)>,
    pub(super) sees: Vec<See>,
    /// The reason of Ready when it has settled.
    ready: &'static str,
    /// It cannot be taken back.
    pub(super) stays: bool,
    /// It goes together with every other.
    mixes: bool,
}

impl Row {
    pub(super) fn new(field: &'static str, value: Value, see: See) -> Self {
        Self {
            set: vec![(field, value)],
            sees: vec![see],
            ready: "AsWanted",
            stays: false,
            mixes: true,
        }
    }

    pub(super) fn and(mut self, see: See) -> Self {
        self.sees.push(see);
        self
    }

    /// Another field has to change with it.
    pub(super) fn with(mut self, field: &'static str, value: Value) -> Self {
        self.set.push((field, value));
        self
    }

    /// Ready is False then, for this reason.
    pub(super) fn rests(mut self, reason: &'static str) -> Self {
        self.ready = reason;
        self.alone()
    }

    pub(super) fn stays(mut self) -> Self {
        self.stays = true;
        self.alone()
    }

    /// Others look for what is not there then.
    pub(super) fn alone(mut self) -> Self {
        self.mixes = false;
        self
    }

    pub(super) fn name(&self) -> String {
        let fields = self
            .set
            .iter()
            .map(|(field, value)| format!("{field} = {value}"));
        fields.collect::<Vec<_>>().join(", ")
    }

    pub(super) fn is_settled(&self, status: &ResearchCollectorStatus) -> bool {
        let (is, reason) = condition(status, "Ready");
        reason == self.ready && (is == "True") == (self.ready == "AsWanted")
    }
}

/// A spec with changes.
pub(super) fn changed(spec: &Value, set: &[(&str, Value)]) -> Value {
    let mut spec = spec.clone();
    for (field, value) in set {
        put(&mut spec, field, value.clone());
    }
    spec
}

fn put(at: &mut Value, pointer: &str, value: Value) {
    let pointer = pointer.trim_start_matches('/');
    let (key, rest) = pointer
        .split_once('/')
        .map_or((pointer, None), |(key, rest)| (key, Some(rest)));
    if let (Some(list), Ok(index)) = (at.as_array_mut(), key.parse::<usize>()) {
        if list.len() <= index {
            list.push(json!({}));
        }
        match rest {
            Some(rest) => put(&mut list[index], rest, value),
            None if value.is_null() => drop(list.remove(index)),
            None => list[index] = value,
        }
        return;
    }
    if at.is_null() {
        *at = json!({});
    }
    let Some(object) = at.as_object_mut() else {
        panic!("no field in {at}");
    };
    match rest {
        Some(rest) => put(object.entry(key).or_insert(Value::Null), rest, value),
        None if value.is_null() => drop(object.remove(key)),
        None => drop(object.insert(key.to_owned(), value)),
    }
}

/// Pairs of rows that go together, always the same ones.
pub(super) fn pairs(rows: &[Row], count: usize) -> Vec<[&Row; 2]> {
    let rows: Vec<_> = rows.iter().filter(|row| row.mixes).collect();
    let mut lot = 20_261_126_usize;
    let mut draw = || {
        // Knuth's, which is good enough for lots.
        lot = lot
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        rows[(lot >> 33) % rows.len()]
    };
    let mut pairs = Vec::new();
    while pairs.len() < count {
        let two = [draw(), draw()];
        let fields = |row: &Row| {
            row.set
                .iter()
                .map(|(field, _)| *field)
                .collect::<Vec<&str>>()
        };
        let (first, second) = (fields(two[0]), fields(two[1]));
        let clash = |one: &str| {
            second
                .iter()
                .any(|other| one.starts_with(other) || other.starts_with(one))
        };
        if !first.iter().any(|one| clash(one)) {
            pairs.push(two);
        }
    }
    pairs
}
