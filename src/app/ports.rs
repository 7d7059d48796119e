//! Ports of modules, filled with other modules' handles.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, OnceLock},
};

use tokio::sync::SetOnce;

use botwatch_core::{
    alerting::{DeliveryId, Event, NotifiedAlert, Outcome},
    model::{Duration, Timestamp},
};

use crate::{api, collect, dispatch, evaluate, notify};

/// Where attempts' ends go. The dispatcher is started after the notifier that it sends through, so its handle comes
/// later; an attempt that ends before waits for it.
#[derive(Default)]
pub(super) struct Reports(pub(super) SetOnce<dispatch::Handle>);

impl notify::Report for Reports {
    fn delivered(&self, id: DeliveryId, outcome: Outcome) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            // A dispatcher that is gone takes the attempt up as interrupted after the restart.
            let _ = self.0.wait().await.tell(Event::Delivered { id, outcome }).await;
        })
    }
}

/// The course of an alert's value, from the evaluator, which is started after the notifier.
#[derive(Default)]
pub(super) struct Courses(pub(super) OnceLock<evaluate::Handle>);

impl notify::Courses for Courses {
    fn course(&self, alert: &NotifiedAlert, until: Timestamp, back: Duration) -> Option<notify::Course> {
        let view = self.0.get()?.course(&alert.alert.labels, until, back)?;
        Some(notify::Course {
            points: view.points,
            threshold: view.threshold,
            comparison: view.comparison,
            expr: view.expr,
        })
    }
}

/// What is scraped.
pub(super) struct Targets {
    pub(super) collector: collect::Collector,
    /// The host under which others reach a target that is called a loopback name here.
    pub(super) external_host: Arc<str>,
}

impl api::Targets for Targets {
    fn targets(&self) -> Vec<api::TargetView> {
        let active = self.collector.targets().into_iter().map(|t| api::TargetView {
            pool: t.scrape_pool,
            discovered: t.discovered_labels,
            active: Some(api::ActiveTarget {
                labels: t.labels,
                global_url: global_url(&t.scrape_url, &self.external_host),
                url: t.scrape_url,
                last_error: t.last_error,
                last_scrape: t.last_scrape,
                last_scrape_seconds: t.last_scrape_duration.as_secs_f64(),
                health: match t.health {
                    collect::Health::Unknown => api::TargetHealth::Unknown,
                    collect::Health::Up => api::TargetHealth::Up,
                    collect::Health::Down => api::TargetHealth::Down,
                },
                interval: t.scrape_interval,
                timeout: t.scrape_timeout,
            }),
        });
        let dropped = self.collector.dropped().into_iter().map(|t| api::TargetView {
            pool: t.scrape_pool,
            discovered: t.discovered_labels,
            active: None,
        });
        active.chain(dropped).collect()
    }
}

/// A target's URL as others reach it (spec prometheus A10).
fn global_url(url: &str, external_host: &str) -> String {
    let Ok(mut parsed) = url::Url::parse(url) else { return url.to_owned() };
    let is_loopback = parsed.host_str().is_some_and(|h| matches!(h, "localhost" | "127.0.0.1" | "[::1]"));
    if is_loopback && !external_host.is_empty() && parsed.set_host(Some(external_host)).is_ok() {
        return parsed.to_string();
    }
    url.to_owned()
}
