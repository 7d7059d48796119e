//! What one look gives.

use botwatch_core::{model::Timestamp, tsdb::Visibility};

use super::{
    super::{
        board::Values,
        catalogue::Key,
        files::Root,
        look::ProcessLook,
        notices::{Notices, Said, What},
        rounds::Look as _,
    },
    tree::Tree,
};
use crate::collect::ProcessFinder;

struct Looking(ProcessLook, i64);

impl Looking {
    fn at(root: Root) -> Self {
        Self(ProcessLook::new(root, ProcessFinder::Name("bot".into())), 0)
    }

    /// One look, five seconds after the one before.
    fn look(&mut self) -> (Visibility, Values) {
        let mut values = Values::new(Key::ALL.len());
        self.1 += 5000;
        (self.0.look(Timestamp(self.1), &mut values), values)
    }
}

fn assert_values(values: &Values, expected: &[(Key, Option<f64>)]) {
    for (key, value) in expected {
        assert_eq!(values.get(*key), *value, "{key:?}");
    }
}

#[test]
fn everything_that_is_there() {
    let tree = Tree::new();
    tree.process(50, "node", &["node", "--max-old-space-size=512", "bot.js"], 100_050);
    let (visibility, values) = Looking::at(tree.root()).look();
    assert_eq!(visibility, Visibility::Seeing);
    assert_values(
        &values,
        &[
            (Key::Visible, Some(1.0)),
            (Key::Up, Some(1.0)),
            (Key::Matches, Some(1.0)),
            (Key::Restarts, Some(0.0)),
            (Key::Pid, Some(50.0)),
            (Key::StartTime, Some(1_700_001_000.5)),
            (Key::Uptime, Some(3999.5)),
            (Key::Cpu, Some(3.0)),
            (Key::CpuUser, Some(2.5)),
            (Key::CpuSystem, Some(0.5)),
            (Key::ResidentMemory, Some(524_288.0)),
            (Key::ProportionalMemory, Some(307_200.0)),
            (Key::VirtualMemory, Some(1_048_576.0)),
            (Key::Swap, Some(8192.0)),
            (Key::MemoryLimit, Some(1_024_000_000.0)),
            (Key::NodeHeapLimit, Some(536_870_912.0)),
            (Key::Threads, Some(11.0)),
            (Key::OpenFds, Some(2.0)),
            (Key::MaxFds, Some(1024.0)),
            (Key::StateSleeping, Some(1.0)),
            (Key::StateRunning, Some(0.0)),
            (Key::ContextSwitchesVoluntary, Some(7.0)),
            (Key::ContextSwitchesInvoluntary, Some(3.0)),
            (Key::MajorPageFaults, Some(42.0)),
            (Key::Read, Some(4096.0)),
            (Key::Write, Some(8192.0)),
            (Key::OomScore, Some(667.0)),
            (Key::UnreadablePss, Some(0.0)),
            (Key::CgroupMemory, None),
        ],
    );
}

#[test]
fn limits_up_the_tree_and_figures_that_outlive_the_process() {
    let tree = Tree::new();
    tree.process(50, "node", &["node", "bot.js"], 900);
    tree.write("proc/50/cgroup", "0::/slice/bot\n");
    tree.cgroup(
        "slice",
        &[("memory.max", "400000\n"), ("memory.high", "max\n"), ("cpu.max", "50000 100000\n")],
    );
    let files = [
        ("memory.current", "300000\n"),
        ("memory.max", "500000\n"),
        ("memory.high", "350000\n"),
        ("memory.swap.current", "77\n"),
        ("memory.stat", "anon 5\ninactive_file 100000\n"),
        ("memory.events", "low 0\nhigh 4\nmax 3\noom 2\noom_kill 1\n"),
        ("cpu.max", "max 100000\n"),
        ("cpu.stat", "usage_usec 5000000\nnr_periods 10\nnr_throttled 4\nthrottled_usec 1500000\n"),
        ("pids.current", "12\n"),
        ("pids.max", "100\n"),
        ("io.pressure", "some avg10=50.00 avg60=0 avg300=0 total=3000000\nfull avg10=1.00 total=1000000\n"),
    ];
    tree.cgroup("slice/bot", &files);
    let mut looking = Looking::at(tree.root());
    let (_, values) = looking.look();
    let always = [
        (Key::CgroupMemory, Some(300_000.0)),
        (Key::CgroupMemoryWorkingSet, Some(200_000.0)),
        (Key::CgroupMemoryLimit, Some(400_000.0)),
        (Key::CgroupMemoryHigh, Some(350_000.0)),
        (Key::CgroupSwap, Some(77.0)),
        (Key::CgroupOomEvents, Some(2.0)),
        (Key::CgroupMemoryHighEvents, Some(4.0)),
        (Key::CgroupCpu, Some(5.0)),
        (Key::CgroupCpuLimitCores, Some(0.5)),
        (Key::CgroupCpuPeriods, Some(10.0)),
        (Key::CgroupCpuThrottledPeriods, Some(4.0)),
        (Key::CgroupCpuThrottled, Some(1.5)),
        (Key::CgroupPids, Some(12.0)),
        (Key::CgroupPidsLimit, Some(100.0)),
        (Key::CgroupPressureSomeAvg10Cpu, None),
        (Key::CgroupPressureSomeAvg10Io, Some(0.5)),
        (Key::CgroupPressureWaitingIo, Some(3.0)),
        (Key::CgroupPressureStalledIo, Some(1.0)),
    ];
    assert_values(&values, &always);
    let more = [
        (Key::CgroupOomKills, Some(1.0)),
        (Key::MemoryLimit, Some(400_000.0)),
        (Key::UnreadableCgroup, Some(0.0)),
    ];
    assert_values(&values, &more);

    tree.remove("proc/50");
    tree.cgroup("slice/bot", &[("memory.events", "high 4\noom 2\noom_kill 2\n")]);
    let (visibility, values) = looking.look();
    assert_eq!(visibility, Visibility::Seeing);
    assert_values(&values, &always);
    assert_values(
        &values,
        &[(Key::Up, Some(0.0)), (Key::CgroupOomKills, Some(2.0)), (Key::Pid, None), (Key::MemoryLimit, None)],
    );

    tree.remove("sys/fs/cgroup/slice");
    let (visibility, values) = looking.look();
    assert_eq!(
        (visibility, values.get(Key::Up), values.get(Key::CgroupMemory)),
        (Visibility::Seeing, Some(0.0), None)
    );
}

#[test]
fn restarts_are_other_processes_whatever_their_id() {
    let tree = Tree::new();
    let mut looking = Looking::at(tree.root());
    let next = |looking: &mut Looking| {
        let (visibility, values) = looking.look();
        assert_eq!(
            (visibility, values.get(Key::Restarts)),
            (Visibility::Seeing, Some(looking.0.restarts() as f64))
        );
        (values.get(Key::Up), values.get(Key::Pid), looking.0.restarts())
    };
    assert_eq!(next(&mut looking), (Some(0.0), None, 0));
    tree.process(50, "node", &["node", "bot.js"], 900);
    assert_eq!(next(&mut looking), (Some(1.0), Some(50.0), 0), "the first is no restart");
    assert_eq!(next(&mut looking), (Some(1.0), Some(50.0), 0));
    tree.process(50, "node", &["node", "bot.js"], 950);
    assert_eq!(next(&mut looking), (Some(1.0), Some(50.0), 1), "the same id again");
    tree.remove("proc/50");
    assert_eq!(next(&mut looking), (Some(0.0), None, 1));
    tree.process(60, "node", &["node", "bot.js"], 990);
    assert_eq!(next(&mut looking), (Some(1.0), Some(60.0), 2));
    // It ends between the search and the reading.
    tree.remove("proc/60/status");
    assert_eq!(next(&mut looking), (Some(0.0), None, 2));
}

#[test]
fn blind_keeps_nothing_but_that_it_is() {
    let tree = Tree::new();
    tree.process(50, "node", &["node", "bot.js"], 900);
    let (visibility, values) = Looking::at(tree.root().denying(&["50/stat", "50/comm"])).look();
    assert_eq!(visibility, Visibility::Blind);
    let present: Vec<usize> = (0..Key::ALL.len()).filter(|at| values.get(*at).is_some()).collect();
    assert_eq!((present, values.get(Key::Visible)), (vec![Key::Visible as usize], Some(0.0)));
}

#[test]
fn what_another_user_may_not_read() {
    let tree = Tree::new();
    tree.process(50, "node", &["node", "bot.js"], 900);
    let denied = tree.root().denying(&["50/fd", "50/io", "50/smaps_rollup", "50/environ"]);
    let (visibility, values) = Looking::at(denied).look();
    assert_eq!(visibility, Visibility::Seeing);
    assert_values(
        &values,
        &[
            (Key::Up, Some(1.0)),
            (Key::ResidentMemory, Some(524_288.0)),
            (Key::ProportionalMemory, None),
            (Key::OpenFds, None),
            (Key::Read, None),
            (Key::UnreadablePss, Some(1.0)),
            (Key::UnreadableFds, Some(1.0)),
            (Key::UnreadableIo, Some(1.0)),
            (Key::UnreadableEnviron, Some(1.0)),
            (Key::UnreadableCgroup, None),
        ],
    );
    let mut notices = Notices::default();
    let said: Vec<_> =
        [true, false, false, true, true].map(|readable| notices.note(What::Io, readable)).into();
    assert_eq!(said, [None, Some(Said::Unreadable), None, Some(Said::Readable), None]);
    assert_eq!((notices.readable(What::Io), notices.readable(What::Pss)), (Some(true), None));
}

#[test]
fn a_heap_limit_of_the_environment_that_outlives_a_title() {
    let tree = Tree::new();
    tree.process(50, "node", &["node", "bot.js"], 900);
    tree.write("proc/50/environ", "SECRET=x\0NODE_OPTIONS=--max-old-space-size=256\0");
    let mut looking = Looking::at(tree.root());
    let limit = |looking: &mut Looking| looking.look().1.get(Key::NodeHeapLimit);
    assert_eq!(limit(&mut looking), Some(268_435_456.0));
    // The program sets its title, which overwrites the command line.
    tree.stat(50, "bot: paper", 'S', 900);
    tree.write("proc/50/cmdline", "bot: paper\0");
    tree.write("proc/50/environ", "");
    assert_eq!(limit(&mut looking), Some(268_435_456.0));
    // Another process starts without one.
    tree.process(50, "node", &["node", "bot.js"], 950);
    assert_eq!(limit(&mut looking), None);
}

#[test]
fn pss_is_not_read_every_time() {
    let tree = Tree::new();
    tree.process(50, "node", &["node", "bot.js"], 900);
    let mut looking = Looking::at(tree.root());
    let mut pss = vec![looking.look().1.get(Key::ProportionalMemory)];
    tree.write("proc/50/smaps_rollup", "Pss:   600 kB\n");
    pss.extend((0..3).map(|_| looking.look().1.get(Key::ProportionalMemory)));
    assert_eq!(pss, [Some(307_200.0), Some(307_200.0), Some(307_200.0), Some(614_400.0)]);
}
