//! On which line of a YAML file a field stands.
//!
//! The reader of YAML does not keep the places of values. But an error that is made while a value is read is told with
//! its place: so the document is read down to the field, and there an error is made.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

#[derive(Deserialize)]
struct Head {
    kind: Option<String>,
}

/// The line of the field, from 1, in a document of this kind. A field that is not there stands where the one does that
/// should hold it.
pub(super) fn line(text: &str, kind: &str, path: &str) -> Option<usize> {
    let parts = path.split(['.', '[', ']']);
    let steps: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    let documents = || serde_yaml::Deserializer::from_str(text);
    // One that cannot be read is the last: what comes after it is the same error for ever.
    let heads = documents().map_while(|head| Option::<Head>::deserialize(head).ok());
    let is_kind = |head: Option<Head>| head.is_some_and(|head| head.kind.as_deref() == Some(kind));
    let of_kind = heads.zip(documents());
    let of_kind = of_kind.filter_map(|(head, document)| is_kind(head).then_some(document));
    let lines = of_kind.filter_map(|document| {
        let mut found = 0;
        let walk = Walk {
            steps: &steps,
            found: &mut found,
        };
        let line = walk.deserialize(document).err()?.location()?.line();
        Some((found, line))
    });
    // Of several Secrets the one that has most of the path.
    lines.max_by_key(|(found, _)| *found).map(|(_, line)| line)
}

/// Reads on to the first of the steps, and counts those that it finds.
struct Walk<'s> {
    steps: &'s [&'s str],
    found: &'s mut usize,
}

impl Walk<'_> {
    fn next(&mut self) -> Walk<'_> {
        *self.found += 1;
        Walk {
            steps: self.steps.get(1..).unwrap_or_default(),
            found: self.found,
        }
    }
}

/// The error that is made at the field.
fn here<E: Error>() -> E {
    E::custom("here")
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// A single value is of the wrong type for this visitor, which is an error where it should be.
impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the way to a field")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let Some(&step) = self.steps.first() else {
            return Err(here());
        };
        while let Some(key) = map.next_key::<String>()? {
            if key == step {
                return map.next_value_seed(self.next());
            }
            map.next_value::<IgnoredAny>()?;
        }
        Err(here())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        let Some(index) = self.steps.first().and_then(|step| step.parse().ok()) else {
            return Err(here());
        };
        for _ in 0..index {
            if items.next_element::<IgnoredAny>()?.is_none() {
                return Err(here());
            }
        }
        items.next_element_seed(self.next())?.ok_or_else(here)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# A comment.
kind: Secret
metadata: { name: account }
stringData:
  username: anna
---
kind: ResearchCollector
metadata:
  name: study
spec:
  regions:
    - name: one
      listen: { port: 1 }
    - { name: two,
        location: ash }
";

    #[test]
    fn fields_are_found_in_block_and_flow_style_in_their_document() {
        let line = |path| line(TEXT, "ResearchCollector", path);
        assert_eq!(line("metadata.name"), Some(9));
        assert_eq!(line("spec.regions[0].name"), Some(12));
        assert_eq!(line("spec.regions[0].listen.port"), Some(13));
        assert_eq!(line("spec.regions[1].location"), Some(15));
        // What is missing stands where it should be.
        assert_eq!(line("spec.regions[1].listen.port"), Some(14));
        assert_eq!(line("spec.regions[7].name"), Some(12));
        assert_eq!(super::line(TEXT, "Secret", "stringData.username"), Some(5));
        assert_eq!(super::line(TEXT, "Deployment", "spec"), None);
        assert_eq!(super::line("no: [yaml", "Secret", "spec"), None);
    }
}
