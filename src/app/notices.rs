//! What a person should know at the start, on the page and in health: what is watched, what can't be, what is off.

use crate::{
    api::{Notice, NoticeKind},
    config::Configuration,
};

/// In the order in which they are read.
pub(super) fn of(configuration: &Configuration) -> Vec<Notice> {
    let mut all = Vec::new();
    let mut say = |kind, text: String| all.push(Notice { kind, text });
    let switches = &configuration.switches;
    if switches.alerting.as_ref().is_some_and(|a| !a.value) {
        say(
            NoticeKind::Off,
            "sending is off: PRODUCTION_ALERTING_ENABLED=false; alerts are decided and shown only".into(),
        );
    }
    match switches.mode.as_ref().map(|m| &*m.value) {
        None => say(NoticeKind::Off, "safety off: set BOT_MODE=paper".into()),
        Some(mode) => say(
            NoticeKind::Cannot,
            format!(
                "BOT_MODE={mode}: safety rests on what the bot itself exports; botwatch does not check the mode by itself yet"
            ),
        ),
    }
    watched(configuration, &mut say);
    told(configuration, &mut say);
    all
}

fn watched(configuration: &Configuration, say: &mut impl FnMut(NoticeKind, String)) {
    let collect = &configuration.collect;
    for job in &collect.jobs {
        let targets: Vec<&str> = job.static_targets.iter().flat_map(|g| &g.targets).map(|t| &**t).collect();
        let files = if job.files.is_empty() { "" } else { " and targets from files" };
        let shown = match targets.len() {
            0..=3 => targets.join(", "),
            n => format!("{n} targets"),
        };
        say(NoticeKind::Watches, format!("job `{}`: {shown}{files}, every {}", job.name, job.interval));
    }
    match &collect.process {
        Some(process) => {
            say(NoticeKind::Watches, format!("the bot's process, found by {}", by(&process.finder)));
        }
        None => say(
            NoticeKind::Cannot,
            "the bot's process is not watched: set BOT_PID, BOT_PROCESS or `bot.process`".into(),
        ),
    }
    let rules: Vec<_> =
        configuration.rules.files.iter().flat_map(|f| &f.groups).flat_map(|g| &g.rules).collect();
    let alerts = rules.iter().filter(|r| r.alert.is_some()).count();
    match rules.len() {
        0 => say(
            NoticeKind::Cannot,
            "there are no rules: no alert can come from this botwatch's own data".into(),
        ),
        n => say(NoticeKind::Watches, format!("{alerts} alerting and {} recording rules", n - alerts)),
    }
}

fn by(finder: &crate::collect::ProcessFinder) -> String {
    use crate::collect::ProcessFinder as By;
    match finder {
        By::Pid(pid) => format!("process id {pid}"),
        By::PidFile(path) => format!("the file {}", path.display()),
        By::Name(name) => format!("the name `{name}`"),
        By::Port(port) => format!("port {port}"),
        By::Cgroup(cgroup) => format!("the cgroup {cgroup}"),
    }
}

fn told(configuration: &Configuration, say: &mut impl FnMut(NoticeKind, String)) {
    let told = configuration.told();
    if told.is_empty() {
        say(
            NoticeKind::Cannot,
            "nobody is told: no receiver is configured (set SMTP_HOST and ALERT_EMAIL_RECIPIENTS, SLACK_WEBHOOK_URL or ALERT_WEBHOOK_ENDPOINTS)".into(),
        );
        return;
    }
    for text in told {
        say(NoticeKind::Tells, text);
    }
}
