//! A report as one HTML file: nothing is loaded, nothing needs a script, plots are SVG inside.

mod figures;
mod plot;
mod timeline;
mod view;
mod words;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value, context};
use sha2::{Digest as _, Sha256};

use super::range::Report;

/// Names that end in `.html` are escaped.
const TEMPLATE: (&str, &str) = ("page.html", include_str!("page.html.j2"));
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page could not be made: a mistake in the template.
#[derive(Debug, thiserror::Error)]
#[error("failed to fill in the page's template")]
pub struct PageError(#[from] minijinja::Error);

/// Writes a report as one HTML file.
pub fn page(report: &Report) -> Result<String, PageError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let mut syntax = SyntaxConfig::builder();
    environment.set_syntax(syntax.trim_blocks(true).lstrip_blocks(true).build()?);
    environment.add_template(TEMPLATE.0, TEMPLATE.1)?;
    let view = view::view(report);
    let page = environment.get_template(TEMPLATE.0)?.render(context! {
        view => Value::from(Serde(&view)),
        style => Value::from_safe_string(STYLE.to_owned()),
        script => Value::from_safe_string(SCRIPT.to_owned()),
        // Whatever else might get into the page: only this script runs.
        script_hash => STANDARD.encode(Sha256::digest(SCRIPT)),
    })?;
    Ok(page)
}
