//! Incidents: issues that are probably one trouble, and which of them came first (DESIGN §4 "Issues").
//!
//! Two issues belong together when they concern the same thing, began within minutes of each other, and one is known to
//! follow from the other, or both name the same part of the same bot. Nothing is merged for coming at the same time
//! alone: two troubles at once are two incidents. Of those that belong together the cause is the one that the others
//! follow from; among equals, the one that began first. Each incident says why.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use crate::model::{ALERT_NAME, Duration, Labels, SEVERITY, Timestamp};

use super::EpisodeId;

/// What follows from something begins within this time of it. Holds (`for`) differ by minutes.
const WITHIN: Duration = Duration::from_secs(5 * 60);
/// What is noticed sooner than its cause, because its rule waits less, began at most so long before it.
const BEFORE: Duration = Duration::from_secs(2 * 60);
/// Issues before one that it is compared with, so that a storm is sorted out in bounded time.
const LOOKED_AT: usize = 300;
/// Labels that say nothing about which part of a bot is concerned.
const COMMON: &[&str] = &[
    ALERT_NAME,
    SEVERITY,
    "category",
    "bot",
    "job",
    "instance",
    "signal",
    "source",
    "botwatch_safety",
    "env",
    "team",
];
/// Labels that say whose trouble it is, the most telling first.
const WHOSE: &[&str] = &["bot", "instance", "job"];

/// What an issue is about. In the order of causes: of two that could each follow from the other the earlier counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// The machine: its memory, its network.
    Host,
    /// File systems.
    Disk,
    /// The process is gone or starts again and again.
    Process,
    /// Memory of the process.
    Memory,
    /// Processor time.
    Cpu,
    /// Database, cache, pools.
    Database,
    /// The event loop lags or stands still.
    EventLoop,
    /// Connections to venues.
    Feed,
    /// What comes over them: prices, books, sequence.
    MarketData,
    /// The bot's API.
    Api,
    /// Orders.
    Orders,
    /// The strategy, the loop of the bot.
    Strategy,
    /// Log-ins, attacks.
    Security,
    /// Paper-trading safety.
    Safety,
    /// What watches: targets, scrapes, sources.
    Watching,
}

/// Words by which topics are recognised in names, the more telling first.
const WORDS: &[(&str, Topic)] = &[
    ("outofmemory", Topic::Process),
    ("oomkill", Topic::Process),
    ("botdown", Topic::Process),
    ("restart", Topic::Process),
    ("crash", Topic::Process),
    ("sourceblind", Topic::Watching),
    ("targetdown", Topic::Watching),
    ("scrape", Topic::Watching),
    ("paper", Topic::Safety),
    ("safety", Topic::Safety),
    ("credential", Topic::Safety),
    ("eventloop", Topic::EventLoop),
    ("hostmemory", Topic::Host),
    ("hostdown", Topic::Host),
    ("network", Topic::Host),
    ("packetloss", Topic::Host),
    ("disk", Topic::Disk),
    ("filesystem", Topic::Disk),
    ("inode", Topic::Disk),
    ("database", Topic::Database),
    ("postgres", Topic::Database),
    ("redis", Topic::Database),
    ("pool", Topic::Database),
    ("query", Topic::Database),
    ("cache", Topic::Database),
    ("memory", Topic::Memory),
    ("heap", Topic::Memory),
    ("garbage", Topic::Memory),
    ("cpu", Topic::Cpu),
    ("throttl", Topic::Cpu),
    ("websocket", Topic::Feed),
    ("reconnect", Topic::Feed),
    ("disconnect", Topic::Feed),
    ("feedsilent", Topic::Feed),
    ("feeddown", Topic::Feed),
    ("ratelimit", Topic::Feed),
    ("feed", Topic::MarketData),
    ("marketdata", Topic::MarketData),
    ("price", Topic::MarketData),
    ("sequence", Topic::MarketData),
    ("stale", Topic::MarketData),
    ("book", Topic::MarketData),
    ("order", Topic::Orders),
    ("fill", Topic::Orders),
    ("reject", Topic::Orders),
    ("authentication", Topic::Security),
    ("login", Topic::Security),
    ("breach", Topic::Security),
    ("intrusion", Topic::Security),
    ("api", Topic::Api),
    ("http", Topic::Api),
    ("latency", Topic::Api),
    ("response", Topic::Api),
    ("request", Topic::Api),
    ("strategy", Topic::Strategy),
    ("stuck", Topic::Strategy),
    ("silent", Topic::Strategy),
    ("heartbeat", Topic::Strategy),
    ("descriptor", Topic::Process),
];

/// What follows from what, and why.
const FOLLOWS: &[(Topic, Topic, &str)] = &[
    (Topic::Host, Topic::Process, "a machine in trouble stops its processes"),
    (Topic::Host, Topic::Memory, "a machine without memory leaves none to its processes"),
    (Topic::Host, Topic::Feed, "without network there are no connections to venues"),
    (Topic::Host, Topic::Api, "a machine in trouble answers slowly"),
    (Topic::Host, Topic::Database, "a machine in trouble slows its database"),
    (Topic::Disk, Topic::Database, "a database without disk space can't write"),
    (Topic::Disk, Topic::Process, "a process that can't write stops"),
    (Topic::Memory, Topic::Process, "a process that uses up its memory is killed"),
    (Topic::Memory, Topic::EventLoop, "with little memory left, collecting garbage holds the event loop up"),
    (Topic::Memory, Topic::Api, "with little memory left, answers wait for the garbage collector"),
    (Topic::Cpu, Topic::EventLoop, "without processor time the event loop lags"),
    (Topic::Cpu, Topic::Api, "without processor time answers are slow"),
    (Topic::Cpu, Topic::MarketData, "without processor time messages are handled late"),
    (Topic::Process, Topic::Api, "a process that is gone answers nothing"),
    (Topic::Process, Topic::Feed, "a process that starts again has lost its connections"),
    (Topic::Process, Topic::MarketData, "a process that is gone takes no prices"),
    (Topic::Process, Topic::Orders, "a process that is gone handles no orders"),
    (Topic::Process, Topic::Strategy, "a process that is gone trades nothing"),
    (Topic::Process, Topic::Watching, "a process that is gone can't be scraped"),
    (Topic::Database, Topic::Api, "a slow database makes the API slow"),
    (Topic::Database, Topic::EventLoop, "results that pile up hold the event loop up"),
    (Topic::Database, Topic::Orders, "orders wait for the database"),
    (Topic::Database, Topic::Strategy, "the bot's loop waits for the database"),
    (Topic::EventLoop, Topic::Api, "nothing is answered while the event loop is held up"),
    (Topic::EventLoop, Topic::Feed, "connections that nobody serves are closed by the venue"),
    (Topic::EventLoop, Topic::MarketData, "messages wait while the event loop is held up"),
    (Topic::EventLoop, Topic::Orders, "orders wait while the event loop is held up"),
    (Topic::EventLoop, Topic::Strategy, "the bot's loop waits for the event loop"),
    (Topic::EventLoop, Topic::Watching, "scrapes time out while the event loop is held up"),
    (Topic::Feed, Topic::MarketData, "without its connection a feed brings no prices"),
    (Topic::Feed, Topic::Orders, "orders on old prices are rejected"),
    (Topic::Feed, Topic::Strategy, "a strategy without prices waits or fails"),
    (Topic::MarketData, Topic::Orders, "orders on stale prices are rejected"),
    (Topic::MarketData, Topic::Strategy, "a strategy with stale prices fails"),
    (Topic::Api, Topic::Orders, "orders that come by a slow API are late"),
    (Topic::Security, Topic::Api, "an attack loads the API"),
    (Topic::Orders, Topic::Strategy, "a strategy whose orders are rejected fails"),
];

/// What correlating needs to know of an issue.
#[derive(Debug, Clone, PartialEq)]
pub struct Lead {
    /// The issue.
    pub id: EpisodeId,
    /// Its labels.
    pub labels: Labels,
    /// Its title: names without a telling word are looked for in it.
    pub title: Arc<str>,
    /// When it began.
    pub starts_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// Issues that are probably one trouble.
#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    /// The likely cause.
    pub cause: EpisodeId,
    /// All of them, by beginning; the cause among them.
    pub issues: Vec<EpisodeId>,
    /// Why they belong together, and why the cause is one.
    pub reason: String,
}

/// What an issue is about, by its name, else by its title.
pub fn topic(labels: &Labels, title: &str) -> Option<Topic> {
    let plain = |text: &str| -> String {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let find = |text: &str| {
        let text = plain(text);
        WORDS.iter().find(|(word, _)| text.contains(word)).map(|(_, topic)| *topic)
    };
    find(labels.value(ALERT_NAME)).or_else(|| find(labels.value("metric"))).or_else(|| find(title))
}

fn why(cause: Topic, effect: Topic) -> Option<&'static str> {
    FOLLOWS.iter().find(|(c, e, _)| *c == cause && *e == effect).map(|(.., why)| *why)
}

/// Whether two issues can be of the same thing: no label that says whose they are differs, and one is shared.
fn same_owner(a: &Labels, b: &Labels) -> bool {
    let mut shared = false;
    for name in WHOSE {
        let (x, y) = (a.value(name), b.value(name));
        if x.is_empty() || y.is_empty() {
            continue;
        }
        if *name == "bot" {
            return x == y;
        }
        if x != y {
            return false;
        }
        shared = true;
    }
    shared
}

/// The labels beyond the common ones that two issues share, and whether they contradict each other in one.
fn shared_part(a: &Labels, b: &Labels) -> (Vec<String>, bool) {
    let (mut shared, mut differs) = (Vec::new(), false);
    for (name, value) in a.iter().filter(|(name, _)| !COMMON.contains(name)) {
        match b.get(name) {
            Some(other) if other == value => shared.push(format!("{name} {value}")),
            Some(_) => differs = true,
            None => {}
        }
    }
    (shared, differs)
}

/// A reason to put two issues together, and the index of the cause where one follows from the other.
struct Link {
    reason: String,
    cause: Option<usize>,
}

fn link(leads: &[(Lead, Option<Topic>)], i: usize, j: usize) -> Option<Link> {
    let ((a, ta), (b, tb)) = (&leads[i], &leads[j]);
    if !same_owner(&a.labels, &b.labels) {
        return None;
    }
    // What had ended before is no company.
    let apart = |x: &Lead, y: &Lead| x.ended_at.is_some_and(|end| end < y.starts_at);
    if apart(a, b) || apart(b, a) {
        return None;
    }
    let (shared, differs) = shared_part(&a.labels, &b.labels);
    if let (Some(ta), Some(tb)) = (*ta, *tb) {
        let ways = [(i, j, ta, tb, a, b), (j, i, tb, ta, b, a)];
        let follows = ways.into_iter().find_map(|(cause, effect, tc, te, c, e)| {
            let after = e.starts_at.since(c.starts_at);
            let in_time = after <= WITHIN && after >= Duration::from_millis(-BEFORE.as_millis());
            // Another feed's trouble doesn't follow from this one's.
            let text = why(tc, te).filter(|_| in_time && !differs)?;
            let _ = effect;
            Some(Link { reason: text.to_owned(), cause: Some(cause) })
        });
        if follows.is_some() {
            return follows;
        }
    }
    let gap = if a.starts_at > b.starts_at {
        a.starts_at.since(b.starts_at)
    } else {
        b.starts_at.since(a.starts_at)
    };
    // The same topic twice is one trouble seen twice; otherwise both must name the same part.
    let same_topic = ta.is_some() && ta == tb && !differs;
    let same_part = !shared.is_empty() && !differs;
    if gap > BEFORE || !(same_topic || same_part) {
        return None;
    }
    let reason = if shared.is_empty() {
        "both say the same of the same bot".to_owned()
    } else {
        format!("both are about {}", shared.join(", "))
    };
    Some(Link { reason, cause: None })
}

/// The incidents among issues: groups of at least two, by the beginning of their causes.
pub fn correlate(leads: impl IntoIterator<Item = Lead>) -> Vec<Incident> {
    let mut leads: Vec<(Lead, Option<Topic>)> = leads
        .into_iter()
        .map(|lead| {
            let topic = topic(&lead.labels, &lead.title);
            (lead, topic)
        })
        .collect();
    leads.sort_by_key(|(l, _)| (l.starts_at, l.id));
    let mut parent: Vec<usize> = (0..leads.len()).collect();
    let mut links: Vec<(usize, usize, Link)> = Vec::new();
    for j in 0..leads.len() {
        // In order of beginnings: what began too long before is out of reach.
        for i in (0..j).rev().take(LOOKED_AT) {
            if leads[j].0.starts_at.since(leads[i].0.starts_at) > WITHIN {
                break;
            }
            if let Some(found) = link(&leads, i, j) {
                let (x, y) = (root(&mut parent, i), root(&mut parent, j));
                parent[x.max(y)] = x.min(y);
                links.push((i, j, found));
            }
        }
    }
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for i in 0..leads.len() {
        groups.entry(root(&mut parent, i)).or_default().push(i);
    }
    let several = groups.into_values().filter(|members| members.len() > 1);
    several.map(|members| incident(&leads, &members, &links)).collect()
}

fn root(parent: &mut [usize], mut i: usize) -> usize {
    while parent[i] != i {
        parent[i] = parent[parent[i]];
        i = parent[i];
    }
    i
}

fn incident(leads: &[(Lead, Option<Topic>)], members: &[usize], links: &[(usize, usize, Link)]) -> Incident {
    let of = |i: usize| links.iter().filter(move |(a, b, _)| *a == i || *b == i);
    let is_effect = |i: usize| of(i).any(|(.., link)| link.cause.is_some_and(|c| c != i));
    let effects = |i: usize| of(i).filter(|(.., link)| link.cause == Some(i)).count();
    // What follows from nothing; of several the one that explains most, then the deeper, then the first.
    let best = members.iter().copied().min_by_key(|i| {
        (
            is_effect(*i),
            usize::MAX - effects(*i),
            leads[*i].1.unwrap_or(Topic::Watching),
            leads[*i].0.starts_at,
        )
    });
    let cause = best.unwrap_or(members[0]);
    let name = |i: usize| leads[i].0.labels.value(ALERT_NAME).to_owned();
    let mut reason = String::new();
    let mut said: Vec<&str> = Vec::new();
    for (a, b, link) in of(cause) {
        let other = if *a == cause { *b } else { *a };
        if said.contains(&&*link.reason) || said.len() == 3 {
            continue;
        }
        said.push(&link.reason);
        let separator = if reason.is_empty() { "" } else { "; " };
        let (first, then) = (leads[cause].0.starts_at, leads[other].0.starts_at);
        let when = match then.since(first).as_millis() / 1000 {
            0 => "at the same time as".to_owned(),
            n if n > 0 => format!("{n} s before"),
            n => format!("{} s after", -n),
        };
        let _ =
            write!(reason, "{separator}{} began {when} {}, and {}", name(cause), name(other), link.reason);
    }
    Incident { cause: leads[cause].0.id, issues: members.iter().map(|i| leads[*i].0.id).collect(), reason }
}
