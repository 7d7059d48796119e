//! Parses that take long, or end by a bug, and who must not notice.

use std::sync::Arc;

use botwatch_core::{
    model::{Duration, is_stale},
    tsdb::Visibility,
};
use parking_lot::{Condvar, Mutex};

use super::world::{Answer, PATIENCE, World, job_of, options, until};
use crate::collect::{
    Health,
    scrape::{Read, absorb::absorb},
};

/// Parses wait here while it is closed.
#[derive(Default)]
struct Gate {
    closed: Mutex<bool>,
    opened: Condvar,
    waiting: Mutex<usize>,
}

impl Gate {
    fn set(&self, closed: bool) {
        *self.closed.lock() = closed;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let mut closed = self.closed.lock();
        *self.waiting.lock() += usize::from(*closed);
        while *closed {
            self.opened.wait(&mut closed);
        }
    }

    fn read(self: &Arc<Self>) -> Read {
        let gate = Arc::clone(self);
        Arc::new(move |answer, job, cache, make| {
            gate.pass();
            absorb(answer, job, cache, make)
        })
    }
}

/// The runtime waits for its threads also when a test fails.
struct Open<'a>(&'a Gate);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// Too long to be parsed where sockets are served.
fn long(body: &str) -> Answer {
    Answer::text(&format!("{body}# {}\n", "x".repeat(40_000)))
}

#[tokio::test]
async fn a_parse_that_hangs_holds_up_nobody() {
    for back in [false, true] {
        let (world, gate) = (World::new(), Arc::new(Gate::default()));
        let _open = Open(&gate);
        let bot = world.bot("").await;
        bot.answer(long("a 1\n"));
        let job = job_of("bot", &[&bot.address]);
        let collector = world.reading(gate.read(), vec![job.clone()]);
        let target = world.tried(&collector).await.remove(0);
        assert_eq!(world.value("a"), Some(1.0));

        gate.set(true);
        bot.answer(long("a 2\nb 1\n"));
        until(|| {
            world.clock.set(world.clock.now() + Duration::from_secs(3));
            *gate.waiting.lock() == 1
        })
        .await;
        let (clock, own) = (world.clock.clone(), collector.clone());
        let looked = world.tasks.blocking(move || {
            let views = own.targets().len() + own.sources().len();
            own.reload(options(Vec::new()));
            let left = own.targets().len();
            clock.set(clock.now() + Duration::from_secs(3));
            own.reload(options(if back { vec![job] } else { Vec::new() }));
            (views, left, own.targets().len())
        });
        let looked = tokio::time::timeout(PATIENCE, looked).await.expect("nobody waits for the parse");
        assert_eq!(looked, Some((2, 0, usize::from(back))));
        assert!(!world.ended("a"), "the parse still holds its series");

        gate.set(false);
        let state = || world.store.visibility(world.store.source(&target.source));
        if back {
            until(|| world.value("b") == Some(1.0)).await;
            assert_eq!((world.value("a"), world.value("up")), (Some(2.0), Some(1.0)));
            assert_eq!(state().visibility, Visibility::Seeing);
            assert!(state().reported.is_some(), "the source has gone on under its name");
        } else {
            until(|| world.ended("a") && world.ended("up") && state().reported.is_none()).await;
            let b = world.series("b");
            assert!(b.iter().all(|(_, v)| v.iter().all(|v| is_stale(*v))), "nothing came of the late scrape");
        }
    }
}

#[tokio::test]
async fn a_parse_that_ends_by_a_bug_is_a_failure() {
    let read: Read = Arc::new(|answer, job, cache, make| {
        absorb(answer, job, cache, &mut |labels| {
            assert!(!answer.body.starts_with(b"boom"), "a bug");
            make(labels)
        })
    });
    for answer in [Answer::text, long] {
        let world = World::new();
        let bot = world.bot("").await;
        bot.answer(answer("a 1\n"));
        let collector = world.reading(Arc::clone(&read), vec![job_of("bot", &[&bot.address])]);
        world.tried(&collector).await;
        assert_eq!(world.value("a"), Some(1.0));
        bot.answer(answer("boom 1\n"));
        let targets = world.round(&collector).await;
        assert_eq!((targets[0].health, world.visibility(&targets[0])), (Health::Down, Visibility::Blind));
        assert!(targets[0].last_error.contains("bug"), "{}", targets[0].last_error);
        assert_eq!((world.value("a"), world.value("up")), (None, Some(0.0)));
        bot.answer(answer("a 2\n"));
        let targets = world.round(&collector).await;
        assert_eq!((targets[0].health, world.value("a")), (Health::Up, Some(2.0)));
    }
}
