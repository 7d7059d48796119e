//! Found, gone, or blind.

use super::{
    super::{
        files::Root,
        finder::{Blind, find},
    },
    tree::Tree,
};
use crate::collect::ProcessFinder;

/// The id found and how many matched, `None` when gone, or the message of the blindness.
fn look(
    root: &Root,
    finder: &ProcessFinder,
    current: Option<(u32, u64)>,
) -> Result<Option<(u32, u32)>, String> {
    match find(root, finder, current) {
        Ok(found) => Ok(found.map(|found| (found.pid, found.matches))),
        Err(blind) => {
            assert!(!blind.mend().is_empty());
            Err(blind.to_string())
        }
    }
}

fn name(name: &str) -> ProcessFinder {
    ProcessFinder::Name(name.into())
}

#[test]
fn by_id_and_by_pid_file() {
    let tree = Tree::new();
    tree.process(50, "node", &["node", "bot.js"], 900);
    let root = tree.root();
    assert_eq!(look(&root, &ProcessFinder::Pid(50), None), Ok(Some((50, 1))));
    assert_eq!(look(&root, &ProcessFinder::Pid(51), None), Ok(None));

    let file = ProcessFinder::PidFile("/run/bot.pid".into());
    assert_eq!(look(&root, &file, None), Ok(None));
    for (text, expected) in [
        ("50\n", Ok(Some((50, 1)))),
        (" 50 extra", Ok(Some((50, 1)))),
        ("51", Ok(None)),
        ("", Err("the pid file /run/bot.pid holds no process id".to_owned())),
        ("0", Err("the pid file /run/bot.pid holds no process id".to_owned())),
        ("bot", Err("the pid file /run/bot.pid holds no process id".to_owned())),
    ] {
        tree.write("run/bot.pid", text);
        assert_eq!(look(&root, &file, None), expected, "{text}");
    }
    let denied = look(&root.denying(&["bot.pid"]), &file, None);
    assert_eq!(denied, Err("the pid file /run/bot.pid can't be read: permission denied".to_owned()));
}

#[test]
fn by_name_the_oldest_that_is_no_shell_and_the_same_as_before() {
    let tree = Tree::new();
    let root = tree.root();
    assert_eq!(look(&root, &name("bot"), None), Ok(None));
    tree.process(40, "sh", &["sh", "bot.sh"], 100);
    assert_eq!(look(&root, &name("bot"), None), Ok(Some((40, 1))));
    tree.process(50, "node", &["node", "bot.js"], 900);
    tree.process(45, "node", &["node", "bot.js"], 950);
    assert_eq!(look(&root, &name("bot"), None), Ok(Some((50, 3))));
    assert_eq!(look(&root, &name("bot.js"), None), Ok(Some((50, 2))));
    assert_eq!(look(&root, &name("bot"), Some((45, 950))), Ok(Some((45, 0))), "kept without a search");
    assert_eq!(look(&root, &name("bot"), Some((45, 949))), Ok(Some((50, 3))), "its id was given out again");
    tree.stat(50, "node", 'Z', 900);
    assert_eq!(look(&root, &name("bot.js"), Some((50, 900))), Ok(Some((45, 1))), "a zombie is gone");
}

#[test]
fn what_is_hidden_is_not_gone() {
    let tree = Tree::new();
    tree.process(50, "node", &["node", "bot.js"], 900);
    let hidden = Err(Blind::Hidden.to_string());
    // hidepid=1: shown, but not readable.
    let root = tree.root().denying(&["50/stat", "50/comm", "50/cmdline"]);
    assert_eq!(look(&root, &ProcessFinder::Pid(50), None), hidden);
    assert_eq!(look(&root, &name("bot"), None), hidden);
    // hidepid=2: not shown.
    tree.remove("proc/1");
    tree.remove("proc/50");
    let root = tree.root();
    for finder in [ProcessFinder::Pid(50), name("bot")] {
        assert_eq!(look(&root, &finder, Some((50, 900))), hidden);
    }
    tree.process(60, "node", &["node", "bot.js"], 900);
    assert_eq!(look(&root, &name("bot"), None), Ok(Some((60, 1))), "one's own can be seen");
    // No /proc at all.
    let empty = Root::at(tree.path().join("nowhere"));
    for finder in [ProcessFinder::Pid(50), name("bot"), ProcessFinder::Port(3000)] {
        assert_eq!(look(&empty, &finder, None), Err("/proc can't be read: not there".to_owned()));
    }
}

#[test]
fn by_port() {
    let tree = Tree::new();
    let root = tree.root();
    let port = ProcessFinder::Port(3000);
    tree.process(50, "node", &["node", "bot.js"], 900);
    tree.listen(None);
    assert_eq!(look(&root, &port, None), Ok(None));
    tree.listen(Some(4711));
    assert_eq!(look(&root, &port, None), Err(Blind::PortOwner(3000).to_string()));
    tree.socket(50, 7, 4711);
    assert_eq!(look(&root, &port, None), Ok(Some((50, 1))));
    // A closed port doesn't end a process that lives.
    tree.listen(None);
    assert_eq!(look(&root, &port, Some((50, 900))), Ok(Some((50, 0))));
    // Somebody else has it now.
    tree.process(60, "node", &["node", "bot.js"], 990);
    tree.socket(60, 7, 4712);
    tree.listen(Some(4712));
    assert_eq!(look(&root, &port, Some((50, 900))), Ok(Some((60, 1))));
    let denied = root.denying(&["60/fd"]);
    assert_eq!(look(&denied, &port, None), Err(Blind::PortOwner(3000).to_string()));
    assert_eq!(look(&denied, &port, Some((60, 990))), Ok(Some((60, 0))));
}

#[test]
fn by_cgroup() {
    let tree = Tree::new();
    let root = tree.root();
    let cgroup = |path: &str| ProcessFinder::Cgroup(path.into());
    let service = cgroup("system.slice/bot.service");
    assert_eq!(look(&root, &service, None), Err(Blind::NoCgroup.to_string()));
    tree.cgroup("", &[("cgroup.procs", "1\n")]);
    assert_eq!(look(&root, &service, None), Ok(None), "systemd removes that of a service that stopped");
    tree.cgroup("system.slice/bot.service", &[("cgroup.procs", "")]);
    assert_eq!(look(&root, &service, None), Ok(None));
    tree.process(50, "node", &["node", "bot.js"], 900);
    tree.process(51, "node", &["node", "bot.js"], 901);
    tree.cgroup("system.slice/bot.service/inner", &[("cgroup.procs", "51\n50\n")]);
    for path in
        ["system.slice/bot.service", "/system.slice/bot.service/", "/sys/fs/cgroup/system.slice/bot.service"]
    {
        assert_eq!(look(&root, &cgroup(path), None), Ok(Some((50, 2))), "{path}");
    }
    assert_eq!(look(&root, &service, Some((51, 901))), Ok(Some((51, 2))));
    assert_eq!(look(&root, &service, Some((51, 900))), Ok(Some((50, 2))));
    tree.cgroup("system.slice/bot.service/inner", &[("cgroup.procs", "0\n")]);
    assert_eq!(look(&root, &service, None), Err(Blind::OtherNamespace.to_string()));
    let denied = root.denying(&["bot.service/cgroup.procs"]);
    assert_eq!(look(&denied, &service, None), Err("the cgroup can't be read: permission denied".to_owned()));
}
