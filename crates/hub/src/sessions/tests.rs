use super::*;
use crate::{Hub, Limits, PublishError, Source, State};
use std::sync::atomic::AtomicUsize;
use unisono_base::Quota;

#[derive(Default)]
struct Bell(AtomicUsize);
impl Doorbell for Bell {
    fn ring(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn id(name: &str) -> StreamId {
    StreamId::local(name.parse().expect("valid"))
}

fn entrance(role: Role, stream: &str) -> Entrance {
    Entrance {
        role,
        protocol: "whep",
        stream: id(stream),
        address: None,
        who: KeyId::new("anyone"),
        token: None,
        since: Instant::now(),
    }
}

fn publish(hub: &Hub, stream: &str, key: &str) -> Result<crate::Publication, PublishError> {
    let source = Source { protocol: "rtmp", accepts_pli: false };
    hub.publish(&id(stream), KeyId::new(key), source, 100, Arc::new(Bell::default()))
}

fn limited(quota: Quota) -> Arc<Hub> {
    let hub = Hub::new(Limits::default());
    hub.set_quotas([(KeyId::new("k1"), quota)]);
    hub
}

#[test]
fn a_page_goes_on_where_the_last_one_ended_and_a_ticket_gives_its_place_back() {
    let hub = Hub::new(Limits::default());
    let tickets: Vec<_> =
        (0..5).map(|_| hub.enter(entrance(Role::Viewer, "live/x")).expect("room")).collect();
    let sessions = hub.sessions();
    let first = sessions.page(None, 3, |_| true);
    let rest = sessions.page(first.last().map(|s| s.key()), 3, |_| true);
    assert_eq!((first.len(), rest.len(), sessions.count()), (3, 2, 5));
    assert_eq!(first[0].key(), tickets[0].session().key(), "oldest first");
    assert_eq!(first[0].key().to_string().parse(), Ok(first[0].key()));
    drop(tickets);
    assert!(sessions.count() == 0 && sessions.0.read().counts.0.is_empty());
}

#[test]
fn who_is_asked_to_end_hears_it_even_if_its_bell_comes_later() {
    let hub = Hub::new(Limits::default());
    let ticket = hub.enter(entrance(Role::Viewer, "live/x")).expect("room");
    let found = hub.sessions().get(ticket.session().key()).expect("listed");
    found.stop("closed by the operator");
    found.stop("said twice");
    let bell = Arc::new(Bell::default());
    ticket.session().set_bell(bell.clone());
    assert_eq!(ticket.session().stop_words(), Some("closed by the operator"));
    assert_eq!(bell.0.load(Ordering::Relaxed), 1);
}

#[test]
fn a_key_publishes_no_more_streams_than_it_may_and_its_own_again() {
    let hub = limited(Quota { streams_max: Some(2), ..Quota::default() });
    let _one = publish(&hub, "live/a", "k1").expect("the first");
    let two = publish(&hub, "live/b", "k1").expect("the second");
    let words = publish(&hub, "live/c", "k1").err().expect("too many").to_string();
    assert!(words.contains("k1") && words.contains("max-streams"), "{words}");
    let _again = publish(&hub, "live/a", "k1").expect("a takeover is not one more");
    let _other = publish(&hub, "live/c", "k2").expect("another key is not limited");
    drop(two);
    publish(&hub, "live/d", "k1").expect("a place came back");
}

#[test]
fn a_limited_key_does_not_fill_the_hub_with_streams_that_are_waited_for() {
    let hub = limited(Quota { streams_max: Some(1), ..Quota::default() });
    let left = (0..100).filter(|n| publish(&hub, &format!("live/{n}"), "k1").is_ok()).count();
    assert_eq!(left, 16);
    let now = Instant::now();
    hub.sweep(now);
    hub.sweep(now + Limits::default().linger);
    publish(&hub, "live/late", "k1").expect("nobody waits any more");
}

#[test]
fn viewers_of_all_streams_of_a_key_count_together() {
    let hub = limited(Quota { viewers_max: Some(2), ..Quota::default() });
    let _streams = [("live/a", "k1"), ("live/b", "k1"), ("live/c", "k2")]
        .map(|(stream, key)| publish(&hub, stream, key).expect("free"));
    let first = hub.enter(entrance(Role::Viewer, "live/a")).expect("the first");
    let _second = hub.enter(entrance(Role::Viewer, "live/b")).expect("the second");
    let refused = hub.enter(entrance(Role::Viewer, "live/a")).expect_err("full");
    assert!(refused.to_string().contains("max-viewers"), "{refused}");
    let _other = hub.enter(entrance(Role::Viewer, "live/c")).expect("another key's stream");
    let _feed = hub.enter(entrance(Role::Reader, "live/a")).expect("events beside the picture");
    drop(first);
    let _third = hub.enter(entrance(Role::Viewer, "live/a")).expect("a place came back");
}

#[test]
fn too_many_bits_end_the_publisher_in_words() {
    let hub = limited(Quota { bitrate_max_kbps: Some(100), ..Quota::default() });
    let publication = publish(&hub, "live/a", "k1").expect("free");
    let start = Instant::now();
    for second in 0..6 {
        assert_eq!(publication.stop_words(), None, "before the window is full");
        hub.measure(start + Duration::from_secs(second));
        publication.stream().count(25_000);
    }
    assert!(publication.is_replaced());
    let words = publication.stop_words().expect("told");
    assert!(words.contains("200 kbit/s") && words.contains("max-bitrate"), "{words}");
    assert_eq!(publication.stream().state(), State::Lost);
}

#[test]
fn a_stream_that_was_stopped_stays_closed_for_a_while() {
    let hub = Hub::new(Limits::default());
    let publication = publish(&hub, "live/a", "k1").expect("free");
    let stream = hub.stream(&id("live/a")).expect("live");
    assert!(stream.stop_publisher("stopped by the operator"));
    assert!(!stream.stop_publisher("again"), "nobody publishes now");
    assert_eq!(publication.stop_words().as_deref(), Some("stopped by the operator"));
    hub.block(id("live/a"), 130);
    let words = publish(&hub, "live/a", "k1").err().expect("closed").to_string();
    assert!(words.contains("in 30 s"), "{words}");
    hub.block(id("live/a"), 100);
    let next = publish(&hub, "live/a", "k1").expect("open again");
    assert_eq!(next.stop_words(), None, "the words were the other's");
}
