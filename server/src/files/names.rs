//! Names of files: paths inside an environment, and the `cloud://` ids made of them.

use query::{Code, Error, Result};

/// Longest path, in bytes of its percent-encoded form, as the original has it.
const PATH_BYTES_MAX: usize = 850;

/// Checks a path that a caller gives to a file.
///
/// # Errors
/// `InvalidParam` with the rule that it breaks.
pub fn check_path(path: &str) -> Result<()> {
    let encoded = path.bytes().map(|byte| if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) { 1 } else { 3 });
    let fault = match path {
        "" => "is empty",
        _ if path.starts_with('/') => "begins with '/'",
        _ if path.ends_with('/') => "ends with '/'",
        _ if path.contains("//") => "has an empty part ('//')",
        _ if path.split('/').any(|part| part == "." || part == "..") => "has a part '.' or '..'",
        _ if path.chars().any(char::is_control) => "has a control character in it",
        _ if encoded.sum::<usize>() > PATH_BYTES_MAX => "is longer than 850 bytes when encoded",
        _ => return Ok(()),
    };
    Err(Error::new(Code::InvalidParam, format!("the path of a file {fault}: {path:?}")))
}

/// The bucket of an environment, as the original forms it.
pub fn bucket(env: &str) -> String {
    let letters: String = env.bytes().take(2).map(|byte| format!("{byte:02x}")).collect();
    format!("{letters}-{env}-1250000000")
}

/// The id of a file.
pub fn file_id(env: &str, path: &str) -> String {
    format!("cloud://{env}.{}/{path}", bucket(env))
}

/// The path that an id of this environment names; an id of another one, or another text, names nothing here.
///
/// # Errors
/// `InvalidParam` with what was expected.
pub fn path_of<'i>(env: &str, id: &'i str) -> Result<&'i str> {
    let wrong = |what: &str| Error::new(Code::InvalidParam, format!("{id:?} is no file of this environment: {what}"));
    let rest = id.strip_prefix("cloud://").ok_or_else(|| wrong("an id begins with 'cloud://'"))?;
    let (place, path) = rest.split_once('/').ok_or_else(|| wrong("an id has a path behind its bucket"))?;
    match place.split('.').next() == Some(env) && !path.is_empty() {
        true => Ok(path),
        false => Err(wrong(&format!("its ids begin with 'cloud://{env}.'"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_plain() {
        for path in ["a.txt", "dir/hé llo.txt", "图片/一.png", "a%20b", "a..b/...c", "con?x#y"] {
            assert!(check_path(path).is_ok(), "{path:?}");
        }
        let long = "图".repeat(95);
        for path in ["", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", "a\0b", "a\nb", "a\u{7f}", &long] {
            assert!(check_path(path).is_err_and(|error| error.code == Code::InvalidParam), "{path:?}");
        }
    }

    #[test]
    fn ids_name_their_environment() {
        assert_eq!(file_id("env1", "a/b"), "cloud://env1.656e-env1-1250000000/a/b");
        assert_eq!(path_of("env1", "cloud://env1.656e-env1-1250000000/a/b").ok(), Some("a/b"));
        for id in ["cloud://env2.x/a", "cloud://env1.x", "cloud://env1.x/", "http://env1.x/a", "cloud://env11.x/a", ""]
        {
            assert!(path_of("env1", id).is_err(), "{id:?}");
        }
    }
}
