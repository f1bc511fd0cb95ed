use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use process::ProcessError;
use tokio::sync::OnceCell;

/// More than this is forgotten all at once: it can be asked again.
const MOST_ANSWERS: usize = 4096;
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// What git has said already about objects. An object never changes, and so neither does what a
/// command says that names nothing but object ids: a hundred clients that start from the same
/// commit cost one process instead of a hundred.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    answers: HashMap<String, Arc<Cell>>,
    bytes: usize,
    /// The kind of objects that are there.
    kinds: HashMap<String, &'static str>,
}

/// What a command printed; `None` when it said no.
type Cell = OnceCell<Option<Arc<[u8]>>>;

impl Known {
    /// What is known under `key`, or else what `ask` finds out: once, however many want to know.
    pub(super) async fn answer(
        &self,
        key: String,
        ask: impl Future<Output = Result<Option<Vec<u8>>, ProcessError>>,
    ) -> Result<Option<Arc<[u8]>>, ProcessError> {
        let cell = Arc::clone(self.lock().answers.entry(key).or_default());
        let known = cell.initialized();
        let answer = cell
            .get_or_try_init(async || Ok(ask.await?.map(Arc::from)))
            .await?
            .clone();
        if !known {
            let mut inner = self.lock();
            inner.bytes += answer.as_ref().map_or(0, |bytes| bytes.len());
            if inner.bytes > MOST_BYTES || inner.answers.len() > MOST_ANSWERS {
                *inner = Inner::default();
            }
        }
        Ok(answer)
    }

    /// Remembers that there is such an object.
    pub(super) fn add(&self, id: &str, kind: &'static str) {
        self.lock().kinds.insert(id.to_owned(), kind);
    }

    /// Whether an object of that kind is known to be there.
    pub(super) fn has(&self, id: &str, kind: &str) -> bool {
        self.lock()
            .kinds
            .get(id)
            .is_some_and(|known| *known == kind)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn it_is_asked_once_and_not_remembered_when_it_fails() {
        let (known, asked) = (Known::default(), AtomicU32::new(0));
        let ask = async |fails: bool| {
            asked.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            match fails {
                true => Err(ProcessError::Cancelled {
                    command: "git".to_owned(),
                }),
                false => Ok(Some(b"x".to_vec())),
            }
        };
        assert!(known.answer("a".to_owned(), ask(true)).await.is_err());
        let (one, two) = tokio::join!(
            known.answer("a".to_owned(), ask(false)),
            known.answer("a".to_owned(), ask(false))
        );
        assert_eq!(one.unwrap().as_deref(), Some(&b"x"[..]));
        assert_eq!(two.unwrap().as_deref(), Some(&b"x"[..]));
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }
}
