//! The text in which metrics are served, as far as collectors use it: `OpenMetrics` without exemplars.

use std::collections::BTreeMap;

/// A value with its name and labels.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) value: f64,
}

/// All samples of a page. Comments, and lines that are none of these, are passed over.
pub(super) fn samples(text: &str) -> Vec<Sample> {
    text.lines().filter_map(sample).collect()
}

/// `name{label="value",...} number [time]`
fn sample(line: &str) -> Option<Sample> {
    if line.starts_with('#') {
        return None;
    }
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (BTreeMap::new(), rest),
    };
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample {
        name: name.to_owned(),
        labels,
        value,
    })
}

/// The labels, and what comes after their closing brace.
fn labels(mut rest: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, quoted) = rest.split_once("=\"")?;
        let (value, after) = unquoted(quoted)?;
        labels.insert(name.to_owned(), value);
        rest = after;
    }
}

/// A value up to its closing quotation mark, and what comes after that.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read_and_everything_else_is_passed_over() {
        let text = "# HELP fleet_searches Searches.\n# TYPE fleet_searches counter\n\
                    fleet_searches_total{source=\"parent\",client_id=\"a \\\"b\\\" \\\\ , } c\"} 12\n\
                    fleet_spool_pending 3.5 1700000000\nfleet_empty{} NaN\n\nhalf{a=\"\nno value\n# EOF\n";
        let samples = samples(text);
        assert_eq!(samples.len(), 3);
        assert_eq!(samples[0].name, "fleet_searches_total");
        assert_eq!(samples[0].labels["client_id"], "a \"b\" \\ , } c");
        assert_eq!(samples[0].labels["source"], "parent");
        assert_eq!((samples[0].value, samples[1].value), (12.0, 3.5));
        assert!(samples[2].value.is_nan() && samples[2].labels.is_empty());
    }
}
