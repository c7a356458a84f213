//! Rooms over a link: one order at both nodes, however long, lossy or down the link is.

use crate::{
    hop::Hop,
    support::{Node, OLD, PATIENCE, eventually},
};
use bytes::Bytes;
use serde_json::json;
use std::{sync::Arc, time::Duration};
use unisono_base::{RoomId, Tenant};
use unisono_room::{Feed, FeedItem, RoomError, Rooms, Start, View, Visitor};
use unisono_timeline::{Ack, At, Command, Person, Role, Status, Uuid, Verb};

fn room() -> RoomId {
    RoomId::parse(Tenant::default(), "live:alice").expect("valid")
}

fn chat(text: &str) -> Command {
    Command {
        cmd_id: Uuid::now_v7(),
        ty: "chat".to_owned(),
        verb: Verb::Send,
        lane: None,
        at: At::Now,
        dur: None,
        ttl: None,
        late: None,
        subject: None,
        data: json!({ "text": text }),
    }
}

/// As a client does: under the same `cmd_id` until there is an answer.
async fn say(rooms: &Rooms, command: Command) -> Ack {
    let boss = Visitor { person: Person { id: "boss".into(), name: None }, role: Role::Host };
    let said = async {
        loop {
            match rooms.command(room(), command.clone(), &boss, View::default()).await {
                Ok((ack, _)) => return ack,
                Err(RoomError::Away(words)) => assert!(words.contains("the same cmd_id again"), "{words}"),
                Err(other) => panic!("{other}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, said).await.expect("an answer")
}

/// A feed, as soon as there is one.
async fn feed(rooms: &Rooms, from: u64) -> Feed {
    let begun = async {
        loop {
            if let Ok(feed) = rooms.subscribe(room(), Start::From(from), None).await {
                return feed;
            }
        }
    };
    tokio::time::timeout(PATIENCE, begun).await.expect("a feed")
}

/// The events up to `last`: their numbers follow each other without gap or repetition.
async fn lines(feed: &mut Feed, mut next: u64, last: u64) -> Vec<Bytes> {
    let mut lines = Vec::new();
    let read = async {
        while next <= last {
            if let FeedItem::Events(batch) = feed.next().await.expect("it goes on") {
                for (event, json) in batch.events() {
                    assert_eq!(event.seq, next);
                    next += 1;
                    lines.push(json.clone());
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("all of them");
    lines
}

#[tokio::test]
async fn a_long_and_lossy_link_keeps_one_order_and_one_feed() {
    let origin = Node::origin(&[OLD]).await;
    let hop = Hop::new(origin.address(), Duration::from_millis(50), 0.03, 20e6).await;
    let edge = Node::below(hop.address, &[OLD]).await;
    let mut feeds = [feed(&edge.rooms, 1).await, feed(&edge.rooms, 1).await, feed(&origin.rooms, 1).await];
    let said = (0..120).map(|number| {
        let rooms: Arc<Rooms> = if number % 3 == 0 { &origin } else { &edge }.rooms.clone();
        tokio::spawn(async move { say(&rooms, chat(&format!("{number}"))).await })
    });
    for ack in said.collect::<Vec<_>>() {
        assert_eq!(ack.await.expect("no panic").status, Status::Accepted);
    }
    let [a, b, c] = &mut feeds;
    let there = lines(c, 1, 120).await;
    assert_eq!(lines(a, 1, 120).await, there);
    assert_eq!(lines(b, 1, 120).await, there);
    assert_eq!(edge.metric("unisono_relay_rooms_mirrored"), 1.0);
    assert_eq!(origin.metric("unisono_relay_rooms_given"), 1.0);
    assert_eq!(origin.rooms.counts().feeds, 2, "its own, and the edge's");
}

#[tokio::test]
async fn an_answer_lost_with_the_link_is_given_by_the_next_and_nothing_is_done_twice() {
    let origin = Node::origin(&[OLD]).await;
    let hop = Hop::new(origin.address(), Duration::from_millis(5), 0.0, 20e6).await;
    let edge = Node::below(hop.address, &[OLD]).await;
    assert_eq!(say(&edge.rooms, chat("first")).await.seq, Some(1));
    let mut here = feed(&edge.rooms, 1).await;
    let mut there = feed(&origin.rooms, 1).await;
    // What the edge says arrives; what the origin answers does not.
    hop.lose(true, false);
    let asked = tokio::spawn({
        let rooms = edge.rooms.clone();
        async move { say(&rooms, chat("second")).await }
    });
    lines(&mut there, 1, 2).await;
    hop.lose(true, true);
    eventually("the link is down", || edge.metric("unisono_relay_link_up") == 0.0).await;
    assert_eq!(say(&origin.rooms, chat("third")).await.seq, Some(3));
    hop.lose(false, false);
    let ack = asked.await.expect("no panic");
    assert_eq!((ack.status, ack.seq), (Status::Duplicate, Some(2)));
    // Nobody's feed ended, and nothing is missing.
    lines(&mut here, 1, 3).await;
    assert_eq!(say(&edge.rooms, chat("fourth")).await.seq, Some(4));
    lines(&mut here, 4, 4).await;
}

#[tokio::test]
async fn an_origin_that_comes_back_finds_its_edges_again() {
    let port = Node::origin(&[OLD]).await;
    let (address, log) = (port.address(), port.log.clone());
    let edge = Node::below(address, &[OLD]).await;
    let mut here = feed(&edge.rooms, 1).await;
    assert_eq!(say(&edge.rooms, chat("before")).await.seq, Some(1));
    port.close().await;
    let asked = tokio::spawn({
        let rooms = edge.rooms.clone();
        async move { say(&rooms, chat("meanwhile")).await }
    });
    let again = Node::again(address, &[OLD], log).await;
    assert_eq!(asked.await.expect("no panic").seq, Some(2));
    assert_eq!(say(&again.rooms, chat("after")).await.seq, Some(3));
    lines(&mut here, 1, 3).await;
}

#[tokio::test]
async fn a_chain_of_nodes_has_one_room_and_a_loop_is_refused_in_words() {
    let origin = Node::origin(&[OLD]).await;
    let middle = Node::both(origin.address(), &[OLD]).await;
    let edge = Node::below(middle.address(), &[OLD]).await;
    let mut here = feed(&edge.rooms, 1).await;
    assert_eq!(say(&edge.rooms, chat("from below")).await.seq, Some(1));
    assert_eq!(say(&origin.rooms, chat("from above")).await.seq, Some(2));
    lines(&mut here, 1, 2).await;

    let [a, b] = Node::pair(&[OLD]).await;
    let refused = async {
        loop {
            let error = a.rooms.subscribe(room(), Start::From(1), None).await.map(drop).expect_err("a loop");
            if error.to_string().contains("form a loop") {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.expect("in words");
    drop(b);
}

#[tokio::test]
async fn a_request_is_answered_by_the_other_node_and_one_that_breaks_off_says_so() {
    let origin = Node::origin(&[OLD]).await;
    let edge = Node::below(origin.address(), &[OLD]).await;
    let ask = async |head: &'static str, size: usize| {
        let body = Bytes::from(vec![7; size]);
        loop {
            match edge.edge().request([], Bytes::from_static(head.as_bytes()), body.clone()).await {
                Err(error) if error.to_string().contains("link to it is down") => {}
                answer => return answer,
            }
        }
    };
    let mut answer = ask("whole", 60_000).await.expect("an answer");
    assert_eq!(answer.head, "1 nodes");
    let mut bytes = 0;
    while let Some(chunk) = answer.body.recv().await {
        bytes += chunk.expect("whole").len();
    }
    assert_eq!(bytes, 60_005);
    // The break may overtake all that was said before.
    if let Ok(mut answer) = ask("broken", 10).await {
        let mut last = None;
        while let Some(chunk) = answer.body.recv().await {
            last = Some(chunk);
        }
        assert!(matches!(last, Some(Err(_))), "{last:?}");
    }
    let refused = ask("long", 70_000).await.map(drop).expect_err("too long");
    assert!(refused.to_string().contains("65536"), "{refused}");
}
