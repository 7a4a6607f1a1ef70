//! The way of a call to the server, and of the answer back.

use std::{io, sync::Arc};

use anyhow::Result;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, Uri,
    header::{self, AUTHORIZATION, HOST},
    uri::{PathAndQuery, Scheme},
};
use http_body_util::{BodyExt as _, BodyStream, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper_util::{client::legacy, rt::TokioExecutor};
use kube::{
    Client, Config,
    client::{Body, ConfigExt as _},
};
use tokio::{sync::watch, time::sleep};

use super::{Call, Harm, Moment, Shared, answers, stale};

type Error = Box<dyn std::error::Error + Send + Sync>;
type Answer = Response<UnsyncBoxBody<Bytes, Error>>;

const IMPERSONATE_USER: HeaderName = HeaderName::from_static("impersonate-user");

/// They are between the caller and the proxy, or between the proxy and the server.
const OF_THE_LINE: [HeaderName; 5] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Whose API it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Kubernetes,
    Cloud,
}

impl Kind {
    /// Whether a path is that of many objects.
    pub(super) fn is_collection(self, path: &str) -> bool {
        let mut parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
        match self {
            Self::Cloud => parts
                .last()
                .is_some_and(|last| last.parse::<u64>().is_err()),
            Self::Kubernetes => {
                let group = match parts.first() {
                    Some(&"api") => 2,
                    Some(&"apis") => 3,
                    _ => return false,
                };
                parts.drain(..group.min(parts.len()));
                matches!(parts.as_slice(), [_] | ["namespaces", _, _])
            }
        }
    }
}

pub(super) struct Upstream {
    client: Client,
    base: Uri,
    kind: Kind,
    user: Option<HeaderValue>,
}

impl Upstream {
    pub(super) fn new(config: &Config, kind: Kind, user: Option<HeaderValue>) -> Result<Self> {
        // A plain client: that of kube tries again by itself what it should not.
        let connector = config.rustls_https_connector()?;
        let http = legacy::Client::builder(TokioExecutor::new()).build::<_, Body>(connector);
        Ok(Self {
            client: Client::new(http, "default"),
            base: config.cluster_url.clone(),
            kind,
            user,
        })
    }

    async fn send(&self, mut request: Request<Bytes>) -> Result<Response<Body>, Error> {
        let mut uri = self.base.clone().into_parts();
        uri.scheme = uri.scheme.or(Some(Scheme::HTTP));
        let path = request.uri().path_and_query().cloned();
        uri.path_and_query = path.or(Some(PathAndQuery::from_static("/")));
        *request.uri_mut() = Uri::from_parts(uri)?;
        let headers = request.headers_mut();
        forget_line(headers);
        headers.remove(HOST);
        if self.kind == Kind::Kubernetes {
            // The proxy has a certificate, which would be nothing beside a token.
            headers.remove(AUTHORIZATION);
            if let Some(user) = &self.user {
                headers.insert(IMPERSONATE_USER, user.clone());
            }
        }
        Ok(self.client.send(request.map(Body::from)).await?)
    }
}

fn forget_line(headers: &mut HeaderMap) {
    for name in OF_THE_LINE {
        headers.remove(name);
    }
    headers.remove("keep-alive");
}

/// An error cuts the line.
pub(super) async fn handle(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Answer, Error> {
    let (parts, body) = request.into_parts();
    let call = Call::new(&parts.method, &parts.uri, &parts.headers);
    let number = shared.log.came(call.clone());
    let harm = shared.plan.meet(&call);
    // The whole of it has come before anything happens.
    let body = body.collect().await?.to_bytes();
    let kind = shared.upstream.kind;
    match &harm {
        Some(Harm::Refuse(status)) => {
            shared.log.answered(number, *status);
            return Ok(answers::refusal(kind, *status).map(whole));
        }
        Some(Harm::CutBefore) => return Err(cut()),
        Some(Harm::Delay(delay)) => sleep(*delay).await,
        Some(Harm::Hold(hold)) if !hold.wait(Moment::Before).await => return Err(cut()),
        _ => {}
    }
    let question = stale::question(kind, &call, &parts.headers);
    let old = question
        .as_ref()
        .and_then(|question| shared.stale.answer(question));
    let answer = if let Some(old) = old {
        old.map(whole)
    } else {
        let mut answer = shared
            .upstream
            .send(Request::from_parts(parts, body))
            .await?;
        forget_line(answer.headers_mut());
        if call.is_watch {
            let frozen = shared.frozen.subscribe();
            answer.map(|body| gated(body, frozen))
        } else {
            let (mut parts, body) = answer.into_parts();
            // All of it, so that a line is not cut before the server has done its work.
            let body = body.collect().await?.to_bytes();
            parts.headers.remove(header::CONTENT_LENGTH);
            if let Some(question) = question.filter(|_| parts.status.is_success()) {
                shared.stale.keep(question, &parts.headers, &body);
            }
            Response::from_parts(parts, whole(Full::new(body)))
        }
    };
    match &harm {
        Some(Harm::CutAfter) => return Err(cut()),
        Some(Harm::Hold(hold)) if !hold.wait(Moment::After).await => return Err(cut()),
        _ => {}
    }
    shared.log.answered(number, answer.status().as_u16());
    Ok(answer)
}

fn cut() -> Error {
    io::Error::other("the line is cut").into()
}

fn whole(body: Full<Bytes>) -> UnsyncBoxBody<Bytes, Error> {
    body.map_err(|never| match never {}).boxed_unsync()
}

/// Every piece of a watch as it comes, except while it is frozen.
fn gated(body: Body, frozen: watch::Receiver<bool>) -> UnsyncBoxBody<Bytes, Error> {
    let pieces = BodyStream::new(body).then(move |piece| {
        let mut frozen = frozen.clone();
        async move {
            // The proxy is gone, and the line with it.
            let _ = frozen.wait_for(|frozen| !frozen).await;
            piece.map_err(Error::from)
        }
    });
    StreamBody::new(pieces).boxed_unsync()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collections_are_told_from_objects() {
        for (path, is_collection) in [
            ("/api/v1/nodes", true),
            ("/api/v1/nodes/a", false),
            ("/api/v1/namespaces", true),
            ("/api/v1/namespaces/a", false),
            ("/api/v1/namespaces/a/pods", true),
            ("/api/v1/namespaces/a/pods/b", false),
            ("/api/v1/namespaces/a/pods/b/status", false),
            ("/apis/apps/v1/namespaces/a/statefulsets", true),
            ("/apis/apps/v1/statefulsets", true),
            ("/apis/apps/v1", false),
            ("/version", false),
        ] {
            assert_eq!(
                Kind::Kubernetes.is_collection(path),
                is_collection,
                "{path}"
            );
        }
        assert!(Kind::Cloud.is_collection("/v1/servers"));
        assert!(!Kind::Cloud.is_collection("/v1/servers/42"));
    }
}
