//! File actions: where to upload, links to read, removing, copying. The bytes themselves travel by `face::objects`.

pub mod wx;

use query::{Caller, Code, Error, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Call;
use crate::files::links::{Allows, Link};
use crate::files::missing;
use crate::files::names::{check_path, file_id, path_of};
use crate::files::record::FileInfo;

/// Most files that one call may name.
const FILES_MAX: usize = 50;

/// `storage.getUploadMetadata`
pub async fn upload_metadata(call: &Call<'_>) -> Result<Vec<u8>> {
    let UploadLink { url, link, file_id, read } = upload_link(call)?;
    let data = json!({
        "url": url,
        "token": link,
        "authorization": link,
        "fileId": file_id,
        // SDKs send this one back in a header, where only plain letters may stand.
        "cosFileId": link,
        "download_url": read,
    });
    Ok(answered(call, &data))
}

/// Where a file may be uploaded, and by which signed text.
struct UploadLink {
    url: String,
    link: String,
    file_id: String,
    read: String,
}

/// The link for the file that the member `path` names.
fn upload_link(call: &Call<'_>) -> Result<UploadLink> {
    let path = call.members.needed_text("path")?;
    let path = path.strip_prefix('/').unwrap_or(&path);
    check_path(path)?;
    let held = call.app.files.find(call.session.env, path)?;
    may_write(&call.session.caller, path, held.as_ref())?;
    let link = call.app.files.links.make(&Link {
        allows: Allows::Write,
        env: call.session.env,
        path: path.to_owned(),
        owner: owner(&call.session.caller).to_owned(),
        ends_ms: ends(call, call.session.limits.file_upload_s)?,
    });
    let env = env_name(call)?;
    let id = file_id(&env, path);
    let url = format!("{}/files/{env}", call.base_url);
    let read = read_link(call, path, call.session.limits.file_link_s)?;
    Ok(UploadLink { url, link, file_id: id, read })
}

/// `storage.batchGetDownloadUrl`
pub async fn download_urls(call: &Call<'_>) -> Result<Vec<u8>> {
    let list: Vec<Wanted> = items(call, "file_list")?;
    let env = env_name(call)?;
    let answer = |wanted: &Wanted| {
        let made = path_of(&env, &wanted.fileid).and_then(|path| download_url(call, path, wanted.max_age));
        let life = wanted.max_age.unwrap_or(call.session.limits.file_link_s);
        let (code, message, url) = outcome(made);
        json!({
            "code": code, "message": message, "fileid": wanted.fileid, "fileID": wanted.fileid,
            "tempFileURL": url, "download_url": url, "maxAge": life,
        })
    };
    let list: Vec<Value> = list.iter().map(answer).collect();
    Ok(answered(call, &json!({ "download_list": list })))
}

/// `storage.batchDeleteFile`
pub async fn remove(call: &Call<'_>) -> Result<Vec<u8>> {
    let ids: Vec<String> = items(call, "fileid_list")?;
    let env = env_name(call)?;
    let mut list = Vec::with_capacity(ids.len());
    for id in ids {
        let (code, message, _) = outcome(remove_one(call, &env, &id).await);
        list.push(json!({"code": code, "message": message, "fileID": id}));
    }
    Ok(answered(call, &json!({ "delete_list": list })))
}

async fn remove_one(call: &Call<'_>, env: &str, id: &str) -> Result<String> {
    let path = path_of(env, id)?;
    let held = call.app.files.find(call.session.env, path)?.ok_or_else(|| missing(path))?;
    may_write(&call.session.caller, path, Some(&held))?;
    match call.app.files.remove(call.session.env, path).await? {
        true => Ok(String::new()),
        false => Err(missing(path)),
    }
}

/// `storage.batchCopyFile`
pub async fn copy(call: &Call<'_>) -> Result<Vec<u8>> {
    let wishes: Vec<Copying> = items(call, "file_list")?;
    let env = env_name(call)?;
    let mut list = Vec::with_capacity(wishes.len());
    for wish in wishes {
        let (code, message, _) = outcome(copy_one(call, &env, &wish).await);
        let code = if code == "SUCCESS" { "" } else { code };
        list.push(json!({"code": code, "message": message, "fileId": file_id(&env, &wish.dst_path)}));
    }
    Ok(answered(call, &json!({ "copy_list": list })))
}

async fn copy_one(call: &Call<'_>, env: &str, wish: &Copying) -> Result<String> {
    let (files, session) = (&call.app.files, &call.session);
    let plain = |path: &'_ str| path_of(env, path).unwrap_or(path).trim_start_matches('/').to_owned();
    let (from, to) = (plain(&wish.src_path), plain(&wish.dst_path));
    check_path(&to)?;
    let source = files.find(session.env, &from)?.ok_or_else(|| missing(&from))?;
    let held = files.find(session.env, &to)?;
    may_write(&session.caller, &to, held.as_ref())?;
    if wish.remove_original {
        may_write(&session.caller, &from, Some(&source))?;
    }
    if held.is_some() && wish.overwrite == Some(false) {
        return Err(Error::new(Code::BadRequest, format!("{to:?} exists already and `overwrite` is false")));
    }
    let named = FileInfo { path: to, owner: owner(&session.caller).to_owned(), stored_ms: session.now, ..source };
    files.copy(session.env, &from, named).await?;
    if wish.remove_original {
        files.remove(session.env, &from).await?;
    }
    Ok(String::new())
}

/// `storage.getFileAuthority`
pub async fn authority(call: &Call<'_>) -> Result<Vec<u8>> {
    let list: Vec<Asked> = items(call, "fileList")?;
    let env = env_name(call)?;
    let mut answers = Vec::with_capacity(list.len());
    for asked in list {
        let path = path_of(&env, &asked.path).unwrap_or(&asked.path);
        let there = call.app.files.find(call.session.env, path)?.is_some();
        answers.push(json!({"path": asked.path, "cosFileId": file_id(&env, path), "read": there}));
    }
    Ok(answered(call, &Value::Array(answers)))
}

/// A file that a caller wants a link to.
#[derive(Deserialize)]
struct Wanted {
    fileid: String,
    max_age: Option<u64>,
}

#[derive(Deserialize)]
struct Copying {
    src_path: String,
    dst_path: String,
    overwrite: Option<bool>,
    #[serde(default)]
    remove_original: bool,
}

#[derive(Deserialize)]
struct Asked {
    path: String,
}

/// A link to a file that is there.
fn download_url(call: &Call<'_>, path: &str, max_age: Option<u64>) -> Result<String> {
    call.app.files.find(call.session.env, path)?.ok_or_else(|| missing(path))?;
    read_link(call, path, max_age.unwrap_or(call.session.limits.file_link_s))
}

/// The address holds nothing but plain letters: SDKs encode it once more before they call it.
fn read_link(call: &Call<'_>, path: &str, life_s: u64) -> Result<String> {
    let link = call.app.files.links.make(&Link {
        allows: Allows::Read,
        env: call.session.env,
        path: path.to_owned(),
        owner: String::new(),
        ends_ms: ends(call, life_s)?,
    });
    let name: String = path.rsplit('/').next().unwrap_or_default().chars().map(plain_letter).collect();
    Ok(format!("{}/files/link/{link}/{name}", call.base_url))
}

fn plain_letter(letter: char) -> char {
    if letter.is_ascii_alphanumeric() || "-_.".contains(letter) { letter } else { '_' }
}

fn ends(call: &Call<'_>, life_s: u64) -> Result<i64> {
    let most = call.session.limits.file_link_s_max;
    match (1..=most).contains(&life_s) {
        true => Ok(call.session.now.saturating_add_unsigned(life_s.saturating_mul(1000))),
        false => Err(Error::new(Code::InvalidParam, format!("a link lives 1 to {most} seconds, not {life_s}"))),
    }
}

fn owner(caller: &Caller) -> &str {
    match caller {
        Caller::User(user) => &user.openid,
        Caller::Admin | Caller::Guest => "",
    }
}

/// The rule for files until an environment has its own: everybody reads, who stored a file changes it.
fn may_write(caller: &Caller, path: &str, held: Option<&FileInfo>) -> Result<()> {
    let allowed = match (caller, held) {
        (Caller::Admin, _) | (Caller::User(_), None) => true,
        (Caller::User(user), Some(held)) => held.owner == user.openid,
        (Caller::Guest, _) => false,
    };
    match allowed {
        true => Ok(()),
        false => Err(Error::new(Code::FileDenied, format!("only who stored {path:?} may change it"))),
    }
}

fn env_name(call: &Call<'_>) -> Result<String> {
    let name = call.app.tenants.env_name(call.session.env);
    name.ok_or_else(|| Error::new(Code::EnvMissing, "the environment does not exist"))
}

/// The items of a list, at most as many as one call may name.
fn items<T: for<'d> Deserialize<'d>>(call: &Call<'_>, name: &str) -> Result<Vec<T>> {
    let items = call.members.items(name)?;
    if items.is_empty() || items.len() > FILES_MAX {
        let text = format!("`{name}` must name 1 to {FILES_MAX} files, but names {}", items.len());
        return Err(Error::new(Code::InvalidParam, text));
    }
    let read = |item: &&serde_json::value::RawValue| {
        serde_json::from_str(item.get()).map_err(|fault| Error::new(Code::InvalidParam, format!("`{name}`: {fault}")))
    };
    items.iter().map(read).collect()
}

/// Code, message and value of one file in a list.
fn outcome(made: Result<String>) -> (&'static str, String, String) {
    match made {
        Ok(value) => ("SUCCESS", String::new(), value),
        Err(error) => (code_of(&error), error.message, String::new()),
    }
}

const fn code_of(error: &Error) -> &'static str {
    match error.code {
        Code::FileMissing => "STORAGE_FILE_NONEXIST",
        Code::FileDenied | Code::PermissionDenied => "STORAGE_EXCEED_AUTHORITY",
        Code::InvalidParam => "INVALID_PARAM",
        _ => "STORAGE_REQUEST_FAIL",
    }
}

fn answered(call: &Call<'_>, data: &Value) -> Vec<u8> {
    let mut answer = call.answer();
    answer.json("data", &data.to_string());
    answer.finish()
}
