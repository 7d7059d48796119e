//! Command lines: what a process is called, and Node's heap limit.

/// Programs whose first argument is the program that people mean.
const INTERPRETERS: &[&str] = &[
    "node", "nodejs", "bun", "deno", "python", "pypy", "ruby", "perl", "php", "java", "lua", "luajit", "tsx",
    "ts-node", "dotnet", "julia", "Rscript",
];
const SHELLS: &[&str] = &["sh", "bash", "dash", "zsh", "ksh", "ash", "busybox"];
/// What a script's name may end with without being meant.
const EXTENSIONS: &[&str] = &[
    "js", "mjs", "cjs", "ts", "mts", "cts", "py", "pyc", "jar", "rb", "pl", "php", "sh", "lua", "dll", "jl",
    "R",
];
/// Options whose value is the next argument.
const WITH_VALUE: &[&str] = &[
    "-r",
    "--require",
    "--import",
    "--loader",
    "--experimental-loader",
    "-C",
    "--conditions",
    "--env-file",
    "--max-old-space-size",
    "--max_old_space_size",
    "-W",
    "-X",
    "-I",
    "-cp",
    "-classpath",
    "--class-path",
    "--tsconfig",
];
/// Options after which there is no script: code in the command line.
const CODE: &[&str] = &["-e", "--eval", "-p", "--print", "-c", "-lc", "-ec", "-ic"];
/// Options whose value is the script.
const MODULE: &[&str] = &["-m", "-jar", "--jar"];
/// The first word of `deno run`, `bun run`, `tsx watch`.
const VERBS: &[&str] = &["run", "watch", "exec"];

fn arguments(cmdline: &str) -> impl Iterator<Item = &str> {
    cmdline.split('\0').filter(|argument| !argument.is_empty())
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Without version: `python3.12` is `python`.
fn family(program: &str) -> &str {
    base(program).trim_start_matches('-').trim_end_matches(|c: char| c.is_ascii_digit() || c == '.')
}

fn one_of(list: &[&str], word: &str) -> bool {
    list.contains(&word)
}

/// Whether a process's program is a shell: the bot's wrapper rather than the bot.
pub(in crate::collect) fn is_shell(cmdline: &str) -> bool {
    arguments(cmdline).next().is_some_and(|program| one_of(SHELLS, family(program)))
}

/// Whether a process looks like Node: there `NODE_OPTIONS` matters. Newer ones call their main thread `MainThread`.
pub(in crate::collect) fn is_node(comm: &str, cmdline: &str) -> bool {
    let first = arguments(cmdline).next().and_then(|title| title.split(' ').next());
    matches!(comm, "node" | "nodejs" | "MainThread" | "node-MainThread")
        || first.is_some_and(|program| matches!(family(program), "node" | "nodejs" | "tsx" | "ts-node"))
}

/// The script that an interpreter runs.
fn script<'a>(mut arguments: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let program = family(arguments.next()?);
    if !one_of(INTERPRETERS, program) && !one_of(SHELLS, program) {
        return None;
    }
    let mut verb = matches!(program, "deno" | "bun" | "tsx");
    while let Some(argument) = arguments.next() {
        if argument == "--" || one_of(MODULE, argument) {
            return arguments.next();
        } else if one_of(CODE, argument) {
            return None;
        } else if one_of(WITH_VALUE, argument) {
            arguments.next();
        } else if verb && one_of(VERBS, argument) {
            verb = false;
        } else if !argument.starts_with('-') {
            return Some(argument);
        }
    }
    None
}

/// `/srv/bot.js` is called `/srv/bot.js`, `bot.js` and `bot`.
fn path_is_called(path: &str, name: &str) -> bool {
    let short = |text: &str| {
        text.rsplit_once('.')
            .filter(|(_, e)| one_of(EXTENSIONS, e))
            .map_or(text.len(), |(stem, _)| stem.len())
    };
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    [path, &path[..short(path)]]
        .into_iter()
        .any(|path| path.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('/')))
}

/// Whether a process is called so: by its name (`comm`), its executable, its first argument, or its script. A title that
/// a program gave itself (`process.title`, pm2's `node /srv/bot.js`) counts as its command line.
pub(in crate::collect) fn is_called(name: &str, comm: &str, exe: Option<&str>, cmdline: &str) -> bool {
    if name.is_empty() {
        return false;
    }
    let mut all = arguments(cmdline);
    let first = all.next();
    let title = first.filter(|first| first.contains(' ') && all.next().is_none());
    let called = |path: Option<&str>| path.is_some_and(|path| path_is_called(path, name));
    comm == name
        || called(exe)
        || called(first)
        || called(script(arguments(cmdline)))
        || title.is_some_and(|title| {
            called(title.split(' ').next()) || called(script(title.split(' ').filter(|w| !w.is_empty())))
        })
}

/// The heap limit, in bytes, among V8's options; the last one counts. The unit of the option is MiB.
fn among<'a>(mut options: impl Iterator<Item = &'a str>) -> Option<u64> {
    let mut found = None;
    while let Some(option) = options.next() {
        let Some(rest) = option
            .trim_matches('"')
            .strip_prefix("--max-old-space-size")
            .or_else(|| option.trim_matches('"').strip_prefix("--max_old_space_size"))
        else {
            continue;
        };
        let value = match rest.strip_prefix('=') {
            Some(value) => value,
            None if rest.is_empty() => options.next().unwrap_or_default(),
            None => continue,
        };
        let mib: Option<u64> = value.parse().ok().filter(|mib| *mib > 0);
        found = mib.and_then(|mib| mib.checked_mul(1 << 20)).or(found);
    }
    found
}

/// `--max-old-space-size` of a command line. Options after the script belong to the script, but people do put it there
/// in the belief that it works, and `node` ignores it: so only those before the script count.
pub(in crate::collect) fn heap_limit(cmdline: &str) -> Option<u64> {
    let script = script(arguments(cmdline));
    among(arguments(cmdline).take_while(|argument| Some(*argument) != script))
}

/// `--max-old-space-size` of `NODE_OPTIONS` in an environment. Nothing else of it is looked at.
pub(in crate::collect) fn node_options(environ: &str) -> Option<u64> {
    let options = environ.split('\0').find_map(|variable| variable.strip_prefix("NODE_OPTIONS="))?;
    among(options.split_ascii_whitespace())
}
