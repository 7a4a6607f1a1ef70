//! Reading a request's body: everything that is wrong with it is said at once. Unknown fields are ignored.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::errors::ApiError;
use super::labels::{Labels, check_labels};

/// What can stand in a field.
pub(crate) trait Field: Sized {
    /// Completes "has to be ...".
    const EXPECTED: &'static str;
    fn read(value: &Value) -> Option<Self>;
}

impl Field for String {
    const EXPECTED: &'static str = "a string";
    fn read(value: &Value) -> Option<Self> {
        value.as_str().map(ToOwned::to_owned)
    }
}

impl Field for bool {
    const EXPECTED: &'static str = "a boolean";
    fn read(value: &Value) -> Option<Self> {
        value.as_bool()
    }
}

impl Field for i64 {
    const EXPECTED: &'static str = "an integer";
    fn read(value: &Value) -> Option<Self> {
        value.as_i64()
    }
}

impl<T: Field> Field for Vec<T> {
    const EXPECTED: &'static str = "an array, each item of the right type";
    fn read(value: &Value) -> Option<Self> {
        value.as_array()?.iter().map(T::read).collect()
    }
}

/// An identifier or a name: a number, a number in a string, or any other string.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct IdOrName(pub(crate) String);

impl Field for IdOrName {
    const EXPECTED: &'static str = "an ID or a name";
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) if !text.is_empty() => Some(Self(text.clone())),
            Value::Number(number) => number.as_i64().map(|id| Self(id.to_string())),
            _ => None,
        }
    }
}

impl IdOrName {
    pub(crate) fn names(&self, id: i64, name: &str) -> bool {
        self.0 == name || self.0.parse() == Ok(id)
    }
}

/// The fields of an object, and what was found to be wrong with them.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    object: Map<String, Value>,
    /// Where the object stands in the body, with the dot.
    path: String,
    wrong: Vec<(String, String)>,
}

impl Fields {
    /// A body without a byte is an empty object.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let object = if body.is_empty() {
            Map::new()
        } else {
            serde_json::from_slice(body).map_err(|error| {
                ApiError::new(
                    "json_error",
                    format!("the body is not a JSON object: {error}"),
                )
            })?
        };
        Ok(Self {
            object,
            ..Self::default()
        })
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    /// Whether there is a text that can be looked at more closely.
    pub(crate) fn has_text(&self, name: &str) -> bool {
        self.object.get(name).is_some_and(Value::is_string)
    }

    /// The field, or its default where it is missing, which is wrong then.
    pub(crate) fn required<T: Field + Default>(&mut self, name: &str) -> T {
        if self.object.get(name).is_none_or(Value::is_null) {
            self.wrong(name, "Missing data for required field.");
        }
        self.optional(name).unwrap_or_default()
    }

    /// The field; `null` is as good as nothing.
    pub(crate) fn optional<T: Field>(&mut self, name: &str) -> Option<T> {
        let value = self.object.get(name).filter(|value| !value.is_null())?;
        let read = T::read(value);
        if read.is_none() {
            self.wrong(name, format!("has to be {}", T::EXPECTED));
        }
        read
    }

    /// A field with one of these values.
    pub(crate) fn choice(&mut self, name: &str, choices: &[&str]) -> String {
        let value: String = self.required(name);
        if !value.is_empty() && !choices.contains(&value.as_str()) {
            self.wrong(name, format!("has to be one of {}", choices.join(", ")));
        }
        value
    }

    /// A name of this length.
    pub(crate) fn name(&mut self, longest: usize) -> String {
        let name: String = self.required("name");
        if self.has_text("name") {
            self.check_length("name", &name, longest);
        }
        name
    }

    pub(crate) fn check_length(&mut self, field: &str, text: &str, longest: usize) {
        if text.is_empty() || text.chars().count() > longest {
            self.wrong(field, format!("has to have 1 to {longest} characters"));
        }
    }

    /// The labels, if there are some and they are valid.
    pub(crate) fn labels(&mut self) -> Option<Labels> {
        let value = self.object.get("labels").filter(|value| !value.is_null())?;
        let Ok(labels) = serde_json::from_value::<BTreeMap<String, String>>(value.clone()) else {
            self.wrong("labels", "has to be an object with strings");
            return None;
        };
        if let Err(message) = check_labels(&labels) {
            self.wrong("labels", message);
        }
        Some(labels)
    }

    /// The fields of an object in a field.
    pub(crate) fn nested<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> T) -> Option<T> {
        let value = self
            .object
            .get(name)
            .filter(|value| !value.is_null())?
            .clone();
        self.read_object(name, value, read)
    }

    /// The same for each of the objects in an array.
    pub(crate) fn each<T>(&mut self, name: &str, mut read: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let Some(value) = self
            .object
            .get(name)
            .filter(|value| !value.is_null())
            .cloned()
        else {
            return Vec::new();
        };
        let Value::Array(items) = value else {
            self.wrong(name, "has to be an array");
            return Vec::new();
        };
        let items = items.into_iter().enumerate();
        items
            .filter_map(|(index, item)| {
                self.read_object(&format!("{name}.{index}"), item, &mut read)
            })
            .collect()
    }

    fn read_object<T>(
        &mut self,
        name: &str,
        value: Value,
        read: impl FnOnce(&mut Self) -> T,
    ) -> Option<T> {
        let Value::Object(object) = value else {
            self.wrong(name, "has to be an object");
            return None;
        };
        let path = format!("{}{name}.", self.path);
        let mut inner = Self {
            object,
            path,
            wrong: Vec::new(),
        };
        let read = read(&mut inner);
        self.wrong.append(&mut inner.wrong);
        Some(read)
    }

    /// Says that there is something wrong with a field.
    pub(crate) fn wrong(&mut self, name: &str, message: impl Into<String>) {
        self.wrong
            .push((format!("{}{name}", self.path), message.into()));
    }

    /// An error if anything was wrong.
    pub(crate) fn finish(&self) -> Result<(), ApiError> {
        if self.wrong.is_empty() {
            Ok(())
        } else {
            Err(ApiError::fields(&self.wrong))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: &Value) -> Fields {
        Fields::parse(value.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn says_everything_that_is_wrong_at_once() {
        let mut fields = fields(&json!({"size": "big", "rules": [{"port": 80}, 7], "other": 1}));
        let _: String = fields.required("name");
        let _: i64 = fields.required("size");
        fields.each("rules", |rule| rule.optional::<String>("port"));
        let error = fields.finish().unwrap_err();
        let names: Vec<_> = error.details["fields"]
            .as_array()
            .unwrap()
            .iter()
            .map(|field| field["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["name", "size", "rules.0.port", "rules.1"]);
        assert_eq!(error.status, 422);
    }

    #[test]
    fn a_body_that_is_not_an_object_is_an_error_of_its_own() {
        for body in ["{", "[]", "7"] {
            assert_eq!(
                Fields::parse(body.as_bytes()).unwrap_err().code,
                "json_error"
            );
        }
        assert!(Fields::parse(b"").is_ok());
    }

    #[test]
    fn an_id_comes_as_number_or_text() {
        for value in [json!(22), json!("22"), json!("cpx11")] {
            assert!(
                IdOrName::read(&value).unwrap().names(22, "cpx11"),
                "{value}"
            );
        }
        for value in [json!(""), json!(1.5), json!(null), json!([1])] {
            assert_eq!(IdOrName::read(&value), None, "{value}");
        }
    }
}
