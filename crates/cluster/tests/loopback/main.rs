//! Two nodes in one process, over real QUIC on loopback: what the edge's hub holds is what the origin's holds.

mod hop;
mod rooms;
mod support;

use hop::Hop;
use std::{sync::Arc, time::Duration};
use support::{NEW, Node, OLD, Publisher, any_port, eventually, frames, id, payloads};
use unisono_base::Doorbell;
use unisono_cluster::{Edge, NotHere};
use unisono_hub::{State, Stream};
use unisono_media::Kind;

fn live(stream: &Arc<Stream>) -> bool {
    matches!(stream.state(), State::Live { .. })
}

#[tokio::test]
async fn the_edge_has_the_same_frames_with_the_same_t_groups_and_borders() {
    let origin = Node::origin(&[OLD]).await;
    let mut publisher = Publisher::start(&origin.hub, 1_700_000_000);
    publisher.seconds(8);
    let edge = Node::below(origin.address(), &[OLD]).await;
    edge.edge().want(&id()).await.expect("it is there");
    publisher.seconds(3);

    let (there, here) = (publisher.stream(), edge.hub.stream(&id()).expect("pulled"));
    for kind in [Kind::Video, Kind::Audio] {
        eventually("the edge catches up", || frames(&here, kind) == frames(&there, kind)).await;
        assert!(frames(&here, kind).len() > 250, "more than the current group");
    }
    assert_eq!(here.cuts(), there.cuts());
    assert_eq!(
        here.state(),
        State::Live {
            epoch: publisher.epoch(),
            source: unisono_hub::Source { protocol: "relay", accepts_pli: false },
        }
    );
    let t = edge.edge().timeline(std::time::Instant::now()).expect("pinged");
    let now = origin.clock.at(std::time::Instant::now());
    assert!((now - t).abs() < unisono_base::Span::from_millis(100), "{t} and {now}");
}

#[tokio::test]
async fn many_who_want_it_at_once_share_one_pull() {
    let origin = Node::origin(&[OLD]).await;
    let mut publisher = Publisher::start(&origin.hub, 1_700_000_000);
    publisher.seconds(3);
    let edge = Node::below(origin.address(), &[OLD]).await;
    let wanted: Vec<_> = (0..50)
        .map(|_| {
            let edge: Edge = edge.edge().clone();
            tokio::spawn(async move { edge.want(&id()).await })
        })
        .collect();
    for want in wanted {
        want.await.expect("no panic").expect("it is there");
    }
    assert_eq!(edge.metric("unisono_relay_pulls_total"), 1.0);
    assert_eq!(origin.metric("unisono_relay_subscriptions"), 1.0);
}

#[tokio::test]
async fn a_new_epoch_and_a_publisher_who_comes_back_are_followed() {
    let origin = Node::origin(&[OLD]).await;
    let mut publisher = Publisher::start(&origin.hub, 1_700_000_000);
    publisher.seconds(3);
    let edge = Node::below(origin.address(), &[OLD]).await;
    edge.edge().want(&id()).await.expect("it is there");
    let (there, here) = (publisher.stream(), edge.hub.stream(&id()).expect("pulled"));
    let epoch = publisher.epoch();
    drop(publisher);
    eventually("its viewers wait", || here.state() == State::Lost).await;
    let mut publisher = Publisher::start(&origin.hub, 1_700_000_100);
    publisher.seconds(3);
    assert_ne!(publisher.epoch(), epoch);
    eventually("it goes on", || live(&here)).await;
    for kind in [Kind::Video, Kind::Audio] {
        eventually("both epochs", || frames(&here, kind) == frames(&there, kind)).await;
    }
    assert_eq!(here.cuts().list, there.cuts().list);
}

#[tokio::test]
async fn a_publisher_who_comes_back_after_the_edge_gave_up_is_pulled_anew() {
    let origin = Node::origin(&[OLD]).await;
    let mut publisher = Publisher::start(&origin.hub, 1_700_000_000);
    publisher.seconds(3);
    let edge = Node::below(origin.address(), &[OLD]).await;
    edge.edge().want(&id()).await.expect("it is there");
    let here = edge.hub.stream(&id()).expect("pulled");
    drop(publisher);
    eventually("its viewers wait", || here.state() == State::Lost).await;
    // The edge's clock runs a moment ahead: its hub ends the stream, which the origin still keeps.
    let now = std::time::Instant::now();
    edge.hub.sweep(now);
    edge.hub.sweep(now + Duration::from_secs(3_600));
    assert_eq!(here.state(), State::Ended);
    let mut publisher = Publisher::start(&origin.hub, 1_700_000_100);
    publisher.seconds(3);
    let stream = id();
    let again = async {
        while edge.hub.stream(&stream).is_none_or(|stream| !live(&stream)) {
            let _ = edge.edge().want(&stream).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), again).await.expect("it is pulled anew");
    assert_eq!(here.state(), State::Ended, "what has ended stays so");
}

#[tokio::test]
async fn a_stream_that_waits_for_its_publisher_is_waited_for_at_the_edge() {
    let origin = Node::origin(&[OLD]).await;
    let mut publisher = Publisher::start(&origin.hub, 1_700_000_000);
    publisher.seconds(3);
    let there = publisher.stream();
    drop(publisher);
    let edge = Node::below(origin.address(), &[OLD]).await;
    let back = async {
        eventually("it is asked for", || origin.metric("unisono_relay_subscriptions") == 1.0).await;
        let mut publisher = Publisher::start(&origin.hub, 1_700_000_100);
        publisher.seconds(2);
        publisher
    };
    let stream = id();
    let (want, back) = tokio::join!(edge.edge().want(&stream), back);
    want.expect("it is there");
    let here = edge.hub.stream(&id()).expect("pulled");
    eventually("all of it", || frames(&here, Kind::Video) == frames(&there, Kind::Video)).await;
    drop(back);
}

#[tokio::test]
async fn a_link_that_was_down_goes_on_where_it_ended() {
    let origin = Node::origin(&[OLD]).await;
    let mut publisher = Publisher::start(&origin.hub, 1_700_000_000);
    publisher.seconds(3);
    let edge = Node::below(origin.address(), &[OLD]).await;
    edge.edge().want(&id()).await.expect("it is there");
    let (there, here) = (publisher.stream(), edge.hub.stream(&id()).expect("pulled"));
    eventually("all of it", || frames(&here, Kind::Video) == frames(&there, Kind::Video)).await;

    let address = origin.address();
    let ground = (origin.hub.clone(), origin.clock.clone());
    origin.close().await;
    eventually("its viewers wait", || here.state() == State::Lost).await;
    publisher.seconds(2);
    let _back = Node::start(Some(address), None, &[OLD], Some(ground)).await;
    eventually("the link is back", || live(&here)).await;
    for kind in [Kind::Video, Kind::Audio] {
        eventually("nothing is missing", || frames(&here, kind) == frames(&there, kind)).await;
    }
    assert_eq!(edge.metric("unisono_relay_frames_missed_total"), 0.0);
}

#[tokio::test]
async fn a_link_on_which_nothing_comes_is_replaced_before_it_is_given_up() {
    let origin = Node::origin(&[OLD]).await;
    let mut publisher = Publisher::start(&origin.hub, 1_700_000_000);
    publisher.seconds(2);
    let hop = Hop::new(origin.address(), Duration::from_millis(5), 0.0, 20e6).await;
    let edge = Node::below(hop.address, &[OLD]).await;
    edge.edge().want(&id()).await.expect("it is there");
    publish(&mut publisher, 1).await;
    assert_eq!(edge.metric("unisono_relay_links_total"), 1.0);
    hop.forget();
    publish(&mut publisher, 2).await;
    eventually("another link", || edge.metric("unisono_relay_links_total") == 2.0).await;
    let (there, here) = (publisher.stream(), edge.hub.stream(&id()).expect("pulled"));
    for kind in [Kind::Video, Kind::Audio] {
        eventually("nothing is missing", || frames(&here, kind) == frames(&there, kind)).await;
    }
    assert_eq!(edge.metric("unisono_relay_frames_missed_total"), 0.0);
}

#[tokio::test]
async fn nodes_know_each_other_and_forget_who_is_gone() {
    let origin = Node::found_at("https://origin", Some(any_port()), None).await;
    let one = Node::found_at("https://one", None, Some(origin.address())).await;
    let two = Node::found_at("https://two", None, Some(origin.address())).await;
    let knows = |node: &Node, urls: &[&str]| {
        let mut known: Vec<_> = node.roster.others().into_iter().map(|peer| peer.url).collect();
        known.sort_unstable();
        known == urls
    };
    eventually("the origin knows both", || knows(&origin, &["https://one", "https://two"])).await;
    eventually("they know each other", || {
        knows(&one, &["https://origin", "https://two"]) && knows(&two, &["https://one", "https://origin"])
    })
    .await;
    two.roster.set_draining(true);
    eventually("all hear of a drain", || {
        one.roster.others().iter().any(|peer| peer.url == "https://two" && peer.is_draining)
    })
    .await;
    two.edge().close().await;
    eventually("who is gone is forgotten", || knows(&one, &["https://origin"])).await;
}

#[tokio::test]
async fn without_the_secret_nothing_is_relayed() {
    let origin = Node::origin(&[OLD]).await;
    let mut publisher = Publisher::start(&origin.hub, 1_700_000_000);
    publisher.seconds(2);
    let stranger = Node::below(origin.address(), &[NEW]).await;
    assert_eq!(stranger.edge().want(&id()).await, Err(NotHere::LinkDown(id())));
    assert!(stranger.hub.stream(&id()).is_none());
    // While the nodes change over, both secrets let in.
    let changing = Node::below(origin.address(), &[NEW, OLD]).await;
    changing.edge().want(&id()).await.expect("it knows the old one, too");
}

#[tokio::test]
async fn what_nobody_publishes_is_refused_in_words() {
    let origin = Node::origin(&[OLD]).await;
    let edge = Node::below(origin.address(), &[OLD]).await;
    let error = edge.edge().want(&id()).await.expect_err("nobody");
    assert_eq!(error.to_string(), "nobody publishes live/alice now");
    // And once somebody does, it can be had.
    let mut publisher = Publisher::start(&origin.hub, 1_700_000_000);
    publisher.seconds(2);
    let wanted = async {
        while edge.edge().want(&id()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(support::PATIENCE, wanted).await.expect("it is there now");
}

#[tokio::test]
async fn a_stream_passes_three_nodes_and_never_comes_back() {
    let origin = Node::origin(&[OLD]).await;
    let mut publisher = Publisher::start(&origin.hub, 1_700_000_000);
    publisher.seconds(3);
    let mut chain = vec![origin];
    for _ in 0..4 {
        let upstream = chain.last().expect("some").address();
        chain.push(Node::both(upstream, &[OLD]).await);
    }
    chain[3].edge().want(&id()).await.expect("three nodes deep");
    let here = chain[3].hub.stream(&id()).expect("pulled");
    eventually("the same", || frames(&here, Kind::Video) == frames(&publisher.stream(), Kind::Video)).await;
    let error = chain[4].edge().want(&id()).await.expect_err("four");
    assert!(error.to_string().contains("3 are the limit"), "{error}");

    // Two nodes that are each other's upstream, and a name that neither has.
    let [a, b] = Node::pair(&[OLD]).await;
    let error = a.edge().want(&id()).await.expect_err("a loop");
    assert!(error.to_string().contains("loop"), "{error}");
    drop(b);
}

#[tokio::test]
async fn events_of_the_room_come_once_each() {
    let origin = Node::origin(&[OLD]).await;
    let mut publisher = Publisher::start(&origin.hub, 1_700_000_000);
    publisher.seconds(2);
    publisher.event("{\"seq\":1}");
    let edge = Node::below(origin.address(), &[OLD]).await;
    edge.edge().want(&id()).await.expect("it is there");
    publisher.event("{\"seq\":2}");
    let here = edge.hub.stream(&id()).expect("pulled");
    eventually("both events", || frames(&here, Kind::Data) == frames(&publisher.stream(), Kind::Data)).await;
}

#[tokio::test]
async fn what_is_taken_out_of_a_room_leaves_the_edge_as_well() {
    let origin = Node::origin(&[OLD]).await;
    let mut publisher = Publisher::start(&origin.hub, 1_700_000_000);
    publisher.seconds(2);
    publisher.event(r#"{"id":"a","data":"secret"}"#);
    publisher.event(r#"{"id":"b","data":"open"}"#);
    let hop = Hop::new(origin.address(), Duration::from_millis(5), 0.0, 20e6).await;
    let edge = Node::below(hop.address, &[OLD]).await;
    edge.edge().want(&id()).await.expect("it is there");
    let (there, here) = (publisher.stream(), edge.hub.stream(&id()).expect("pulled"));
    eventually("both events", || frames(&here, Kind::Data) == frames(&there, Kind::Data)).await;
    let forget = |stream: &Stream, id: &'static str| {
        let left = format!(r#"{{"id":"{id}","data":null}}"#);
        let wanted = format!(r#""id":"{id}""#);
        stream.rewrite_events(|json| {
            let is_it = String::from_utf8_lossy(json).contains(&wanted);
            is_it.then(|| left.clone().into())
        });
    };
    forget(&there, "a");
    assert!(payloads(&there).iter().all(|json| !json.contains("secret")));
    eventually("it is forgotten at the edge", || payloads(&here) == payloads(&there)).await;
    // While the link is down nobody can tell it; it is told by the next one.
    hop.lose(true, true);
    eventually("the link is down", || edge.metric("unisono_relay_link_up") == 0.0).await;
    forget(&there, "b");
    hop.lose(false, false);
    eventually("it is forgotten later", || payloads(&here) == payloads(&there)).await;
}

/// Publishes in real time.
async fn publish(publisher: &mut Publisher, seconds: u32) {
    for _ in 0..seconds * 10 {
        publisher.tenth();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_long_and_lossy_link_loses_nothing() {
    let origin = Node::origin(&[OLD]).await;
    let mut publisher = Publisher::start(&origin.hub, 1_700_000_000);
    publisher.seconds(2);
    let hop = Hop::new(origin.address(), Duration::from_millis(50), 0.03, 20e6).await;
    let edge = Node::below(hop.address, &[OLD]).await;
    edge.edge().want(&id()).await.expect("it is there");
    publish(&mut publisher, 6).await;
    let (there, here) = (publisher.stream(), edge.hub.stream(&id()).expect("pulled"));
    for kind in [Kind::Video, Kind::Audio] {
        eventually("all of it", || frames(&here, kind) == frames(&there, kind)).await;
    }
    assert_eq!(edge.metric("unisono_relay_frames_missed_total"), 0.0);
}

/// Of somebody who is only there.
#[derive(Debug)]
struct Deaf;

impl Doorbell for Deaf {
    fn ring(&self) {}
}

#[tokio::test]
async fn on_a_thin_link_sound_stays_whole_and_pictures_catch_up() {
    let origin = Node::origin(&[OLD]).await;
    let mut publisher = Publisher::start(&origin.hub, 1_700_000_000);
    publisher.picture_bytes = 12_500;
    // 3 Mbit/s of pictures through 2 Mbit/s.
    let hop = Hop::new(origin.address(), Duration::from_millis(20), 0.0, 2e6).await;
    let edge = Node::below(hop.address, &[OLD]).await;
    publisher.seconds(1);
    edge.edge().want(&id()).await.expect("it is there");
    // Somebody watches: a pull for nobody ends after a while, which a busy machine may need for this.
    let _watches = edge.hub.stream(&id()).expect("pulled").subscribe(Arc::new(Deaf)).expect("room for one");
    publish(&mut publisher, 12).await;
    let (there, here) = (publisher.stream(), edge.hub.stream(&id()).expect("pulled"));
    eventually("sound is whole", || frames(&here, Kind::Audio) == frames(&there, Kind::Audio)).await;
    eventually("pictures catch up", || {
        let newest = |stream: &Stream| frames(stream, Kind::Video).last().cloned();
        newest(&here) == newest(&there)
    })
    .await;
    assert!(edge.metric("unisono_relay_frames_missed_total") > 0.0, "there was not room for all of it");
    // What the edge does have, it has as the origin has it, and without a hole.
    let (there, here) = (frames(&there, Kind::Video), frames(&here, Kind::Video));
    let from = there.iter().position(|frame| Some(frame) == here.first()).expect("one of the origin's");
    assert_eq!(there[from..], here[..]);
}
