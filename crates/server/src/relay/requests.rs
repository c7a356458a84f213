//! Requests about rooms that are at another node, as they cross the link: asked there, answered by the routes here.

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tower::ServiceExt;
use unisono_api::Problem;
use unisono_cluster::{Answer, Answers, Edge, NodeId, RequestError};
use unisono_gateway_events::{Answered, Elsewhere, Forwarded};
use unisono_store::BoxFuture;

/// What of an answer's head crosses the link.
const HEADERS: [HeaderName; 5] = [
    header::CONTENT_TYPE,
    header::CONTENT_DISPOSITION,
    header::CACHE_CONTROL,
    header::RETRY_AFTER,
    header::ALLOW,
];
/// Chunks of an answer that wait for the link.
const CHUNKS_MAX: usize = 8;

/// Status and headers.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    status: u16,
    headers: Vec<(String, String)>,
}

/// The upstream, which is asked.
pub(super) struct Upstream(pub(super) Edge);

impl Elsewhere for Upstream {
    fn answer<'a>(&'a self, request: Forwarded, body: Bytes, path: Vec<u64>) -> Answered<'a> {
        Box::pin(async move {
            let head = serde_json::to_vec(&request).unwrap_or_default();
            let path = path.into_iter().map(NodeId);
            match self.0.request(path, head.into(), body).await {
                Ok(answer) => response(answer),
                Err(error) => away(&error),
            }
        })
    }
}

fn away(why: &RequestError) -> Response {
    let words = format!("the node that has the room cannot be asked just now: {why}; try again in a second");
    Problem::unavailable(words).retry_after(1).into_response()
}

fn response(Answer { head, body }: Answer) -> Response {
    let Ok(head) = serde_json::from_slice::<Head>(&head) else {
        return Problem::unavailable("the node that has the room gave an answer that cannot be read")
            .into_response();
    };
    let chunks = stream::unfold(body, |mut body| async move { Some((body.recv().await?, body)) });
    let mut response = Body::from_stream(chunks).into_response();
    *response.status_mut() = StatusCode::from_u16(head.status).unwrap_or(StatusCode::BAD_GATEWAY);
    for (name, value) in head.headers {
        let known = HEADERS.into_iter().find(|known| known.as_str() == name);
        if let (Some(name), Ok(value)) = (known, HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The routes here, which answer.
pub(super) struct Here(pub(super) Router);

impl Answers for Here {
    fn answer<'a>(&'a self, path: Vec<NodeId>, head: Bytes, body: Bytes) -> BoxFuture<'a, Answer> {
        Box::pin(async move {
            let forwarded = serde_json::from_slice::<Forwarded>(&head).ok();
            let path = path.into_iter().map(|NodeId(node)| node).collect();
            let response = match forwarded.and_then(|forwarded| forwarded.request(body, path)) {
                // A router answers everything.
                Some(request) => self.0.clone().oneshot(request).await.unwrap_or_else(|never| match never {}),
                None => {
                    Problem::bad_request("a request that this version does not understand").into_response()
                }
            };
            answer(response)
        })
    }
}

fn answer(response: Response) -> Answer {
    let (parts, body) = response.into_parts();
    let text = |name: &HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let headers = HEADERS.iter().filter_map(|name| Some((name.as_str().to_owned(), text(name)?.to_owned())));
    let head = Head { status: parts.status.as_u16(), headers: headers.collect() };
    let (chunks, taken) = mpsc::channel(CHUNKS_MAX);
    tokio::spawn(async move {
        let mut body = body.into_data_stream();
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| RequestError::new(error.to_string()));
            if chunks.send(chunk).await.is_err() {
                return;
            }
        }
    });
    Answer { head: serde_json::to_vec(&head).unwrap_or_default().into(), body: taken }
}
