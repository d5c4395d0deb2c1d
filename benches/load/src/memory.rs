//! What WaferDB's memory does while pipelines go over many documents: the peak of each above what the server held before.

use crate::data::mix;
use crate::process::Process;
use crate::server::{Programs, admin, start_waferdb};
use crate::target::{self, Gateway, Result, Target};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;

const BATCH: u64 = 2000;
/// Documents of the collection that is looked up in, as a share of all.
const USERS_SHARE: u64 = 10;
/// What one blocking stage may hold, in bytes (the limit `stage_bytes_max`).
const STAGE_BYTES: u64 = 100 << 20;
/// What may come on top for each stage: room of vectors that grow, buffers of temporary files, what the allocator keeps.
const SLACK_BYTES: u64 = 60 << 20;

/// A pipeline, how many of its stages hold documents, and the code of its refusal if it must be refused.
struct Question {
    title: &'static str,
    collection: &'static str,
    stages: Vec<Value>,
    blocking: u64,
    refused: Option<&'static str>,
}

/// Loads, asks, prints a table; a fault where a peak is above what the stages may hold.
pub async fn run(programs: &Programs, folder: &Path, documents: u64) -> Result<()> {
    let program = programs.waferdb.as_deref().ok_or("--waferdb is needed")?;
    let data = folder.join("memory");
    let _ = std::fs::remove_dir_all(&data); // an earlier run's
    std::fs::create_dir_all(&data)?;
    let (process, target) = start_waferdb(program, &data).await?;
    load(&target, documents).await?;
    let env = target::credentials().env;
    admin(program, &target, &["env", "limits", &env, "deadline_ms=3600000"])?;
    admin(program, &target, &["index", "create", "--env", &env, "--collection", "posts", "indexed"])?;
    process.stop()?;
    let (process, target) = start_waferdb(program, &data).await?;
    println!("| pipeline over {documents} documents | rows | seconds | peak | above what was held before | may be |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    let mut too_much = Vec::new();
    ask(&target, &warm()).await?;
    for question in questions(documents) {
        let before = process.resident_bytes()?; // caches, and what the allocator keeps for the next time
        let peak = measured(&process, &target, &question, before).await?;
        if peak > before + question.blocking * (STAGE_BYTES + SLACK_BYTES) {
            too_much.push(question.title);
        }
    }
    process.stop()?;
    std::fs::remove_dir_all(&data)?;
    if too_much.is_empty() { Ok(()) } else { Err(format!("too much memory: {}", too_much.join(", ")).into()) }
}

async fn load(target: &Target, documents: u64) -> Result<()> {
    target::prepare(target).await?;
    let mut client = target.connect().await?;
    let began = Instant::now();
    for first in (0..documents).step_by(BATCH as usize) {
        let list: Vec<Value> = (first..documents.min(first + BATCH)).map(|index| document(index, documents)).collect();
        client.load("posts", &list).await?;
    }
    let users = documents / USERS_SHARE;
    for first in (0..users).step_by(BATCH as usize) {
        let list: Vec<Value> = (first..users.min(first + BATCH))
            .map(|user| json!({ "_id": user.to_string(), "level": user % 10 }))
            .collect();
        client.load("users", &list).await?;
    }
    eprintln!("{documents} documents and {users} to look up loaded in {:.0} s", began.elapsed().as_secs_f64());
    Ok(())
}

/// `key` is different in every document, `indexed` too; `group` is one of a thousand.
fn document(index: u64, documents: u64) -> Value {
    json!({
        "_id": format!("{index:012}"),
        "key": mix(1, index) as i64 >> 11,
        "indexed": index,
        "group": mix(2, index) % 1000,
        "value": mix(3, index) % 1_000_000,
        "user": (mix(4, index) % (documents / USERS_SHARE).max(1)).to_string(),
    })
}

fn warm() -> Question {
    let stages = vec![json!({ "$group": { "_id": "$group", "n": { "$sum": "$value" } } }), json!({ "$count": "n" })];
    Question { title: "groups of a thousand", collection: "posts", stages, blocking: 1, refused: None }
}

fn questions(documents: u64) -> Vec<Question> {
    let total = json!({ "$count": "n" });
    let ends = json!({ "$group": { "_id": null, "first": { "$first": "$key" }, "last": { "$last": "$key" } } });
    let plain = |title, stages, blocking| Question { title, collection: "posts", stages, blocking, refused: None };
    vec![
        warm(),
        plain(
            "groups of one document",
            vec![json!({ "$group": { "_id": "$key", "n": { "$sum": 1 } } }), total.clone()],
            1,
        ),
        plain(
            "groups along an index",
            vec![json!({ "$group": { "_id": "$indexed", "n": { "$sum": 1 } } }), total.clone()],
            1,
        ),
        plain("sort", vec![json!({ "$sort": { "key": 1 } }), ends.clone()], 2),
        plain("sort, first 100", vec![json!({ "$sort": { "value": 1, "key": 1 } }), json!({ "$limit": 100 })], 1),
        plain(
            "lookup by key",
            vec![
                json!({ "$lookup": { "from": "users", "localField": "user", "foreignField": "_id", "as": "user" } }),
                json!({ "$unwind": "$user" }),
                json!({ "$group": { "_id": "$user.level", "n": { "$sum": 1 } } }),
            ],
            2,
        ),
        plain(
            "lookup of 1000 in all, without an index",
            vec![
                json!({ "$limit": 1000 }),
                json!({ "$lookup": { "from": "posts", "localField": "key", "foreignField": "key", "as": "same" } }),
                json!({ "$unwind": "$same" }),
                total.clone(),
            ],
            2,
        ),
        plain(
            "window over partitions",
            vec![
                json!({ "$setWindowFields": { "partitionBy": "$group", "sortBy": { "value": 1 },
                    "output": { "rank": { "$documentNumber": {} } } } }),
                json!({ "$group": { "_id": null, "most": { "$max": "$rank" } } }),
            ],
            3,
        ),
        plain("buckets", vec![json!({ "$bucketAuto": { "groupBy": "$key", "buckets": 10 } })], 2),
        Question {
            title: "everything in one array",
            collection: "posts",
            stages: vec![
                json!({ "$limit": documents }),
                json!({ "$group": { "_id": null, "all": { "$push": "$$ROOT" } } }),
            ],
            blocking: 1,
            refused: Some("\"code\":"),
        },
    ]
}

/// Asks, and says what the peak of memory was meanwhile, in bytes.
async fn measured(process: &Process, target: &Target, question: &Question, before: u64) -> Result<u64> {
    process.forget_peak()?;
    let began = Instant::now();
    let outcome = ask(target, question).await;
    let took = began.elapsed().as_secs_f64();
    let rows = match (outcome, question.refused) {
        (Ok(rows), None) => rows.to_string(),
        (Err(fault), Some(code)) if fault.to_string().contains(code) => "refused".to_owned(),
        (Ok(_), Some(_)) => return Err(format!("{} is not refused", question.title).into()),
        (Err(fault), _) => return Err(format!("{}: {fault}", question.title).into()),
    };
    let peak = process.peak_bytes()?;
    let megabytes = |bytes: u64| format!("{} MB", bytes >> 20);
    println!(
        "| {} | {rows} | {took:.1} | {} | {} | {} |",
        question.title,
        megabytes(peak),
        megabytes(peak.saturating_sub(before)),
        megabytes(question.blocking * (STAGE_BYTES + SLACK_BYTES)),
    );
    Ok(peak)
}

async fn ask(target: &Target, question: &Question) -> Result<usize> {
    let Target::Wafer { address } = target else { return Err("not WaferDB".into()) };
    let answer = Gateway::connect(address).await?.aggregate(question.collection, &question.stages).await?;
    let list = answer["data"]["list"].as_array().map(Vec::len);
    list.ok_or_else(|| format!("no list: {answer}").into())
}
