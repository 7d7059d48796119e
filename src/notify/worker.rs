//! Integrations, ready to be used.

use std::{collections::BTreeMap, sync::Arc};

use botwatch_core::{alerting::IntegrationId, diag::chain, template::Templates};

use super::{
    EmailOptions, Error, Integration, Options, SlackOptions, WebhookOptions,
    email::Mailer,
    failure::{Answer, Failure, FailureReason},
    job::Job,
    slack, webhook,
};
use crate::{
    net::{Client, HttpOptions},
    runtime::Clock,
};

/// One integration with its connections.
pub(super) enum Worker {
    Webhook { options: Arc<WebhookOptions>, client: Client },
    Slack { options: Arc<SlackOptions>, client: Client },
    Email { options: Box<EmailOptions>, mailer: Arc<Mailer> },
}

/// All that one set of options gives.
pub(super) struct Workers {
    pub by_id: BTreeMap<IntegrationId, Arc<Worker>>,
    pub templates: Arc<Templates>,
    pub external_url: Arc<str>,
    /// A handful of different ones, however many integrations.
    clients: Vec<(HttpOptions, Client)>,
}

impl Workers {
    /// From options. What is equal to `before` keeps its connections and tokens: a refresh token that was exchanged
    /// for a new one is known nowhere else.
    ///
    /// # Errors
    /// The first integration whose options can't work.
    pub(super) fn new(options: Options, before: Option<&Self>, clock: &Clock) -> Result<Self, Error> {
        let mut workers = Self {
            by_id: BTreeMap::new(),
            templates: options.templates,
            external_url: options.external_url,
            clients: Vec::new(),
        };
        for (id, integration) in options.integrations {
            let before = before.map(|b| (b, b.by_id.get(&id)));
            let worker = workers
                .worker(integration, before, clock)
                .map_err(|reason| Error::Integration { integration: id.clone(), reason })?;
            workers.by_id.insert(id, Arc::new(worker));
        }
        Ok(workers)
    }

    fn worker(
        &mut self,
        integration: Integration,
        before: Option<(&Self, Option<&Arc<Worker>>)>,
        clock: &Clock,
    ) -> Result<Worker, String> {
        Ok(match integration {
            Integration::Webhook(options) => {
                let client = self.client(&options.http, before.map(|b| b.0), clock)?;
                Worker::Webhook { options: Arc::new(*options), client }
            }
            Integration::Slack(options) => {
                let client = self.client(&slack::http_options(&options), before.map(|b| b.0), clock)?;
                Worker::Slack { options: Arc::new(*options), client }
            }
            Integration::Email(options) => {
                let mailer = match before.and_then(|b| b.1).map(|w| &**w) {
                    Some(Worker::Email { options: same, mailer }) if *same == options => Arc::clone(mailer),
                    _ => Arc::new(Mailer::new(&options, clock).map_err(|e| e.to_string())?),
                };
                Worker::Email { options, mailer }
            }
        })
    }

    fn client(
        &mut self,
        options: &HttpOptions,
        before: Option<&Self>,
        clock: &Clock,
    ) -> Result<Client, String> {
        let kept = self.clients.iter().chain(before.into_iter().flat_map(|b| &b.clients));
        let mut kept = kept.filter(|(o, _)| o == options).map(|(_, client)| client.clone());
        let client = match kept.next() {
            Some(client) => client,
            None => Client::new(options, clock).map_err(|e| chain(&e))?,
        };
        drop(kept);
        if !self.clients.iter().any(|(o, _)| o == options) {
            self.clients.push((options.clone(), client.clone()));
        }
        Ok(client)
    }
}

impl Worker {
    /// One attempt. The caller keeps the deadline too.
    pub(super) async fn attempt(&self, job: &Job) -> Answer {
        match self {
            Self::Webhook { options, client } => webhook::attempt(job, options, client).await,
            Self::Slack { options, client } => slack::attempt(job, options, client).await,
            Self::Email { mailer, .. } => {
                let (data, course) = job.compute(|job| (job.data(0), job.course())).await?;
                let now = job.clock.now();
                let outcome = mailer.attempt(&job.send, &data, &job.templates, course, now).await;
                let answer = Failure::of_outcome(outcome, FailureReason::Other);
                job.metrics.request(&job.send.delivery.integration, answer.is_err());
                answer
            }
        }
    }
}
