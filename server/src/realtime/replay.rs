//! Following one watch along the change log by itself, where it is behind the others.

use query::watch::{Step, Watch};
use query::{Result, Session};
use storage::{Commit, View};

use crate::app::App;

/// Commits are worked on in pieces of about so many bytes.
pub const PIECE_BYTES: usize = 8 << 20;

/// Follows a watch to a moment.
///
/// # Errors
/// As for `Watch::advance`; `Timeout` at the end of the session's time.
pub fn replay(app: &App, session: &Session, view: &View, watch: &mut Watch, mut each: impl FnMut(Step)) -> Result<()> {
    let place = watch.place();
    let mut log = view.changes(watch.at());
    let (mut piece, mut bytes) = (Vec::new(), 0);
    loop {
        session.deadline.tick()?;
        let next = log.next_commit()?;
        let is_end = next.is_none();
        if let Some(commit) = next
            && commit.changes.iter().any(|change| (change.env, change.coll) == place)
        {
            bytes += size(&commit);
            piece.push(commit);
        }
        // A window goes the whole way in one step.
        if is_end || (bytes > PIECE_BYTES && !watch.is_window()) {
            let commits: Vec<&Commit> = piece.iter().collect();
            watch.advance(&app.db, session, view, &commits)?.into_iter().for_each(&mut each);
            piece.clear();
            bytes = 0;
        }
        if is_end {
            return Ok(());
        }
    }
}

/// About how many bytes a commit holds.
pub fn size(commit: &Commit) -> usize {
    let docs = commit.changes.iter().flat_map(|change| [&change.before, &change.after]).flatten();
    64 + docs.map(|doc| doc.as_bytes().len()).sum::<usize>()
}
