//! Which path is whose.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{Request, State},
    handler::Handler,
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
    routing::{MethodFilter, on},
};
use botwatch_core::access::Permission;
use http::{Method, Uri};

use super::{
    access, access::Caller, alerting, alertmanager, body, failure::Failure, health, metrics, notifications,
    openapi, page, prometheus, server, site::Site,
};
use crate::store::Change;

/// All paths; those of metrics' labels.
const PATHS: &[&str] = &[
    "/",
    "/docs",
    "/graph",
    "/metrics",
    "/-/healthy",
    "/-/ready",
    "/-/reload",
    "/api/v1/rules",
    "/api/v1/alerts",
    "/api/v1/targets",
    "/api/v1/status/buildinfo",
    "/api/v1/status/config",
    "/api/v2/alerts",
    "/api/v2/alerts/groups",
    "/api/v2/receivers",
    "/api/v2/silences",
    "/api/v2/status",
    "/api/alerting/audit",
    "/api/alerting/config",
    "/api/alerting/events",
    "/api/alerting/health",
    "/api/alerting/incidents",
    "/api/alerting/issues",
    "/api/alerting/issues/bulk",
    "/api/alerting/metrics",
    "/api/alerting/notifications",
    "/api/alerting/statistics",
    "/api/alerting/test",
    "/api/alerting/thresholds",
    "/api/alerting/webhook/alerts",
    "/api/alerting/webhook/grafana",
    "/api/alerting/webhook/prometheus",
    "/api/docs",
    "/api/docs/openapi.json",
];

/// Paths below which there are many.
const ABOVE_MANY: &[&str] = &["/docs", "/api/v2/silence", "/api/alerting/issues", "/api/alerting/thresholds"];

/// What metrics call a path.
pub(super) fn handler(path: &str) -> &'static str {
    let is_below = |above: &&&str| path.strip_prefix(**above).is_some_and(|rest| rest.starts_with('/'));
    PATHS.iter().find(|p| **p == path).or_else(|| ABOVE_MANY.iter().find(is_below)).map_or("other", |p| p)
}

/// What a method of a path needs.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    pub method: Method,
    pub path: &'static str,
    pub needs: Permission,
}

/// All endpoints, each with what it needs: nothing is served that has no entry here.
#[derive(Default)]
struct Routes {
    router: Router<Arc<Site>>,
    endpoints: Vec<Endpoint>,
    /// None where only the table is wanted.
    site: Option<Arc<Site>>,
}

impl Routes {
    fn at<H, T>(mut self, method: Method, path: &'static str, needs: Permission, handler: H) -> Self
    where
        H: Handler<T, Arc<Site>>,
        T: 'static,
    {
        let filter = MethodFilter::try_from(method.clone()).expect("a method that routes know");
        let state = Guard { needs, method: method.clone(), path, site: self.site.clone() };
        let guarded = on(filter, handler).route_layer(from_fn_with_state(state, guard));
        self.router = self.router.route(path, guarded);
        self.endpoints.push(Endpoint { method, path, needs });
        self
    }

    fn get<H: Handler<T, Arc<Site>>, T: 'static>(
        self,
        path: &'static str,
        needs: Permission,
        handler: H,
    ) -> Self {
        self.at(Method::GET, path, needs, handler)
    }

    fn post<H: Handler<T, Arc<Site>>, T: 'static>(
        self,
        path: &'static str,
        needs: Permission,
        handler: H,
    ) -> Self {
        self.at(Method::POST, path, needs, handler)
    }

    /// What clients of the original change with PATCH, and others with POST.
    fn change<H: Handler<T, Arc<Site>> + Clone, T: 'static>(
        self,
        path: &'static str,
        needs: Permission,
        handler: H,
    ) -> Self {
        self.at(Method::PATCH, path, needs, handler.clone()).at(Method::POST, path, needs, handler)
    }
}

/// What a guard knows.
#[derive(Clone)]
struct Guard {
    needs: Permission,
    method: Method,
    path: &'static str,
    site: Option<Arc<Site>>,
}

/// Lets a request through to its handler when who asks may. What people change is recorded before it is acknowledged.
async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let Some(caller) = request.extensions().get::<Caller>().cloned() else {
        return Failure::forbidden("nobody asks").into_response();
    };
    let request = match (caller.may(guard.needs), guard.needs, &guard.site) {
        (Ok(()), ..) => request,
        (Err(failure), Permission::Webhook, Some(site)) => {
            match signed(site, &caller, request, failure).await {
                Ok(request) => request,
                Err(failure) => return failure.into_response(),
            }
        }
        (Err(failure), ..) => return failure.into_response(),
    };
    let audit = guard.site.as_ref().and_then(|site| site.audit.clone());
    let people = matches!(guard.needs, Permission::Manage | Permission::Administer);
    let changes = people && !guard.method.is_safe();
    let (Some(site), Some(audit), true) = (&guard.site, audit, changes) else {
        return next.run(request).await;
    };
    if !audit.is_sound() {
        let why = "the audit log can't be written, and nothing is changed without a record of it";
        return Failure::unavailable(why, 10).into_response();
    }
    let target = target(guard.path, request.uri().path());
    let mut response = next.run(request).await;
    if !response.status().is_success() {
        return response;
    }
    let Audited { before, after } = response.extensions_mut().remove().unwrap_or_default();
    let change = Change {
        at: Change::at(site.clock.now()),
        by: caller.name(),
        role: caller.role(),
        from: caller.address(),
        action: format!("{} {}", guard.method, guard.path),
        target,
        before,
        after,
    };
    // The change is made and durable: that it can't be recorded is told, and stops the next one.
    let written = site.tasks.blocking(move || audit.append(change)).await;
    if let Some(Err(error)) = written {
        tracing::error!(%error, "a change could not be recorded in the audit log; further ones are refused");
    }
    response
}

/// A request that is refused unless its body is signed with the webhooks' secret.
async fn signed(
    site: &Site,
    caller: &Caller,
    request: Request,
    refused: Failure,
) -> Result<Request, Failure> {
    let policy = site.access.get();
    let Some(webhook) = policy.webhook.as_ref().filter(|w| access::is_signed(request.headers(), w)) else {
        return Err(refused);
    };
    let (parts, body) = request.into_parts();
    let body = body::read(site, body).await?;
    let secret = server::read_secret(webhook).await?;
    let now = site.clock.now();
    if let Err(why) = access::verify(&parts.headers, &body, webhook, secret.reveal(), now) {
        return Err(site.wrong_credentials(now, caller.ip(), why));
    }
    Ok(Request::from_parts(parts, body.into()))
}

/// The part of a path that stands for a parameter.
fn target(pattern: &str, path: &str) -> String {
    let parts = pattern.split('/').zip(path.split('/'));
    let own: Vec<&str> = parts.filter(|(p, _)| p.starts_with('{')).map(|(_, part)| part).collect();
    own.join("/")
}

/// What a handler says of its change, as an extension of its answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Audited {
    pub before: serde_json::Value,
    pub after: serde_json::Value,
}

/// What isn't there is nobody's business who may not see what is.
async fn nowhere(Extension(caller): Extension<Caller>, uri: Uri) -> Failure {
    caller.may(Permission::View).err().unwrap_or_else(|| Failure::not_found(uri.path()))
}

fn routes(site: Option<Arc<Site>>) -> Routes {
    use Permission::{Administer, Manage, Open, Report, View, Webhook};
    Routes { site, ..Routes::default() }
        .get("/", View, page::page)
        // Links to expressions in messages: the page says what fires. Relative, so that it holds below a prefix.
        .get("/graph", View, async || axum::response::Redirect::to("./"))
        .get("/metrics", Open, metrics::metrics)
        .get("/-/healthy", Open, health::healthy)
        .get("/-/ready", Open, health::ready)
        .post("/-/reload", Manage, health::reload)
        .at(Method::PUT, "/-/reload", Manage, health::reload)
        .get("/api/v1/rules", View, prometheus::rules)
        .get("/api/v1/alerts", View, prometheus::alerts)
        .get("/api/v1/targets", View, prometheus::targets)
        .get("/api/v1/status/buildinfo", View, prometheus::build_info)
        .get("/api/v1/status/config", View, prometheus::config)
        .get("/api/v2/alerts", View, alertmanager::alerts)
        .post("/api/v2/alerts", Report, alertmanager::receive)
        .get("/api/v2/alerts/groups", View, alertmanager::groups)
        .get("/api/v2/receivers", View, alertmanager::receivers)
        .get("/api/v2/silences", View, alertmanager::silences)
        .post("/api/v2/silences", Manage, alertmanager::set_silence)
        .get("/api/v2/silence/{id}", View, alertmanager::silence)
        .at(Method::DELETE, "/api/v2/silence/{id}", Manage, alertmanager::expire)
        .get("/api/v2/status", View, alertmanager::status)
        .get("/api/alerting/config", View, alerting::config)
        .get("/api/alerting/events", View, alerting::events)
        .get("/api/alerting/health", Open, alerting::health)
        .get("/api/alerting/statistics", View, alerting::statistics)
        .post("/api/alerting/test", Manage, alerting::test)
        .get("/api/alerting/metrics", View, alerting::metrics)
        .post("/api/alerting/metrics", Report, alerting::push)
        .get("/api/alerting/thresholds", View, alerting::thresholds)
        .at(Method::PATCH, "/api/alerting/thresholds/{metric}", Manage, alerting::set_threshold)
        .at(Method::DELETE, "/api/alerting/thresholds/{metric}", Manage, alerting::unset_threshold)
        .get("/api/alerting/incidents", View, alerting::incidents)
        .get("/api/alerting/issues", View, alerting::issues)
        .post("/api/alerting/issues", Report, alerting::report)
        .post("/api/alerting/issues/bulk", Manage, alerting::bulk)
        .get("/api/alerting/issues/{id}", View, alerting::issue)
        .change("/api/alerting/issues/{id}/resolve", Manage, alerting::resolve)
        .change("/api/alerting/issues/{id}/acknowledge", Manage, alerting::acknowledge)
        .change("/api/alerting/issues/{id}/unacknowledge", Manage, alerting::unacknowledge)
        .change("/api/alerting/issues/{id}/assign", Manage, alerting::assign)
        .post("/api/alerting/issues/{id}/escalate", Manage, alerting::escalate)
        .post("/api/alerting/issues/{id}/notes", Manage, alerting::note)
        .post("/api/alerting/webhook/alerts", Webhook, alerting::webhook)
        .post("/api/alerting/webhook/grafana", Webhook, alerting::grafana)
        .at(Method::PUT, "/api/alerting/webhook/grafana", Webhook, alerting::grafana)
        .post("/api/alerting/webhook/prometheus", Webhook, alerting::prometheus)
        .get("/api/alerting/notifications", View, notifications::notifications)
        .get("/api/alerting/audit", Administer, alerting::audit)
        .get("/api/docs", View, openapi::page)
        .get("/api/docs/openapi.json", View, openapi::openapi)
}

/// All endpoints.
pub(super) fn endpoints() -> Vec<Endpoint> {
    routes(None).endpoints
}

pub(super) fn router(site: Arc<Site>) -> Router {
    // They have no state of their own.
    let viewing = Guard { needs: Permission::View, method: Method::GET, path: "/docs", site: None };
    let pages = site.pages.clone().with_state(()).route_layer(from_fn_with_state(viewing, guard));
    routes(Some(Arc::clone(&site)))
        .router
        .merge(pages)
        .fallback(nowhere)
        .method_not_allowed_fallback(async |method: Method| Failure::method(&method))
        .with_state(site)
}
