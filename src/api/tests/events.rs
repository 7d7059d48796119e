//! What happens, followed as it happens.

use std::time::Duration;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::world::{NOW, World};
use crate::dispatch::{FeedEvent, What};

/// A stream that is being read.
struct Follower(TcpStream, String);

impl Follower {
    async fn new(world: &World, target: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(world.address).await.expect("connected");
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut follower = Self(stream, String::new());
        follower.until("retry: 3000").await;
        follower
    }

    /// Reads until a text has come.
    async fn until(&mut self, text: &str) {
        let mut buffer = [0; 4096];
        while !self.1.contains(text) {
            let read = tokio::time::timeout(Duration::from_secs(20), self.0.read(&mut buffer)).await;
            let n = read.unwrap_or_else(|_| panic!("no {text:?} in {}", self.1)).expect("read");
            assert!(n > 0, "it ended: {}", self.1);
            self.1.push_str(&String::from_utf8_lossy(&buffer[..n]));
        }
    }

    /// The data of the events of a kind that have come.
    fn data(&self, kind: &str) -> Vec<Value> {
        let begin = format!("event: {kind}\ndata: ");
        let after = self.1.split(&begin).skip(1);
        after
            .map(|rest| serde_json::from_str(rest.split('\n').next().expect("a line")).expect("JSON"))
            .collect()
    }
}

fn event(seq: u64, what: What) -> FeedEvent {
    FeedEvent { seq, at: NOW, what }
}

#[tokio::test]
async fn events_come_as_they_happen() {
    let world = World::new().await;
    let alert = r#"[{"labels":{"alertname":"A","severity":"critical"}}]"#;
    assert_eq!(world.post(alert).await.status, 200);
    let issue = world.get("/api/alerting/issues").await.json()["issues"][0].clone();
    let episode = issue["episode"].as_str().expect("text").parse().expect("an episode");
    let mut all = Follower::new(&world, "/api/alerting/events", "").await;
    assert!(all.1.contains("text/event-stream"), "{}", all.1);
    let mut silences = Follower::new(&world, "/api/alerting/events?type=silence", "").await;
    world.feed.publish([
        event(5, What::Alerts { episodes: vec![episode], count: 1, firing: true }),
        event(6, What::Notification { id: "1-x".into(), status: "delivered" }),
        event(7, What::Silence { id: "s1".into() }),
    ]);
    all.until("s1").await;
    let told = &all.data("alert")[0];
    assert_eq!((&told["status"], &told["issues"][0]["labels"]["alertname"]), (&"firing".into(), &"A".into()));
    assert_eq!((&told["issues"][0]["id"], &told["issues"][0]["status"]), (&issue["id"], &"open".into()));
    assert_eq!(all.data("notification")[0]["status"], "delivered");
    silences.until("s1").await;
    assert!(silences.data("alert").is_empty() && silences.1.contains("id: 7\n"));
}

#[tokio::test]
async fn who_was_away_goes_on_or_learns_that_events_were_missed() {
    let world = World::new().await;
    world.feed.publish((1..=3).map(|n| event(n, What::Silence { id: format!("s{n}").into() })));
    let mut again = Follower::new(&world, "/api/alerting/events", "Last-Event-ID: 1\r\n").await;
    again.until("s3").await;
    assert_eq!(again.data("silence").len(), 2);
    world.feed.publish((10..2000).map(|n| event(n, What::Silence { id: format!("s{n}").into() })));
    let mut late = Follower::new(&world, "/api/alerting/events?lastEventId=1", "").await;
    late.until("event: reset").await;
    assert!(late.1.contains("id: 1999\n") && late.data("silence").is_empty());
    for query in ["?type=weather", "?lastEventId=x", "?since=1"] {
        assert_eq!(world.get(&format!("/api/alerting/events{query}")).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn a_stream_ends_with_the_program() {
    let world = World::new().await;
    let mut follower = Follower::new(&world, "/api/alerting/events", "").await;
    let mut rest = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), follower.0.read_to_end(&mut rest));
    let (stopped, ended) = tokio::join!(world.tasks.stop(Duration::from_secs(20)), read);
    assert!(stopped && ended.is_ok());
}
