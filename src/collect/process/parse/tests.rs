//! Tables of what kernels and people write, and that no text makes a parser panic.

use proptest::prelude::*;

use super::*;

fn stat_line(comm: &str, state: &str, threads: u64) -> String {
    format!(
        "77 ({comm}) {state} 1 77 77 0 -1 4194560 900 11 42 0 250 50 3 1 20 0 {threads} 0 123456 1048576 300 0 0"
    )
}

#[test]
fn a_stat_whose_name_has_parentheses_and_spaces() {
    for comm in ["node", "a b", "(sd-pam)", "x) R 1 2 (y", ")", "", "tab\tand\nline", "ünï"] {
        let stat = process_stat(&stat_line(comm, "S", 11)).unwrap();
        let expected = ProcessStat {
            comm: comm.to_owned(),
            state: 'S',
            major_faults: 42,
            user: 250,
            system: 50,
            threads: 11,
            start: 123_456,
            virtual_bytes: 1_048_576,
        };
        assert_eq!(stat, expected);
    }
    for cut in
        ["", "77", "77 (node", "77 (node)", "77 (node) S", "77 (node) S 1 77 77 0 -1 4194560 900 11 42 0 250"]
    {
        assert_eq!(process_stat(cut), None, "{cut}");
    }
}

#[test]
fn a_zombie_is_dead_unless_other_threads_go_on() {
    for (state, threads, dead) in
        [("Z", 1, true), ("X", 0, true), ("Z", 2, false), ("S", 1, false), ("T", 1, false)]
    {
        assert_eq!(
            process_stat(&stat_line("n", state, threads)).unwrap().is_dead(),
            dead,
            "{state} {threads}"
        );
    }
}

#[test]
fn processors() {
    let text = "cpu  10 20 30 40 50 60 70 80 90 100\ncpu0 1 2\ncpu1 9 18\nintr 5\nctxt 9\nbtime 1700000000\n";
    assert_eq!(cpu_ticks(text), Some(([10, 20, 30, 40, 50, 60, 70, 80], 2)));
    // Old kernels have fewer modes.
    assert_eq!(cpu_ticks("cpu  1 2 3 4\n"), Some(([1, 2, 3, 4, 0, 0, 0, 0], 0)));
    assert_eq!(cpu_ticks("intr 5\n"), None);
    assert_eq!(
        (keyed(text, "btime"), keyed(text, "ctxt"), keyed(text, "cpu0")),
        (Some(1_700_000_000), Some(9), None)
    );
}

#[test]
fn fields_of_a_line() {
    let status = "Name:\tnode VmRSS: 9 kB\nVmPeak:\t  900 kB\nVmRSS:\t  512 kB\nThreads:\t11\n\
                  voluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t3\n";
    assert_eq!(
        (bytes(status, "VmRSS"), bytes(status, "VmSwap"), bytes(status, "Threads")),
        (Some(524_288), None, None)
    );
    assert_eq!(labelled(status, "Threads"), Some(11));
    assert_eq!(labelled(status, "nonvoluntary_ctxt_switches"), Some(3));
    assert_eq!(labelled("rchar: 1\nread_bytes: 4096\nwrite_bytes: 0\n", "read_bytes"), Some(4096));
    let rollup =
        "55d0-7ffe ---p 00000000 00:00 0    [rollup]\nRss:   2000 kB\nPss:   1234 kB\nPss_Dirty:  9 kB\n";
    assert_eq!(bytes(rollup, "Pss"), Some(1234 * 1024));
    assert_eq!(bytes("Pss: 18446744073709551615 kB\n", "Pss"), None);
    let events = "low 0\nhigh 4\nmax 3\noom 2\noom_kill 1\noom_group_kill 0\n";
    assert_eq!(
        [keyed(events, "oom"), keyed(events, "oom_kill"), keyed(events, "nope")],
        [Some(2), Some(1), None]
    );
    assert_eq!(words::<3>("0.10 1.5 2 1/234 5678\n"), Some([0.1, 1.5, 2.0]));
    assert_eq!(words::<3>("1 2"), None);
    assert_eq!(words::<1>("nan"), None);
}

#[test]
fn limits_of_open_files() {
    let limits = |soft: &str| {
        format!(
            "Limit   Soft Limit  Hard Limit  Units\nMax processes 5 5 processes\nMax open files  {soft}  4096  files\n"
        )
    };
    assert_eq!([max_open_files(&limits("1024")), max_open_files(&limits("unlimited"))], [Some(1024), None]);
    assert_eq!(max_open_files(""), None);
}

#[test]
fn cgroups() {
    for (text, path) in [
        ("0::/system.slice/bot.service\n", Some("system.slice/bot.service")),
        ("12:memory:/docker/ab\n1:name=systemd:/x\n0::/docker/ab\n", Some("docker/ab")),
        ("0::/\n", Some("")),
        ("0::/bot (deleted)\n", Some("bot")),
        ("0::/../other\n", None),
        ("0::/a/../../b\n", None),
        ("4:memory:/x\n", None),
    ] {
        assert_eq!(unified_path(text), path, "{text}");
    }
    assert_eq!(
        [limit("max\n"), limit("536870912\n"), limit(""), limit("-1")],
        [None, Some(536_870_912), None, None]
    );
    for (text, cores) in
        [("max 100000\n", None), ("150000 100000\n", Some(1.5)), ("1 0\n", None), ("5\n", None), ("", None)]
    {
        assert_eq!(cpu_max(text), cores, "{text}");
    }
}

#[test]
fn pressure_with_and_without_full() {
    let some = "some avg10=12.50 avg60=1.00 avg300=0.10 total=2500000\n";
    let found = pressure(some).unwrap();
    assert_eq!((found.some_avg10, found.waiting, found.stalled), (0.125, 2.5, None));
    let both = format!("{some}full avg10=0.00 avg60=0.00 avg300=0.00 total=500000\n");
    assert_eq!(pressure(&both).unwrap().stalled, Some(0.5));
    for bad in
        ["", "full avg10=1 total=1\n", "some avg10=x total=1\n", "some avg10=1\n", "some avg10=inf total=1\n"]
    {
        assert_eq!(pressure(bad), None, "{bad}");
    }
}

#[test]
fn listeners() {
    let v4 = "   0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 12345 1 0 100 0";
    let v6 = "   1: 00000000000000000000000000000000:0BB8 00000000000000000000000000000000:0000 0A 00000000:00000000 \
              00:00000000 00000000     0        0 777 1 0 100 0";
    let established = v4.replace(" 0A ", " 01 ");
    let dying = v4.replace("12345", "0");
    let header =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
    for (line, port, inode) in [
        (v4, 3000, Some(12345)),
        (v4, 3001, None),
        (v6, 3000, Some(777)),
        (established.as_str(), 3000, None),
        (dying.as_str(), 3000, None),
        (header, 3000, None),
        ("", 3000, None),
        ("0: :0BB8 x 0A", 3000, None),
    ] {
        assert_eq!(listener(line, port), inode, "{line} {port}");
    }
}

/// A command line as `/proc` has it.
fn cmdline(arguments: &[&str]) -> String {
    arguments.iter().flat_map(|argument| [*argument, "\0"]).collect()
}

#[test]
fn what_a_process_is_called() {
    let table: &[(&str, &str, &[&str], bool)] = &[
        // name, comm, arguments, whether it is called so
        ("bot.js", "node", &["node", "bot.js"], true),
        ("bot", "node", &["node", "bot.js"], true),
        ("bot", "MainThread", &["/usr/bin/node", "--max-old-space-size=512", "/srv/bot.js", "--paper"], true),
        ("/srv/bot.js", "node", &["node", "/srv/bot.js"], true),
        ("app/bot.js", "node", &["node", "/srv/app/bot.js"], true),
        ("node", "MainThread", &["/usr/bin/node", "bot.js"], true),
        ("bot", "node", &["node", "-r", "dotenv/config", "bot.js"], true),
        ("config", "node", &["node", "-r", "dotenv/config", "bot.js"], false),
        ("bot", "node", &["node", "robot.js"], false),
        ("bot", "node", &["node", "server.js", "bot"], false),
        ("bot", "node", &["node", "-e", "bot"], false),
        ("bot", "deno", &["deno", "run", "-A", "bot.ts"], true),
        ("bot", "python3", &["python3.12", "-u", "bot.py"], true),
        ("bot.main", "python3", &["python3", "-m", "bot.main"], true),
        ("bot", "java", &["java", "-Xmx1g", "-cp", "lib", "-jar", "/opt/bot.jar"], true),
        ("bot", "sh", &["sh", "-c", "node bot.js"], false),
        ("bot", "vim", &["vim", "bot.js"], false),
        ("bot", "tail", &["tail", "-f", "bot"], false),
        ("bot", "bot", &["bot"], true),
        ("bot", "bot", &[], true),
        ("bot", "x", &["/opt/bot", "--live"], true),
        // Titles that programs give themselves.
        ("bot", "node /srv/bot.j", &["node /srv/bot.js"], true),
        ("bot", "bot: worker", &["bot worker 3"], true),
        ("worker", "bot: worker", &["bot worker 3"], false),
        ("", "node", &["node", "bot.js"], false),
    ];
    for (name, comm, arguments, called) in table {
        assert_eq!(is_called(name, comm, None, &cmdline(arguments)), *called, "{name} {arguments:?}");
    }
    assert!(is_called("bot", "x", Some("/opt/bot (deleted)"), ""));
    assert!(is_called("node", "x", Some("/usr/bin/node"), "\0"));
    let shells = [is_shell("sh\0bot.sh\0"), is_shell("-bash\0"), is_shell("node\0bot.js\0"), is_shell("")];
    assert_eq!(shells, [true, true, false, false]);
}

#[test]
fn heap_limits() {
    let mib = |n: u64| Some(n << 20);
    let table: &[(&[&str], Option<u64>)] = &[
        (&["node", "--max-old-space-size=512", "bot.js"], mib(512)),
        (&["node", "--max_old_space_size=512", "bot.js"], mib(512)),
        (&["node", "--max-old-space-size", "512", "bot.js"], mib(512)),
        (&["node", "--max-old-space-size=1", "--max-old-space-size=2", "bot.js"], mib(2)),
        // An argument of the script.
        (&["node", "bot.js", "--max-old-space-size=512"], None),
        (&["node", "--max-old-space-size=x", "bot.js"], None),
        (&["node", "--max-old-space-size=0", "bot.js"], None),
        (&["node", "--max-old-space-size=18446744073709551615", "bot.js"], None),
        (&["node", "--max-old-space-size-percentage=50", "bot.js"], None),
        (&["node", "bot.js"], None),
        (&[], None),
    ];
    for (arguments, limit) in table {
        assert_eq!(heap_limit(&cmdline(arguments)), *limit, "{arguments:?}");
    }
    for (environ, limit) in [
        ("HOME=/x\0NODE_OPTIONS=--inspect --max-old-space-size=256\0A=b\0", mib(256)),
        ("NODE_OPTIONS=\"--max-old-space-size=256\"\0", mib(256)),
        ("XNODE_OPTIONS=--max-old-space-size=256\0", None),
        ("NODE_OPTIONS=\0", None),
        ("", None),
    ] {
        assert_eq!(node_options(environ), limit, "{environ}");
    }
    let nodes =
        [is_node("node", ""), is_node("bot", "/usr/bin/node\0b.js\0"), is_node("bot", "python3\0b.py\0")];
    assert_eq!(nodes, [true, true, false]);
}

/// All parsers on one text.
fn parse_all(text: &str) {
    let _ = (process_stat(text), cpu_ticks(text), pressure(text), listener(text, 3000), unified_path(text));
    let _ = (limit(text), cpu_max(text), max_open_files(text), words::<3>(text), bytes(text, "Pss"));
    let _ =
        (labelled(text, "Threads"), keyed(text, "oom"), heap_limit(text), node_options(text), is_shell(text));
    let _ =
        (is_called("bot", text, Some(text), text), is_called(text, "bot", None, text), is_node(text, text));
}

proptest! {
    #[test]
    fn no_text_makes_a_parser_panic(text in any::<String>()) {
        parse_all(&text);
    }

    #[test]
    fn nor_does_one_that_looks_right(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "77", "(node)", ")", "(", "S", "cpu", "cpu0", "0::/", "..", "some", "full", "avg10=", "total=1", ":0BB8",
                "0A", "max", "kB", "Pss:", "Threads:", "oom", "Max open files", "18446744073709551615", "-1", "node",
                "--max-old-space-size", "--max-old-space-size=", "-r", "NODE_OPTIONS=", "é", "\"",
            ]),
            0..40,
        ),
        gaps in prop::collection::vec(prop::sample::select(vec![" ", "\n", "\0", "\t", ":", "/", ""]), 40),
    ) {
        let text: String = words.iter().zip(&gaps).flat_map(|(word, gap)| [*word, *gap]).collect();
        parse_all(&text);
    }
}
