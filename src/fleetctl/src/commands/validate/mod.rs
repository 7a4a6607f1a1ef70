//! `fleetctl validate`: what is wrong with a spec, before anything is done with it.

mod check;
mod locate;

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use anyhow::{Context as _, anyhow};
use fleet_api::Manifest;
use fleet_collector::add_secrets;
use owo_colors::OwoColorize as _;
use serde_json::json;

use self::check::{Check, Finding, Severity};
use crate::cli::validate::{Findings, Validate};
use crate::failure::Failure;
use crate::printer;

pub(crate) fn run(arguments: Validate) -> Result<(), Failure> {
    let Validate {
        files,
        secrets,
        output,
    } = arguments;
    let mut wrong = 0;
    for file in &files {
        let findings = look_at(file, secrets.secrets_dir.as_deref())?;
        let is_wrong = findings
            .iter()
            .any(|found| found.severity == Severity::Error);
        wrong += usize::from(is_wrong);
        let file = printer::visible(&file.display().to_string());
        match output {
            Findings::Json => {
                let object = json!({ "file": file, "ok": !is_wrong, "findings": findings });
                printer::line(&object.to_string())?;
            }
            Findings::Text => print(&file, &findings, is_wrong)?,
        }
    }
    if wrong == 0 {
        return Ok(());
    }
    let error = anyhow!("{wrong} of {} files cannot be used", files.len());
    let hint = "correct the fields named above; `fleetctl crd` prints every field that there is";
    Err(Failure::bad_file(error, hint.to_owned()))
}

fn look_at(file: &Path, secrets_dir: Option<&Path>) -> Result<Vec<Finding>, Failure> {
    let origin = file.display().to_string();
    let is_stdin = origin == "-";
    let text = if is_stdin {
        read_stdin()
    } else {
        fs::read_to_string(file)
    };
    let text = text
        .with_context(|| format!("cannot read {origin}"))
        .map_err(|error| {
            Failure::bad_file(
                error,
                "name a file like docs/examples/soulseek.yaml".to_owned(),
            )
        })?;
    let mut check = Check::new(&text);
    match Manifest::parse(&text, &origin) {
        Ok(mut manifest) => {
            if let Some(dir) = secrets_dir {
                add_secrets(&mut manifest, dir)?;
            }
            check.spec(&manifest);
        }
        Err(error) => check.unreadable(&error, &origin),
    }
    if !is_stdin {
        check.mode(file, &text);
    }
    Ok(check.findings)
}

fn read_stdin() -> io::Result<String> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

/// As compilers write it, so that editors find the line.
fn print(file: &str, findings: &[Finding], is_wrong: bool) -> io::Result<()> {
    for finding in findings {
        let Finding {
            severity,
            path,
            line,
            message,
        } = finding;
        let severity = match severity {
            Severity::Error => "error:".red().bold().to_string(),
            Severity::Warning => "warning:".yellow().bold().to_string(),
        };
        let line = line.map(|line| format!(":{line}")).unwrap_or_default();
        let path = path.as_deref().filter(|path| !path.is_empty());
        let path = path.map(|path| format!("{path}: ")).unwrap_or_default();
        let text = printer::visible(&format!("{path}{message}"));
        printer::line(&format!("{file}{line}: {severity} {text}"))?;
    }
    if is_wrong {
        return Ok(());
    }
    let warnings = match findings.len() {
        0 => String::new(),
        1 => ", with a warning".to_owned(),
        count => format!(", with {count} warnings"),
    };
    printer::line(&format!("{file}: {}{warnings}", "ok".green().bold()))
}
