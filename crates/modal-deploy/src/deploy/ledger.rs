use registry_model::{Digest, Environment};
use tokio::sync::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;

use crate::record::{self, Change, Claim, Mark, Record};
use crate::{Control, ModalError};

/// Why a run leaves an app alone that it was to deploy.
#[derive(Clone, Debug)]
pub(crate) enum Stop {
    /// A run that is newer has the last word.
    Newer(Claim),
    /// By now a person holds the app at this digest.
    Held(Digest),
}

/// The deployment record in the hands of one run, and the run's claim to be the newest.
///
/// Without a record there is nothing to claim: then runs cannot see each other.
#[derive(Debug)]
pub(crate) struct Ledger<'a> {
    control: &'a Control,
    environment: &'a Environment,
    claim: Option<Claim>,
    /// Reads and writes take turns, so that none works with what another replaced.
    record: Mutex<Option<Record>>,
}

impl<'a> Ledger<'a> {
    pub(crate) fn new(
        control: &'a Control,
        environment: &'a Environment,
        record: Option<Record>,
    ) -> Self {
        Self {
            control,
            environment,
            claim: None,
            record: Mutex::new(record),
        }
    }

    /// Announces this run as the newest: for all apps of the environment, or for `only` these.
    pub(crate) async fn claim<'b>(
        &mut self,
        only: Option<impl IntoIterator<Item = &'b str>>,
        cancel: &CancellationToken,
    ) -> Result<(), ModalError> {
        let Some(record) = self.record.get_mut() else {
            return Ok(());
        };
        let claim = Claim::after(record.claim().as_ref());
        let claim = match only {
            Some(apps) => claim.only(apps),
            None => claim,
        };
        self.claim = Some(claim.clone());
        let changes = [Change::Claim(claim)];
        record::write(self.control, self.environment, record, &changes, cancel).await
    }

    /// The record, while nothing else uses it.
    pub(crate) fn record_mut(&mut self) -> Option<&mut Record> {
        self.record.get_mut().as_mut()
    }

    /// Reads the record anew, if there is one.
    pub(crate) async fn refresh(
        &self,
        cancel: &CancellationToken,
    ) -> Result<MutexGuard<'_, Option<Record>>, ModalError> {
        let mut record = self.record.lock().await;
        if record.is_some()
            && let Some(fresh) = record::read(self.control, self.environment, cancel).await?
        {
            *record = Some(fresh);
        }
        Ok(record)
    }

    /// Reads the record anew: why `app` is not for this run to deploy at `digest`, if there is
    /// something. What a person wants goes before what a newer run wants.
    pub(crate) async fn stop(
        &self,
        app: &str,
        digest: &Digest,
        cancel: &CancellationToken,
    ) -> Result<Option<Stop>, ModalError> {
        let Some(ours) = &self.claim else {
            return Ok(None);
        };
        let record = self.refresh(cancel).await?;
        let Some(record) = record.as_ref() else {
            return Ok(None);
        };
        let hold = record.hold(app).filter(|held| held != digest);
        let newer = || record.newer(ours, app).map(Stop::Newer);
        Ok(hold.map(Stop::Held).or_else(newer))
    }

    pub(crate) fn superseded(&self, app: &str, newer: &Claim) -> ModalError {
        ModalError::Superseded {
            app: app.to_owned(),
            environment: self.environment.clone(),
            newer: newer.number,
        }
    }

    /// What was last deployed as `app`, as far as this run has read or written.
    pub(crate) async fn mark(&self, app: &str) -> Option<Mark> {
        self.record.lock().await.as_ref()?.mark(app)
    }

    /// Writes what must be known before the run goes on.
    pub(crate) async fn write(
        &self,
        changes: &[Change],
        cancel: &CancellationToken,
    ) -> Result<(), ModalError> {
        match self.record.lock().await.as_mut() {
            Some(record) => {
                record::write(self.control, self.environment, record, changes, cancel).await
            }
            None => Ok(()),
        }
    }

    /// Writes what spares later runs some work; without it they do again what is done.
    pub(crate) async fn note(&self, changes: &[Change], cancel: &CancellationToken) {
        if let Err(error) = self.write(changes, cancel).await
            && !error.is_cancelled()
        {
            tracing::warn!(
                "failed to note what was deployed: {}",
                crate::error::chain(&error)
            );
        }
    }
}
