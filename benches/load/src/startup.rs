//! How long WaferDB takes from being started to its first answer on a folder that holds data, and what it needs idle.

use crate::data::{Kind, operation};
use crate::process::disk_bytes;
use crate::server::{Programs, make_waferdb_indexes, start_waferdb};
use crate::target::Result;
use std::path::Path;
use std::time::{Duration, Instant};

const STARTS: usize = 5;
const BATCH: u64 = 1000;
const IDLE: Duration = Duration::from_secs(2);

pub async fn run(programs: &Programs, folder: &Path, documents: u64) -> Result<()> {
    let program = programs.waferdb.as_deref().ok_or("--waferdb is needed")?;
    let data = folder.join("startup");
    let _ = std::fs::remove_dir_all(&data); // an earlier run's
    std::fs::create_dir_all(&data)?;
    let (process, target) = start_waferdb(program, &data).await?;
    tokio::time::sleep(IDLE).await;
    println!("idle memory, empty: {} MB", process.memory_bytes() / 1_000_000);
    make_waferdb_indexes(program, &target).await?;
    let mut client = target.connect().await?;
    for first in (0..documents).step_by(BATCH as usize) {
        let list: Vec<_> = (first..documents.min(first + BATCH)).map(crate::data::document).collect();
        client.load("posts", &list).await?;
    }
    process.stop()?;
    println!("{documents} documents, {} MB on disk", disk_bytes(&data) / 1_000_000);
    for _ in 0..STARTS {
        let began = Instant::now();
        let (process, target) = start_waferdb(program, &data).await?;
        let mut client = target.connect().await?;
        let outcome = client.run(&operation(Kind::Get, 1, documents, 0)).await?;
        let first_answer = began.elapsed();
        tokio::time::sleep(IDLE).await;
        println!(
            "first answer ({} row) after {} ms; idle memory {} MB",
            outcome.rows,
            first_answer.as_millis(),
            process.memory_bytes() / 1_000_000
        );
        process.stop()?;
    }
    std::fs::remove_dir_all(&data)?;
    Ok(())
}
