//! Questions to a person. Where nobody can answer, the option that answers them is named.

use std::io::{self, IsTerminal, Write};

use crate::failure::Failure;

/// Asks for yes or no; anything but yes ends the program.
pub(crate) fn confirm(question: &str) -> Result<(), Failure> {
    let answer = ask(&format!("{question} [y/N]"))?;
    if ["y", "yes"].contains(&answer.to_lowercase().as_str()) {
        Ok(())
    } else {
        Err(declined())
    }
}

/// Asks for a name, so that nobody deletes something by a habit of typing yes.
pub(crate) fn name(question: &str, name: &str) -> Result<(), Failure> {
    if ask(question)? == name {
        Ok(())
    } else {
        Err(declined())
    }
}

fn ask(question: &str) -> Result<String, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::wrong_command_line(
            anyhow::anyhow!("nobody is there to be asked: standard input is no terminal"),
            "--yes does it without asking",
        ));
    }
    let mut out = anstream::stderr();
    write!(out, "{question}: ")?;
    out.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer.trim().to_owned())
}

fn declined() -> Failure {
    Failure::with_hint(
        anyhow::anyhow!("nothing was changed"),
        "it was not confirmed",
    )
}
