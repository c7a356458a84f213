//! Keys and tokens over the API, for admin keys and this machine.
//!
//! ```text
//! GET    /api/v1/keys             ids, roles, names
//! POST   /api/v1/keys             {"role": "publish", "name": "studio", "quota": {…}} -> the key, this once
//! PUT    /api/v1/keys/{id}/quota  {"streams_max": 2, "bitrate_max_kbps": 6000, "viewers_max": 100}
//! DELETE /api/v1/keys/{id}        what it let in ends within a second
//! POST   /api/v1/tokens           {"grants": […], "lifetime_seconds": 3600, "subject": "alice"} -> the token
//! POST   /api/v1/tokens/revoke    {"token": "…"}: whole, or its jti; whoever signed it
//! ```

use crate::{
    control,
    drain::{self, Drain},
    keys::Keys,
    observe::admit,
    reload::Reload,
};
use axum::{
    Json, Router,
    extract::{ConnectInfo, DefaultBodyLimit, Path, Request, State, rejection::JsonRejection},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{delete, get, post, put},
};
use serde::Deserialize;
use std::{net::SocketAddr, sync::Arc, time::Instant};
use unisono_api::{
    KeyList, KeyRequest, KeyRole, KeyView, MadeKey, MadeToken, Problem, QuotaView, ReloadView, RevokeRequest,
};
use unisono_auth::{Claims, Grant, Role, random_hex};
use unisono_base::NodeClock;
use unisono_hub::Hub;

/// Longest body.
const BODY_MAX: usize = 16 * 1_024;
/// A token that outlives this is a key.
pub(crate) const LIFETIME_MAX_S: u64 = 366 * 86_400;
/// A key's name, in characters.
const NAME_MAX: usize = 100;

/// What the routes share.
pub(crate) struct Admin {
    pub(crate) keys: Arc<Keys>,
    pub(crate) clock: NodeClock,
    pub(crate) hub: Arc<Hub>,
    pub(crate) reload: Arc<Reload>,
    pub(crate) drain: Arc<Drain>,
}

/// The routes. Nothing of them is for anybody but an admin key or this machine.
pub(crate) fn router(admin: Arc<Admin>) -> Router {
    Router::new()
        .route("/api/v1/keys", get(list).post(make))
        .route("/api/v1/keys/{id}", delete(revoke))
        .route("/api/v1/keys/{id}/quota", put(limit))
        .route("/api/v1/config/reload", post(reload))
        .route("/api/v1/tokens", post(sign))
        .route("/api/v1/tokens/revoke", post(revoke_token))
        .merge(control::routes())
        .merge(drain::routes())
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(middleware::from_fn_with_state(admin.clone(), guard))
        .with_state(admin)
}

type Shared = State<Arc<Admin>>;
type Body<T> = Result<Json<T>, JsonRejection>;

async fn guard(State(admin): Shared, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
    if let Err(words) = admit(&admin.keys, peer, request.headers()) {
        return Problem::unauthorized(words).into_response();
    }
    let mut response = next.run(request).await;
    // Keys and tokens are in here.
    let no_store = header::HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, no_store);
    response
}

async fn list(State(admin): Shared) -> Json<KeyList> {
    let keys = admin.keys.access().keyring().list().into_iter();
    let view = |key: unisono_auth::StoredKey| KeyView {
        id: key.id,
        role: shown_role(key.role),
        name: key.name,
        quota: key.quota.into(),
    };
    Json(KeyList { keys: keys.map(view).collect() })
}

const fn shown_role(role: Role) -> KeyRole {
    match role {
        Role::Publish => KeyRole::Publish,
        Role::Admin => KeyRole::Admin,
    }
}

const fn asked_role(role: KeyRole) -> Role {
    match role {
        KeyRole::Publish => Role::Publish,
        KeyRole::Admin => Role::Admin,
    }
}

async fn make(State(admin): Shared, body: Body<KeyRequest>) -> Result<Response, Problem> {
    let KeyRequest { role, name, quota } = taken(body)?;
    if name.chars().count() > NAME_MAX {
        return Err(Problem::bad_request(format!("a key's name has at most {NAME_MAX} characters")));
    }
    let key = admin.keys.make(asked_role(role), &name, quota.into()).await.map_err(|error| failed(&error))?;
    let id = key.split('_').nth(1).unwrap_or_default().to_owned();
    tracing::info!(key = id, ?role, ?quota, "a key was made");
    let made = Json(MadeKey { view: KeyView { id, role, name, quota }, key });
    Ok((StatusCode::CREATED, made).into_response())
}

/// What publishes or watches already goes on, but for a bitrate that is too high.
async fn limit(
    State(admin): Shared,
    Path(id): Path<String>,
    body: Body<QuotaView>,
) -> Result<Json<QuotaView>, Problem> {
    let quota = taken(body)?;
    admin.keys.limit(&id, quota.into()).await.map_err(|error| Problem::not_found(format!("{error:#}")))?;
    tracing::info!(key = id, ?quota, "a key's quota was set");
    Ok(Json(quota))
}

async fn reload(State(admin): Shared) -> Result<Json<ReloadView>, Problem> {
    let done = admin.reload.run("the API").await;
    done.map(Json).map_err(|error| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("{error:#}")))
}

async fn revoke(State(admin): Shared, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    admin.keys.revoke(&id).await.map_err(|error| Problem::not_found(format!("{error:#}")))?;
    tracing::info!(key = id, "a key was revoked");
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenRequest {
    grants: Vec<Grant>,
    lifetime_seconds: u64,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    uses: Option<u32>,
    #[serde(default)]
    sessions: Option<u32>,
}

async fn sign(State(admin): Shared, body: Body<TokenRequest>) -> Result<Response, Problem> {
    let TokenRequest { grants, lifetime_seconds, subject, name, uses, sessions } = taken(body)?;
    if !(1..=LIFETIME_MAX_S).contains(&lifetime_seconds) {
        let words = format!("lifetime_seconds must be from 1 to {LIFETIME_MAX_S}");
        return Err(Problem::bad_request(words));
    }
    let jti = random_hex::<16>().map_err(|error| Problem::unavailable(error.to_string()))?;
    let exp = admin.clock.at(Instant::now()).unix_seconds() + lifetime_seconds;
    let claims = Claims {
        exp,
        nbf: None,
        iss: None,
        sub: subject,
        jti: Some(jti.clone()),
        tenant: None,
        name,
        uses,
        sessions,
        grants,
    };
    let token = admin.keys.sign(&claims).map_err(|error| failed(&error))?;
    Ok((StatusCode::CREATED, Json(MadeToken { token, jti, exp })).into_response())
}

async fn revoke_token(State(admin): Shared, body: Body<RevokeRequest>) -> Result<StatusCode, Problem> {
    let RevokeRequest { token } = taken(body)?;
    let now = admin.clock.at(Instant::now()).unix_seconds();
    let revoked = admin.keys.revoke_token(&token, now).await;
    revoked.map_err(|error| Problem::bad_request(format!("{error:#}")))?;
    Ok(StatusCode::NO_CONTENT)
}

fn taken<T>(body: Body<T>) -> Result<T, Problem> {
    body.map(|Json(body)| body).map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))
}

fn failed(error: &anyhow::Error) -> Problem {
    Problem::unavailable(format!("{error:#}"))
}
