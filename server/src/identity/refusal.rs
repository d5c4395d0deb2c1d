//! Why a login, a token or a change of an account is refused, and how each dialect says so.

use query::{Code, Error};

/// A refusal.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub why: Why,
    /// In words: what was expected, and what to do.
    pub message: String,
}

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The request is malformed.
    Malformed,
    /// Nobody is signed in.
    SignedOut,
    /// Name and password do not belong together.
    Password,
    /// The refresh token is none of ours, or was used or revoked.
    Refresh,
    /// The refresh token's time is over.
    RefreshOver,
    /// The ticket does not verify.
    Ticket,
    /// The name is somebody else's.
    Taken,
    /// There is no such user.
    NoUser,
    /// The environment does not offer it.
    NotOffered,
    /// It is the server's fault.
    Fault(Code),
}

/// A refusal as a dialect writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// The code on `/web`.
    pub web: &'static str,
    /// The name on `/auth`.
    pub auth: &'static str,
    /// The number on `/auth`: SDKs act on some of them.
    pub number: u32,
    /// The status on `/auth`.
    pub status: u16,
}

impl Refused {
    /// A refusal.
    pub fn new(why: Why, message: impl Into<String>) -> Refused {
        Refused { why, message: message.into() }
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Refused {
        let why = match error.code {
            Code::InvalidParam | Code::EnvMissing => Why::Malformed,
            Code::Unauthenticated => Why::SignedOut,
            code => Why::Fault(code),
        };
        Refused { why, message: error.message }
    }
}

impl Why {
    /// How it is said.
    pub const fn said(self) -> Said {
        let (web, auth, number, status) = match self {
            Why::Malformed => ("INVALID_PARAM", "invalid_argument", 3, 400),
            Why::SignedOut => ("CHECK_LOGIN_FAILED", "unauthenticated", 16, 401),
            Why::Password => ("INVALID_USERNAME_OR_PASSWORD", "invalid_username_or_password", 3, 400),
            Why::Refresh => ("INVALID_REFRESH_TOKEN", "invalid_grant", 3, 400),
            Why::RefreshOver => ("REFRESH_TOKEN_EXPIRED", "invalid_grant", 3, 400),
            Why::Ticket => ("INVALID_CUSTOM_LOGIN_TICKET", "invalid_argument", 3, 400),
            Why::Taken => ("USERNAME_EXIST", "already_exists", 6, 409),
            Why::NoUser => ("USER_NOT_EXIST", "user_not_found", 5, 404),
            Why::NotOffered => ("INVALID_ACTION", "unimplemented", 12, 501),
            Why::Fault(Code::Cancelled | Code::Timeout) => ("SYS_ERR", "unavailable", 14, 503),
            Why::Fault(_) => ("SYS_ERR", "internal", 13, 500),
        };
        Said { web, auth, number, status }
    }
}
