//! Every kind of diagnostic, explained.

/// A kind of diagnostic.
#[derive(Debug, Clone, Copy)]
pub struct Code {
    /// As printed in brackets.
    pub code: &'static str,
    /// What it means, why it matters, and what to do.
    pub explanation: &'static str,
}

/// The explanation of a code, for `botwatch check --explain` and the manual.
pub fn explain(code: &str) -> Option<&'static str> {
    CODES.iter().find(|c| c.code == code).map(|c| c.explanation)
}

const fn code(code: &'static str, explanation: &'static str) -> Code {
    Code { code, explanation }
}

/// All codes in alphabetical order. A test proves that each is used and that each used one is here.
pub const CODES: &[Code] = &[
    code(
        "conflict",
        "Two settings exclude each other, or one makes no sense beside the other: a password and a password file, \
         a scrape timeout longer than the interval, a key in two files. Keep one of them.",
    ),
    code(
        "duplicate-integration",
        "Two integrations of a receiver have the same identity (kind, and name or address): history and \
         the record of who was told what could not be told apart. Give them different names.",
    ),
    code(
        "duplicate-name",
        "Two scrape jobs or two receivers have the same name. Names are how routes, targets, metrics and saved \
         state refer to them, so each may be used once. When several files are given, names count over all of \
         them.",
    ),
    code(
        "duplicate-rule",
        "Two rules have the same name and labels: they would write the same series or raise the same alert. One \
         is enough; give them different labels if both are meant.",
    ),
    code(
        "empty-fallback",
        "A fallback receiver has no integration, so that nobody would be told when the first receiver \
         fails.",
    ),
    code(
        "escalation",
        "An escalation that can't work: it needs a name of its own, and steps that come one after the other (`after` \
         counts from the beginning) and name receivers that tell somebody.",
    ),
    code(
        "fallback-circle",
        "Receivers fall back on each other in a circle: after the last has failed nobody is left to be \
         told.",
    ),
    code(
        "file-unreadable",
        "A file could not be read: it is missing, too large, or not readable by this user.",
    ),
    code(
        "invalid-duration",
        "Durations are written as in Prometheus: whole numbers with the units y, w, d, h, m, s, ms, from big to \
         small, each at most once, such as `1h30m`. A bare number has no unit and is refused. The `timeout` of a \
         webhook or Slack channel is written as Go writes it (`500ms`, `1.5h`), without d, w and y.",
    ),
    code(
        "invalid-matcher",
        "A matcher is a label, an operator (= != =~ !~) and a value, as in `severity=\"critical\"`. One text may \
         hold several, separated by commas. Patterns after =~ and !~ match the whole value.",
    ),
    code(
        "invalid-regex",
        "The text is no regular expression in RE2's syntax, which Prometheus and Alertmanager use: no \
         look-around, no back-references. A pattern matches the whole value, as if it stood between ^ and $.",
    ),
    code(
        "invalid-url",
        "A web address must be absolute, with http or https and a host: `https://example.org/path`.",
    ),
    code(
        "invalid-value",
        "The value has the right type but can't be used here, for example zero where a time is needed, or a word \
         that is none of the possible ones.",
    ),
    code(
        "json-syntax",
        "The variable ALERT_WEBHOOK_ENDPOINTS is not a JSON list. It looks like \
         [{\"url\":\"https://example.org/alerts\",\"retryAttempts\":3,\"timeout\":10000}], with `timeout` in \
         milliseconds and optional `headers`. In a shell or .env file put it in single quotes.",
    ),
    code(
        "label-name",
        "A name that can't be a label's name: it is empty or not allowed by the naming scheme in force.",
    ),
    code(
        "live-not-acknowledged",
        "BOT_MODE=live lets the bot trade real money, so it must be said twice: BOT_LIVE_ACKNOWLEDGED has to hold \
         the bot's name (BOT_NAME, `bot` unless set).",
    ),
    code(
        "matcher-notation",
        "Alertmanager has an older and a newer notation of matchers. This text is read by the older one, as \
         Alertmanager would, but is not valid or means something else in the newer. Written as suggested, both \
         agree.",
    ),
    code(
        "missing-file",
        "A rule file or template file that is named is not there, so its rules would not run. Relative paths are \
         looked up beside the file that names them, then in the working directory. Prometheus and Alertmanager \
         start all the same; in their own files this is only a warning.",
    ),
    code(
        "missing-key",
        "A key that must be there is missing or has no value. If it is there but misspelt, the same run says so \
         at the misspelt key.",
    ),
    code(
        "missing-variable",
        "A channel is switched on by its variable (EMAIL_, SLACK_ or WEBHOOK_ALERTS_ENABLED), but what it needs \
         is not set. Set it, or switch the channel off.",
    ),
    code(
        "no-effect",
        "The key is accepted so that an existing file of Prometheus or Alertmanager runs unchanged, but it \
         changes nothing here. It can be removed.",
    ),
    code(
        "no-match",
        "A pattern such as `rules/*.yml` matches no file. It is looked up beside the file that names it, then in \
         the working directory. The folder is watched: a file that appears in it is read.",
    ),
    code("no-receiver", "The route at the root names no receiver, so that some alerts would go nowhere."),
    code(
        "no-targets",
        "The scrape job names no target, so nothing is scraped and no alert on its metrics can fire.",
    ),
    code(
        "nobody-told",
        "Alerts are decided, but no receiver of any route has an integration, so that no message is ever sent. \
         They can still be seen on the page and over the API.",
    ),
    code(
        "not-supported",
        "The key or value exists in Prometheus or Alertmanager and is deliberately not supported, because it \
         makes no sense beside one bot or is unsafe. The message says what to do instead.",
    ),
    code(
        "not-utf8",
        "The file holds bytes that are not UTF-8 text. It may be saved in another encoding (Latin-1, UTF-16) or \
         be no text at all.",
    ),
    code(
        "not-yet-supported",
        "The key is known and will work in a later version, but this version does not act on it. It is refused, \
         because a setting that is silently not in force is worse than an error.",
    ),
    code(
        "promql-syntax",
        "The expression is no PromQL: the place, what was expected there and often what was probably meant are \
         shown. Line and column are those of the file, also inside folded and quoted text.",
    ),
    code(
        "root-continue",
        "The root of the route tree has no siblings to continue to: `continue` belongs to its children.",
    ),
    code(
        "root-intervals",
        "The root of the route tree takes what no other route takes, at any time: time intervals belong to its \
         children.",
    ),
    code(
        "root-matchers",
        "The root of the route tree must match every alert; matchers belong to its children.",
    ),
    code(
        "route-depth",
        "Routes are nested deeper than is allowed. Such a file was probably generated by mistake.",
    ),
    code(
        "secret-file",
        "A file that holds a password, a token, a certificate or another value of a peer is missing, empty or not \
         readable by this user. It is read at each use, so it may still come; until then what needs it fails: a \
         scrape, or a notification.",
    ),
    code(
        "short-repeat",
        "Groups are looked at every `group_interval`, so nothing can be told again more often than that. A \
         `repeat_interval` that is shorter has the same effect as one that equals it.",
    ),
    code(
        "slack-webhook",
        "The incoming webhook of a Slack app is bound to the channel that was chosen when it was made: Slack \
         ignores another channel, and such a webhook can neither thread nor update messages. A bot's token can do \
         all of that.",
    ),
    code(
        "template-syntax",
        "The value of a label or an annotation is no template: what stands between {{ and }} can't be read, or names \
         a function or variable that there is not. The variables are $labels, $value, $externalLabels and \
         $externalURL; there is no arithmetic, which belongs into the expression. To write {{ literally, write \
         {{ \"{{\" }}.",
    ),
    code(
        "too-many-problems",
        "The file has more problems than are worth printing at once; the first 200 are shown. Mend those and \
         check again. So many usually share one cause, such as a file of another kind.",
    ),
    code(
        "undefined-interval",
        "A route names a time interval that is not among `time_intervals`. It would be mute, or active, at no time.",
    ),
    code(
        "undefined-receiver",
        "A route or a fallback names a receiver that is not among `receivers`. The alerts that it takes would \
         reach nobody.",
    ),
    code(
        "unknown-key",
        "A key that is not known at this place. Unknown keys are errors, because a misspelt key would otherwise \
         be ignored and its setting would not be in force. The nearest known key is suggested.",
    ),
    code(
        "unknown-variable",
        "A variable in the environment looks like one of botwatch's but is none, so it has no effect. The nearest \
         known one is suggested. This is a warning, because the environment is shared with other programs.",
    ),
    code(
        "unset-variable",
        "A file refers to ${NAME}, but NAME is not in the environment. Set it, or give a default with \
         ${NAME:-value}. To write ${NAME} literally, write $${NAME}.",
    ),
    code(
        "variable-not-expanded",
        "The file holds ${NAME}, but it is a plain file of Prometheus or Alertmanager, and those expand no \
         variables (Prometheus only in `external_labels`). In a file named `botwatch….yml`, or one with a key of \
         botwatch's own, they are expanded. For secrets there are also keys that end in `_file`.",
    ),
    code(
        "wrong-type",
        "The value is of another type than the key takes, such as a text where a list is needed. YAML takes an \
         unquoted 5 for a number, yes for a boolean, and a quoted one for a text.",
    ),
    code(
        "yaml-alias",
        "An alias (`*name`) refers to an anchor (`&name`) that is not defined above it, or to the value that it \
         stands in.",
    ),
    code(
        "yaml-documents",
        "The file has a second document after a line `---`. Only the first is read, as in Prometheus; what \
         follows has no effect.",
    ),
    code(
        "yaml-duplicate-key",
        "A key is given twice in one mapping. One of the two values would silently be ignored, so this is an \
         error, placed at the second.",
    ),
    code(
        "yaml-key",
        "A list or a mapping stands where a key is expected. Often a `{` or `[` is meant as text and needs \
         quotes.",
    ),
    code(
        "yaml-limit",
        "The file is nested too deeply, or its aliases unfold to more values than any real file has. The limits \
         keep a hostile file from using up the memory.",
    ),
    code(
        "yaml-merge",
        "The merge key `<<` takes an alias of a mapping, or a list of such aliases. Anything else can't be \
         merged.",
    ),
    code(
        "yaml-syntax",
        "The file is not valid YAML. Common causes: a tab in the indentation; an unquoted value with `: ` or a \
         special first character in it; a bracket or quote that is not closed; a backslash in double quotes, \
         which single quotes would take literally.",
    ),
    code(
        "yaml-tag",
        "A YAML tag such as `!include` has no meaning here. The standard ones (`!!str`, `!!int`, …) are \
         understood.",
    ),
    code(
        "yaml-template",
        "An unquoted value that begins with `{{` is a mapping to YAML, not a template. Put the whole value in \
         quotes.",
    ),
    code(
        "zero-interval",
        "An interval of zero would notify without pause. Leave it out for the default, or give a \
         duration.",
    ),
];
