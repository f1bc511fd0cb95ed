use registry_model::Environment;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::record::{self, Change, Claim, Mark, Record};
use crate::{Control, ModalError};

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

    /// Reads the record anew; the run about `app` that announced itself after this one, if there
    /// is one.
    pub(crate) async fn newer(
        &self,
        app: &str,
        cancel: &CancellationToken,
    ) -> Result<Option<Claim>, ModalError> {
        let Some(ours) = &self.claim else {
            return Ok(None);
        };
        let mut record = self.record.lock().await;
        if let Some(fresh) = record::read(self.control, self.environment, cancel).await? {
            *record = Some(fresh);
        }
        Ok(record.as_ref().and_then(|record| record.newer(ours, app)))
    }

    /// Fails when a newer run has announced itself.
    pub(crate) async fn check(
        &self,
        app: &str,
        cancel: &CancellationToken,
    ) -> Result<(), ModalError> {
        match self.newer(app, cancel).await? {
            Some(newer) => Err(self.superseded(app, &newer)),
            None => Ok(()),
        }
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
