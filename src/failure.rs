//! Why a verb did not succeed, and the exit code for it.

use std::process::ExitCode;

use serde_json::json;

/// A verb that did not succeed.
#[derive(Debug)]
pub enum Failure {
    /// The server refused, or a check found a fault.
    Refused {
        /// The error's code.
        code: String,
        /// What was expected, what came, what to do.
        message: String,
    },
    /// It could not even be tried.
    CouldNot(String),
}

/// Result of every verb.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// A refusal of the command line's own.
    pub fn refused(code: &str, message: impl Into<String>) -> Failure {
        Failure::Refused { code: code.to_owned(), message: message.into() }
    }

    /// Tells about it on standard error and answers the exit code.
    pub fn report(&self, as_json: bool) -> ExitCode {
        let (code, message, exit) = match self {
            Failure::Refused { code, message } => (code.as_str(), message, 1),
            Failure::CouldNot(message) => ("COULD_NOT_RUN", message, 2),
        };
        match as_json {
            true => eprintln!("{}", json!({"error": {"code": code, "message": message}})),
            false => eprintln!("error {code}: {message}"),
        }
        ExitCode::from(exit)
    }
}

impl From<std::io::Error> for Failure {
    fn from(fault: std::io::Error) -> Failure {
        Failure::CouldNot(fault.to_string())
    }
}

impl From<query::Error> for Failure {
    fn from(error: query::Error) -> Failure {
        let cause = error.cause.map(|cause| format!(" ({cause})")).unwrap_or_default();
        Failure::CouldNot(format!("{}{cause}", error.message))
    }
}

impl From<storage::Error> for Failure {
    fn from(error: storage::Error) -> Failure {
        Failure::CouldNot(error.to_string())
    }
}
