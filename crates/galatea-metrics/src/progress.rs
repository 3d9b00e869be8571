//! Who is told of what takes minutes: features that are learnt, or that are costly.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

type Say = Box<dyn Fn(&str) + Send + Sync>;

static SAY: OnceLock<Say> = OnceLock::new();
/// When something was said last, and when what is going on began.
static LAST: Mutex<Option<Instant>> = Mutex::new(None);
/// Time from one word to the next.
const EVERY: Duration = Duration::from_secs(5);

/// Says who is told, once for the whole process; nobody is by default.
pub fn on_progress(say: impl Fn(&str) + Send + Sync + 'static) {
    // The first who listens stays the one.
    let _ = SAY.set(Box::new(say));
}

/// Tells how far something is, if it is time for a word. The first call after a long silence only begins to count, so that what is
/// quick is not told of.
pub fn tell(text: impl FnOnce() -> String) {
    let Some(say) = SAY.get() else { return };
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    match *last {
        Some(at) if at.elapsed() < EVERY => {}
        Some(at) if at.elapsed() < 4 * EVERY => {
            *last = Some(Instant::now());
            say(&text());
        }
        _ => *last = Some(Instant::now()),
    }
}
