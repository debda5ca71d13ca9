//! The Kubernetes paths: from an HTTP request over the fault rules to a read or a write.
//! Discovery is in `discovery`, the simulator's own paths are in `control`.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{ConnectInfo, Request, State},
    response::{IntoResponse, Response},
};

mod call;
mod discovery;
mod parameters;
mod read;
mod shape;
mod write;

pub(crate) use call::{Call, Verb};
pub(crate) use discovery::routes as discovery_routes;
pub(crate) use parameters::Parameters;
pub(crate) use shape::Shape;

use crate::{app::App, connection::Connection, fault::Action, status::Failure};

/// Any request that no other route takes.
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request,
) -> Response {
    let call = match Call::read(&app, request).await {
        Ok(call) => Arc::new(call),
        Err(failure) => return failure.into_response(),
    };
    // Taken on arrival: the rules meet requests in the order in which they come.
    let fault = app.faults.take(&app, &call);
    let (rule, action) = fault.map_or((None, Action::default()), |(id, action)| (Some(id), action));

    if action.hang {
        if call.verb.is_write() {
            app.log.apply(|| (call.log_entry(&app, None, None, rule), ()));
        }
        app.stats.count(&call, None);
        app.stopping.cancelled().await;
        return Failure::stopping().into_response();
    }

    let drops = action.apply_then_drop;
    let response = if call.verb.is_write() {
        // A task of its own: a client that hangs up takes back nothing.
        let work = carry_out_write(Arc::clone(&app), Arc::clone(&call), action, rule);
        app.tasks
            .spawn(work)
            .await
            .unwrap_or_else(|_| Failure::stopping().into_response())
    } else {
        carry_out_read(&app, &call, &action).await
    };
    if drops {
        app.stats.count(&call, None);
        connection.cut().await;
    }
    app.stats.count(&call, Some(response.status().as_u16()));
    response
}

async fn carry_out_write(app: Arc<App>, call: Arc<Call>, action: Action, rule: Option<u64>) -> Response {
    if !app.wait(pause(&app, &action)).await {
        return Failure::stopping().into_response();
    }
    let outcome = app.log.apply(|| {
        let outcome = match action.status {
            Some(code) => Err(Failure::injected(
                code,
                &call.target.kind,
                call.name(),
                action.retry_after_s,
            )),
            None => app
                .access
                .check(&call)
                .and_then(|()| write::carry_out(&app, &call)),
        };
        let code = outcome
            .as_ref()
            .map_or_else(|failure| failure.code, |done| done.code);
        (
            call.log_entry(&app, Some(code), outcome.as_ref().ok(), rule),
            outcome,
        )
    });
    match outcome {
        Ok(done) => {
            if let Some(key) = done.key.as_ref().filter(|_| done.is_changed) {
                app.controller.consider(&app, &call.target.kind, key);
            }
            done.into_response(&call)
        }
        Err(failure) => failure.into_response(),
    }
}

async fn carry_out_read(app: &Arc<App>, call: &Call, action: &Action) -> Response {
    if !app.wait(pause(app, action)).await {
        return Failure::stopping().into_response();
    }
    let outcome = match action.status {
        Some(code) => Err(Failure::injected(
            code,
            &call.target.kind,
            call.name(),
            action.retry_after_s,
        )),
        None => app.access.check(call).and_then(|()| read::carry_out(app, call)),
    };
    outcome.unwrap_or_else(IntoResponse::into_response)
}

/// How long a request is held before it is handled.
fn pause(app: &App, action: &Action) -> Duration {
    app.settings.borrow().latency() + Duration::from_millis(action.delay_ms.unwrap_or(0))
}
