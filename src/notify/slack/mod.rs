//! Slack: an app's incoming webhook, or a bot with a token (spec alertmanager §1.6, §2.10).
//!
//! A webhook is bound to its channel and answers nothing but `ok`: what it posted can't be found again. A bot is told
//! a message's channel and `ts`; with `update_message` they go back as `receiver_data`, and later messages of the
//! group replace the first one.

mod answer;
mod message;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use botwatch_core::alerting::NotifyReason;
use http::HeaderMap;

use super::{
    SlackAddress, SlackOptions,
    failure::{Answer, Failure, FailureReason},
    job::Job,
    json,
};
use crate::net::{Auth, Client, HttpOptions, Response};
use answer::Kind;
use message::{Message, Target};

/// How much of an answer is read: a bot's repeats the message, which can be 40 000 characters and escapes.
const ANSWER_MAX: usize = 1024 * 1024;
/// Keys of `receiver_data`.
const CHANNEL: &str = "channel";
const TS: &str = "ts";

/// What the HTTP client must be: a bot's token is its authorization.
pub(super) fn http_options(options: &SlackOptions) -> HttpOptions {
    let mut http = options.http.clone();
    if let SlackAddress::Bot { token, .. } = &options.address {
        http.auth = Auth::Authorization { scheme: "Bearer".to_owned(), credentials: token.clone() };
    }
    http
}

/// One attempt.
pub(super) async fn attempt(job: &Job, options: &Arc<SlackOptions>, client: &Client) -> Answer {
    match &options.address {
        SlackAddress::Webhook(url) => {
            let url = job.url(url, 0).await?;
            let message = compose(job, options).await?;
            let response = post(job, client, &url, &message).await?;
            answer::judge(Kind::Webhook, &response, job)?;
            Ok(BTreeMap::new())
        }
        SlackAddress::Bot { url, .. } => bot(job, options, client, url).await,
    }
}

async fn bot(job: &Job, options: &Arc<SlackOptions>, client: &Client, url: &str) -> Answer {
    let mut message = compose(job, options).await?;
    if let Some(target) = to_update(job, options) {
        message.update(target);
        let response = post(job, client, &update_url(url), &message).await?;
        match answer::judge(Kind::Bot, &response, job) {
            Ok(posted) => return Ok(posted),
            Err(refused) if refused.message_is_lost => message.post_anew(),
            Err(refused) => return Err(refused.failure),
        }
    }
    if message.channel.is_empty() {
        let error = "no channel: `channel` is empty, and a bot needs one";
        return Err(Failure::permanent(error, FailureReason::Other));
    }
    let response = post(job, client, url, &message).await?;
    Ok(answer::judge(Kind::Bot, &response, job)?)
}

async fn compose(job: &Job, options: &Arc<SlackOptions>) -> Result<Message, Failure> {
    let options = Arc::clone(options);
    let composed = job.compute(move |job| message::compose(&options, &job.data(0), &job.templates)).await?;
    job.complain(&composed.problems);
    composed.message.map_err(|error| Failure::permanent(error, FailureReason::Other))
}

async fn post(job: &Job, client: &Client, url: &str, message: &Message) -> Result<Response, Failure> {
    let body = json::to_vec(message)
        .map_err(|e| Failure::permanent(format!("message: {e}"), FailureReason::Other))?;
    job.post(client, url, HeaderMap::new(), body, ANSWER_MAX).await
}

/// The message to replace. A group that is told anew gets a new one.
fn to_update(job: &Job, options: &SlackOptions) -> Option<Target> {
    let first = *job.send.delivery.reason == *NotifyReason::FirstNotification.as_str();
    if !options.update_message || first {
        return None;
    }
    let data = &job.send.receiver_data;
    Some(Target { channel: data.get(CHANNEL)?.clone(), ts: data.get(TS)?.clone() })
}

/// Where messages are replaced, from where they are posted.
fn update_url(post_url: &str) -> String {
    match post_url.rsplit_once('/') {
        Some((base, _)) => format!("{base}/chat.update"),
        None => post_url.to_owned(),
    }
}
