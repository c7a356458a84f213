//! One connection: reads, feeds the session, acts on its events, writes its answers, keeps the deadlines.

use crate::{
    Config, Context,
    credentials::{self, Refusal},
    ingest::Ingest,
    metrics::Counted,
};
use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::Notify,
    time::timeout_at,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use unisono_auth::Pass;
use unisono_base::{Doorbell, Shown, Span};
use unisono_hub::{Entrance, Role, Source, Ticket};
use unisono_mux::flv::FlvError;
use unisono_net::Wait;
use unisono_proto_rtmp::{Event, Limits, Session, StreamKey};

/// How often a publisher's key or token is asked whether it still holds.
const RECHECK_EVERY: Duration = Duration::from_secs(1);
/// Bytes taken from the socket at once.
const READ_MAX: usize = 32 << 10;
/// An answer that the peer does not take for so long ends the connection.
const WRITE_WITHIN: Duration = Duration::from_secs(5);
/// After a last word: so long, and so many bytes, are read and forgotten, since closing with unread bytes makes
/// TCP reset the connection and the encoder would not see why.
const FAREWELL_WITHIN: Duration = Duration::from_secs(1);
const FAREWELL_BYTES_MAX: usize = 4 << 20;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("the publisher stopped")]
    Unpublished,
    #[error("the publisher closed the connection")]
    Closed,
    #[error("connection lost: {0}")]
    Io(#[from] io::Error),
    #[error("not RTMP as we know it: {0}")]
    Protocol(#[from] unisono_proto_rtmp::Error),
    #[error("no publish command within {0:?}")]
    Slow(Duration),
    #[error("nothing received for {0:?}")]
    Silent(Duration),
    #[error("answers are not read")]
    Deaf,
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    #[error("media refused: {0}")]
    Media(#[from] FlvError),
    #[error("another connection publishes this stream with the same key now")]
    Replaced,
    #[error("{0}")]
    Stopped(String),
    #[error("the server shuts down")]
    Shutdown,
}

impl End {
    /// Label for metrics.
    fn reason(&self) -> &'static str {
        match self {
            Self::Unpublished => "unpublished",
            Self::Closed => "closed",
            Self::Io(_) => "io",
            Self::Protocol(_) => "protocol",
            Self::Slow(_) => "slow",
            Self::Silent(_) => "silent",
            Self::Deaf => "deaf",
            Self::Refused(_) => "refused",
            Self::Media(_) => "media",
            Self::Replaced => "replaced",
            Self::Stopped(_) => "stopped",
            Self::Shutdown => "shutdown",
        }
    }

    /// What the encoder is told; `None` where it knows, or cannot hear.
    fn words(&self) -> Option<String> {
        match self {
            Self::Refused(refusal) => Some(refusal.to_string()),
            Self::Media(error) => Some(error.to_string()),
            Self::Replaced | Self::Stopped(_) | Self::Shutdown | Self::Protocol(_) => Some(self.to_string()),
            Self::Unpublished | Self::Closed | Self::Io(_) => None,
            Self::Slow(_) | Self::Silent(_) | Self::Deaf => None,
        }
    }
}

/// The hub's way to wake this task when it is replaced.
#[derive(Default)]
struct Bell(Notify);

impl Doorbell for Bell {
    fn ring(&self) {
        self.0.notify_one();
    }
}

/// Serves one connection to its end. Every way out drops the publication, which tells viewers that it is lost.
pub(crate) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: SocketAddr,
    config: &Config,
    context: &Context,
    shutdown: CancellationToken,
) {
    let mut connection = Connection {
        stream,
        peer,
        config,
        context,
        session: Session::new(Limits::default()),
        bell: Arc::default(),
        live: None,
        answered: None,
        rtt: None,
    };
    let end = match connection.run(&shutdown).await {
        Ok(never) => match never {},
        Err(end) => end,
    };
    let stream = connection.live.take().map(|mut live| {
        live.ingest.leaves_because(end.reason());
        live.ingest.stream_id().to_string()
    });
    context.metrics.ended(end.reason());
    match (&end, stream) {
        (End::Unpublished | End::Closed | End::Shutdown, stream) => {
            info!(peer = %Shown::from(peer), stream, "RTMP: {end}")
        }
        (_, stream) => warn!(peer = %Shown::from(peer), stream, "RTMP: {end}"),
    }
    if let Some(words) = end.words() {
        connection.farewell(&words).await;
    }
}

struct Connection<'a, S> {
    stream: S,
    peer: SocketAddr,
    config: &'a Config,
    context: &'a Context,
    session: Session,
    bell: Arc<Bell>,
    live: Option<Live>,
    /// When the last answer left, while the peer's reaction to it is awaited.
    answered: Option<Instant>,
    /// Shortest such wait.
    rtt: Option<Duration>,
}

/// An accepted publication.
struct Live {
    ingest: Ingest,
    pass: Pass,
    /// When the pass is asked again whether it holds.
    recheck: Instant,
    /// Its place among the node's sessions.
    ticket: Ticket,
    _counted: Counted,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<'_, S> {
    async fn run(&mut self, shutdown: &CancellationToken) -> Result<std::convert::Infallible, End> {
        let mut buffer = vec![0; READ_MAX];
        let mut deadline = tokio::time::Instant::now() + self.config.publish_within;
        loop {
            let bell = self.bell.clone();
            let length = tokio::select! {
                () = shutdown.cancelled() => return Err(End::Shutdown),
                () = bell.0.notified() => {
                    self.check_stop()?;
                    continue;
                }
                read = timeout_at(deadline, self.stream.read(&mut buffer)) => match read {
                    Ok(Ok(length)) => length,
                    // Encoders close TLS without a word.
                    Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
                    Ok(Err(error)) => return Err(error.into()),
                    Err(_) if self.live.is_some() => return Err(End::Silent(self.config.silence_max)),
                    Err(_) => return Err(End::Slow(self.config.publish_within)),
                },
            };
            if length == 0 {
                return Err(End::Closed);
            }
            let now = Instant::now();
            self.measure_rtt(now);
            self.context.metrics.received_bytes.inc_by(length as u64);
            let fed = self.session.handle_bytes(&buffer[..length]);
            // Events before an error are whole and count.
            while let Some(event) = self.session.poll_event() {
                self.handle_event(event, now)?;
            }
            fed?;
            self.recheck(now)?;
            self.flush().await?;
            if let Some(live) = &self.live {
                live.ticket.session().add_bytes(length as u64);
                deadline = tokio::time::Instant::now() + self.config.silence_max;
            }
        }
    }

    fn handle_event(&mut self, event: Event, now: Instant) -> Result<(), End> {
        match (event, &mut self.live) {
            (Event::PublishRequest { app, stream, encoder }, _) => {
                self.begin(&app, &stream, &encoder, now)?
            }
            (Event::Video { timestamp_ms, body }, Some(live)) => {
                live.ingest.video(timestamp_ms, &body, now)?
            }
            (Event::Audio { timestamp_ms, body }, Some(live)) => {
                live.ingest.audio(timestamp_ms, &body, now)?
            }
            (Event::Metadata(metadata), Some(live)) => live.ingest.metadata(&metadata),
            (Event::Closed, _) => return Err(End::Unpublished),
            (Event::Video { .. } | Event::Audio { .. } | Event::Metadata(_), None) => {}
        }
        Ok(())
    }

    fn begin(&mut self, app: &StreamKey, stream: &StreamKey, encoder: &str, now: Instant) -> Result<(), End> {
        let Context { hub, access, clock, metrics, patience } = self.context;
        let seconds = crate::ingest::unix_seconds(clock.at(now));
        let let_in = patience
            .check(self.peer.ip(), now)
            .map_err(|Wait(wait)| Refusal::Impatient(wait.as_secs().max(1)))
            .and_then(|()| credentials::check(app, stream, access, seconds.into()));
        if let_in.as_ref().is_err_and(Refusal::is_guess) {
            patience.failed(self.peer.ip(), now);
        }
        let begun = let_in.and_then(|(id, pass)| {
            let source = Source { protocol: "rtmp", accepts_pli: false };
            let publication = hub.publish(&id, pass.id(), source, seconds, self.bell.clone())?;
            let ticket = hub.enter(Entrance {
                role: Role::Publisher,
                protocol: "rtmp",
                stream: id.clone(),
                address: Some(self.peer.ip()),
                who: pass.id(),
                token: pass.token().map(str::to_owned),
                since: now,
            })?;
            Ok((id, pass, publication, ticket))
        });
        let (id, pass, publication, ticket) = begun.inspect_err(|refusal| {
            metrics.refused(refusal.reason());
            if let Some((id, key)) = credentials::asked_for(app, stream) {
                hub.denied(&id, key, "rtmp", refusal.to_string(), clock.at(now));
            }
        })?;
        let rtt = self.rtt.map_or(Span::ZERO, |rtt| Span::from_micros(rtt.as_micros() as i64));
        info!(peer = %Shown::from(self.peer), stream = %id, key = %pass.id(), encoder, epoch = %publication.epoch(), %rtt, "RTMP: publishing");
        ticket.session().set_bell(self.bell.clone());
        if let Some(rtt) = self.rtt {
            ticket.session().set_rtt(rtt);
        }
        let ingest = Ingest::new(publication, clock.clone(), metrics.clone(), rtt);
        self.live = Some(Live {
            ingest,
            pass,
            recheck: now + RECHECK_EVERY,
            ticket,
            _counted: Counted::new(&metrics.publishers),
        });
        self.session.accept_publish();
        Ok(())
    }

    /// Replaced by the same key, or ended by the node, in its words.
    fn check_stop(&self) -> Result<(), End> {
        let Some(live) = &self.live else { return Ok(()) };
        let words = live.ticket.session().stop_words().map(str::to_owned);
        if let Some(words) = words.or_else(|| live.ingest.stop_words().map(|words| words.to_string())) {
            return Err(End::Stopped(words));
        }
        if live.ingest.is_replaced() { Err(End::Replaced) } else { Ok(()) }
    }

    /// A key or token that was taken back ends what it let in.
    fn recheck(&mut self, now: Instant) -> Result<(), End> {
        let Some(live) = self.live.as_mut().filter(|live| now >= live.recheck) else { return Ok(()) };
        live.recheck = now + RECHECK_EVERY;
        let seconds = self.context.clock.at(now).unix_seconds();
        let held = self.context.access.recheck(&live.pass, seconds);
        held.map_err(|denied| End::Refused(Refusal::Denied(denied)))
    }

    /// Until media flows the peer answers at once to what it is told: the shortest wait is the round trip.
    fn measure_rtt(&mut self, now: Instant) {
        if let Some(answered) = self.answered.take() {
            let waited = now.saturating_duration_since(answered);
            self.rtt = Some(self.rtt.map_or(waited, |rtt| rtt.min(waited)));
        }
    }

    async fn flush(&mut self) -> Result<(), End> {
        while let Some(bytes) = self.session.poll_output() {
            tokio::time::timeout(WRITE_WITHIN, self.stream.write_all(&bytes))
                .await
                .map_err(|_| End::Deaf)??;
            self.answered = self.live.is_none().then(Instant::now);
        }
        Ok(())
    }

    /// Tells an encoder that has asked to publish why it may not, and waits until it had a chance to read it.
    async fn farewell(&mut self, words: &str) {
        if !self.session.reject_publish(words) || self.flush().await.is_err() {
            return;
        }
        if self.stream.shutdown().await.is_err() {
            return;
        }
        let deadline = tokio::time::Instant::now() + FAREWELL_WITHIN;
        let (mut buffer, mut forgotten) = (vec![0; READ_MAX], 0);
        while let Ok(Ok(length @ 1..)) = timeout_at(deadline, self.stream.read(&mut buffer)).await {
            forgotten += length;
            if forgotten > FAREWELL_BYTES_MAX {
                return;
            }
        }
    }
}
