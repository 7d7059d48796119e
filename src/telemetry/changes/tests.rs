use botwatch_core::model::Timestamp;

use super::{Changes, Say};

#[test]
fn a_problem_is_told_when_it_changes_and_once_an_hour() {
    let at = Timestamp::from_secs;
    let mut changes = Changes::new(8);
    let still = |since, times| Say::Still { since: at(since), times };
    let over = |since, times| Say::Over { since: at(since), times };
    let table = [
        (0, None, Say::Nothing),
        (10, Some("refused"), Say::Changed),
        (15, Some("refused"), Say::Nothing),
        (3609, Some("refused"), Say::Nothing),
        (3610, Some("refused"), still(10, 4)),
        (3615, Some("refused"), Say::Nothing),
        (3620, Some("timeout"), Say::Changed),
        (7219, Some("timeout"), Say::Nothing),
        (7220, Some("timeout"), still(10, 8)),
        (7225, None, over(10, 8)),
        (7230, None, Say::Nothing),
        (7235, Some("refused"), Say::Changed),
    ];
    for (now, problem, expected) in table {
        assert_eq!(changes.look("bot", problem, at(now)), expected, "at {now}");
    }
}

#[test]
fn what_finds_no_room_is_told_each_time() {
    let mut changes = Changes::new(1);
    let now = Timestamp::from_secs(1);
    assert_eq!(changes.look("a", Some(1), now), Say::Changed);
    assert_eq!(changes.look("b", Some(1), now), Say::Changed);
    assert_eq!(changes.look("b", Some(1), now), Say::Changed);
    changes.retain(|key| *key != "a");
    assert_eq!(changes.look("b", Some(1), now), Say::Changed);
    assert_eq!(changes.look("b", Some(1), now), Say::Nothing);
}
