//! File calls of `wx.cloud`: the same files and links as for every other dialect, under names of their own.

use query::Result;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{download_url, env_name, items, outcome, remove_one, upload_link};
use crate::action::Call;
use crate::files::names::path_of;

/// `tcbapi_cos_uploadfile`
pub async fn upload(call: &Call<'_>) -> Result<Vec<u8>> {
    let upload = upload_link(call)?;
    let mut answer = call.answer();
    answer.text("url", &upload.url);
    answer.text("authorization", &upload.link);
    answer.text("token", &upload.link);
    answer.text("cos_file_id", &upload.link);
    answer.text("file_id", &upload.file_id);
    Ok(answer.finish())
}

/// `tcbapi_downloadfile`
pub async fn download(call: &Call<'_>) -> Result<Vec<u8>> {
    let env = env_name(call)?;
    let id = call.members.needed_text("fileid")?;
    let url = download_url(call, path_of(&env, &id)?, None)?;
    let mut answer = call.answer();
    answer.text("download_url", &url);
    Ok(answer.finish())
}

/// `tcbapi_gettempfileurl`
pub async fn links(call: &Call<'_>) -> Result<Vec<u8>> {
    #[derive(Deserialize)]
    struct Wanted {
        fileid: String,
        max_age: Option<u64>,
    }
    let list: Vec<Wanted> = items(call, "file_list")?;
    let env = env_name(call)?;
    let shown = |wanted: &Wanted| {
        let made = path_of(&env, &wanted.fileid).and_then(|path| download_url(call, path, wanted.max_age));
        let (code, message, url) = outcome(made);
        let life = wanted.max_age.unwrap_or(call.session.limits.file_link_s);
        let (status, message) = told(code, &message);
        json!({
            "fileid": wanted.fileid, "download_url": url, "max_age": life, "status": status, "errmsg": message,
        })
    };
    Ok(list_of(call, "download_list", list.iter().map(shown).collect()))
}

/// `tcbapi_deletefile`
pub async fn remove(call: &Call<'_>) -> Result<Vec<u8>> {
    let ids: Vec<String> = items(call, "fileid_list")?;
    let env = env_name(call)?;
    let mut list = Vec::with_capacity(ids.len());
    for id in ids {
        let (code, message, _) = outcome(remove_one(call, &env, &id).await);
        let (status, message) = told(code, &message);
        list.push(json!({"fileid": id, "status": status, "errmsg": message}));
    }
    Ok(list_of(call, "delete_list", list))
}

/// A file's outcome as `wx.cloud` numbers it.
fn told<'m>(code: &str, message: &'m str) -> (i32, &'m str) {
    match code {
        "SUCCESS" => (0, "ok"),
        "STORAGE_FILE_NONEXIST" => (-503_003, message),
        "STORAGE_EXCEED_AUTHORITY" => (-503_002, message),
        _ => (-503_001, message),
    }
}

fn list_of(call: &Call<'_>, name: &str, list: Vec<Value>) -> Vec<u8> {
    let mut answer = call.answer();
    answer.json(name, &Value::Array(list).to_string());
    answer.finish()
}
