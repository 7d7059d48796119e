use std::time::Duration as StdDuration;

use botwatch_core::model::{Duration, Timestamp};

use super::{BLOCKING, Clock, Tasks, clock::slew};

#[test]
fn a_wall_set_back_is_slewed_and_reported_one_set_forward_is_followed() {
    // (monotonic, wall) → (our time, jump?)
    let seen = slew::run(&[(0, 100_000), (1000, 101_000), (2000, 92_000), (3000, 93_000), (24_000, 114_000)]);
    assert_eq!(
        seen,
        [(100_000, false), (101_000, false), (101_500, true), (102_000, false), (114_000, false)]
    );
    let seen = slew::run(&[(0, 100_000), (1000, 161_000), (2000, 162_000)]);
    assert_eq!(seen, [(100_000, false), (161_000, true), (162_000, false)]);
}

#[tokio::test]
async fn sleepers_wake_when_a_manual_clock_gets_there() {
    let clock = Clock::manual(Timestamp::from_secs(10));
    let sleeper = {
        let clock = clock.clone();
        async move {
            clock.sleep(Duration::from_secs(5)).await;
            clock.now()
        }
    };
    let mover = async {
        clock.set(Timestamp::from_secs(12));
        tokio::task::yield_now().await;
        clock.set(Timestamp::from_secs(15));
    };
    let (woke, ()) = tokio::join!(sleeper, mover);
    assert_eq!(woke, Timestamp::from_secs(15));
}

#[tokio::test]
async fn panics_are_told_and_stop_waits_for_the_rest() {
    let (tasks, mut ended) = Tasks::new();
    tasks.spawn("buggy", async { panic!("on purpose") });
    let stop = tasks.stop_token();
    tasks.spawn("polite", async move { stop.cancelled().await });
    let end = ended.recv().await.expect("told");
    assert_eq!((end.name, end.message.as_str()), ("buggy", "on purpose"));
    assert_eq!(tasks.blocking(|| panic!("blocking on purpose")).await, None::<()>);
    let end = ended.recv().await.expect("told");
    assert_eq!((end.name, end.message.as_str()), (BLOCKING, "blocking on purpose"));
    assert!(tasks.stop(StdDuration::from_secs(5)).await);
}

#[tokio::test]
async fn a_fast_clock_gets_there_sooner() {
    let (real, fast) = (Clock::system(), Clock::fast(1000));
    let (began, begun) = (real.now(), fast.now());
    fast.sleep(Duration::from_secs(60)).await;
    assert!(fast.now().since(begun) >= Duration::from_secs(60));
    assert!(real.now().since(began) < Duration::from_secs(60));
}
