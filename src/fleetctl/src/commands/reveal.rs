//! `fleetctl reveal`

use std::io::{self, BufRead};

use fleet_collector::{key, read_spec, scheme};
use fleet_store::Pseudonymizer;
use serde_json::json;

use crate::cli::{Output, Reveal};
use crate::failure::Failure;
use crate::printer;

pub(crate) fn run(arguments: Reveal) -> Result<(), Failure> {
    let Reveal {
        file,
        data,
        secrets,
        pseudonyms,
        output,
    } = arguments;
    let manifest = read_spec(&file, secrets.secrets_dir.as_deref())?;
    let key = match manifest.privacy_key()? {
        Some(key) => key,
        None => key::read(&data.data_dir.join(key::KEY_FILE))?.ok_or_else(|| {
            let error = anyhow::anyhow!("there is no key in {}", data.data_dir.display());
            Failure::bad_file(
                error,
                "name the directory of the data with --data-dir, or the key's Secret in \
                 `spec.privacy.keySecretRef`"
                    .to_owned(),
            )
        })?,
    };
    let mut names = Pseudonymizer::new(scheme(manifest.collector.spec.privacy.username), &key)?;
    let mut csv = csv::Writer::from_writer(io::stdout());
    let mut reveal = |pseudonym: &str| -> Result<(), Failure> {
        let name = names.reveal(pseudonym).map_err(|error| {
            let hint = error.hint().unwrap_or_default();
            Failure::bad_file(
                anyhow::Error::from(error).context(format!("`{pseudonym}`")),
                hint,
            )
        })?;
        match output {
            Output::Table => printer::line(&name)?,
            Output::Json => {
                printer::line(&json!({ "pseudonym": pseudonym, "username": name }).to_string())?;
            }
            Output::Csv => printer::fine_if_closed(
                csv.write_record([pseudonym, &name])
                    .map_err(printer::csv_error),
            )?,
        }
        Ok(())
    };
    if pseudonyms.is_empty() {
        io::stdin()
            .lock()
            .lines()
            .try_for_each(|line| reveal(line?.trim()))
    } else {
        pseudonyms
            .iter()
            .try_for_each(|pseudonym| reveal(pseudonym))
    }
}
