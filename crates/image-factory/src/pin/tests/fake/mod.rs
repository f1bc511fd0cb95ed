mod forge;
mod people;
mod state;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use github::GithubError;

pub(super) use state::{State, comment};

type Files = BTreeMap<String, Vec<u8>>;

/// A forge in memory. Every call lets others go first for a random while: many runs at once are
/// interleaved call by call.
pub(super) struct Fake {
    state: Mutex<State>,
    /// The next number of the generator.
    seed: Mutex<u64>,
}

impl Fake {
    pub(super) fn new(files: Files) -> Self {
        let mut state = State {
            bot: "pins[bot]".to_owned(),
            ..State::default()
        };
        let first = state.commit(Vec::new(), files, "first", "ann");
        state.branches.insert("dev".to_owned(), first);
        Self {
            state: Mutex::new(state),
            seed: Mutex::new(1),
        }
    }

    pub(super) fn seeded(self, seed: u64) -> Self {
        *self.seed.lock().unwrap() = seed | 1;
        self
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    async fn call(&self, name: &'static str) -> Result<(), GithubError> {
        let turns = {
            let mut seed = self.seed.lock().unwrap();
            *seed ^= *seed << 13;
            *seed ^= *seed >> 7;
            *seed ^= *seed << 17;
            *seed % 8
        };
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        let mut state = self.state();
        if let Some(others) = state.meanwhile.remove(name) {
            others(&mut state);
        }
        state.follow();
        *state.calls.entry(name).or_default() += 1;
        match state.failing.get_mut(name) {
            Some(0) => Err(GithubError::Server {
                operation: name.to_owned(),
                status: 502,
                message: "down".into(),
            }),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}
