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
    access::Caller, alerting, alertmanager, failure::Failure, health, metrics, notifications, openapi, page,
    prometheus, site::Site,
};

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
    "/api/alerting/config",
    "/api/alerting/health",
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
}

impl Routes {
    fn at<H, T>(mut self, method: Method, path: &'static str, needs: Permission, handler: H) -> Self
    where
        H: Handler<T, Arc<Site>>,
        T: 'static,
    {
        let filter = MethodFilter::try_from(method.clone()).expect("a method that routes know");
        let guarded = on(filter, handler).route_layer(from_fn_with_state(needs, guard));
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

/// Lets a request through to its handler when who asks may.
async fn guard(State(needs): State<Permission>, request: Request, next: Next) -> Response {
    match request.extensions().get::<Caller>().map(|caller| caller.may(needs)) {
        Some(Ok(())) => next.run(request).await,
        Some(Err(failure)) => failure.into_response(),
        None => Failure::forbidden("nobody asks").into_response(),
    }
}

/// What isn't there is nobody's business who may not see what is.
async fn nowhere(Extension(caller): Extension<Caller>, uri: Uri) -> Failure {
    caller.may(Permission::View).err().unwrap_or_else(|| Failure::not_found(uri.path()))
}

fn routes() -> Routes {
    use Permission::{Manage, Open, Report, View, Webhook};
    Routes::default()
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
        .get("/api/alerting/health", Open, alerting::health)
        .get("/api/alerting/statistics", View, alerting::statistics)
        .post("/api/alerting/test", Manage, alerting::test)
        .get("/api/alerting/metrics", View, alerting::metrics)
        .post("/api/alerting/metrics", Report, alerting::push)
        .get("/api/alerting/thresholds", View, alerting::thresholds)
        .at(Method::PATCH, "/api/alerting/thresholds/{metric}", Manage, alerting::set_threshold)
        .at(Method::DELETE, "/api/alerting/thresholds/{metric}", Manage, alerting::unset_threshold)
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
        .get("/api/docs", View, openapi::page)
        .get("/api/docs/openapi.json", View, openapi::openapi)
}

/// All endpoints.
pub(super) fn endpoints() -> Vec<Endpoint> {
    routes().endpoints
}

pub(super) fn router(site: Arc<Site>) -> Router {
    // They have no state of their own.
    let pages = site.pages.clone().with_state(()).route_layer(from_fn_with_state(Permission::View, guard));
    routes()
        .router
        .merge(pages)
        .fallback(nowhere)
        .method_not_allowed_fallback(async |method: Method| Failure::method(&method))
        .with_state(site)
}
